"""Decisions through the domain, as in the stream: score, route, review, label, learn.

A *stride* of decisions is routed under the thresholds and calibrations that were announced before it began;
then its traffic, and the labels that are known by then, are learned, and what that announces is in force
from the next stride on. So news reaches the routing after at most ``STRIDE`` decisions: in the stream a
worker reads its thresholds once for a batch, and the announcement has to travel there first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from app.domain.confidence import IDENTITY, Calibration
from app.domain.events import (
    CalibrationUpdated,
    DecidedBy,
    DecisionRouted,
    DecisionScored,
    LearningLabel,
    PatternDetected,
    ThresholdUpdated,
)
from app.domain.evidence import Draws, draws, reviewed_probability
from app.domain.expression_context import context as build_context
from app.domain.learning.drift import Change, KeyState, learn
from app.domain.learning.records import Told
from app.domain.learning.terms import LearningTerms
from app.domain.routing import learning_key, route
from app.domain.scoring import assess
from app.domain.shadows import shadows_of, with_shadows
from app.domain.terms import Terms
from app.domain.thresholds import ThresholdInForce, threshold_in_force
from app.domain.traffic import Traffic
from app.lab.answers import Given, Judged, judge, label_of, labels_of_shadows
from app.lab.reviewers import Reviewers
from app.lab.submissions import Submission

STRIDE = 256
"""Decisions between two looks of the learner, and the longest lag of what it announces."""

Learn = Callable[[KeyState, Iterable[Told], LearningTerms], tuple[KeyState, list[Change]]]


class Line(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What became of one decision: a line of the output."""

    decision_id: str
    level: int
    automated: bool
    audited: bool
    """Ran alone and was checked by a person afterwards."""
    inclusion_probability: float
    """Chance that a person saw it: 1 above level 2."""
    blind: bool
    """The person who decided or checked had not seen the recommendation."""
    threshold: float
    confidence: float
    """The routing score: what is compared with ``threshold``."""
    final_action: str
    decided_by: DecidedBy
    calibrated: float
    """The calibrated probability that the recommendation is right."""
    evidence: bool
    """Drawn into the blind evidence sample."""
    evidence_probability: float
    learning_key: str
    epoch: int


class Simulated(msgspec.Struct, frozen=True, gc=False):
    """One decision with all that the report needs."""

    line: Line
    submission: Submission
    judged: Judged
    routed: DecisionRouted


class Sighted(msgspec.Struct, frozen=True):
    """A pattern, and after how many decisions it was seen."""

    pattern: PatternDetected
    decisions: int


class Simulation:
    """One run. ``secret`` keys all draws; ``learning`` says what a type's policy says about learning.

    ``learner`` is the learner of one key; what it is given is all that it can know.
    """

    def __init__(
        self,
        terms: Mapping[str, Terms],
        reviewers: Reviewers,
        secret: bytes,
        learning: Callable[[Terms], LearningTerms],
        learner: Learn = learn,
    ) -> None:
        share = reviewers.gold_rate
        self._terms = {
            name: t if share is None else msgspec.structs.replace(t, gold_share=share)
            for name, t in terms.items()
        }
        # Who would have to confirm an expansion does so at once.
        self._learning = {
            name: msgspec.structs.replace(learning(t), confirm=False) for name, t in self._terms.items()
        }
        self._reviewers = reviewers
        self._secret = secret
        self._learner = learner
        self._states: dict[str, KeyState] = {}
        self._calibrations: dict[str, Calibration] = {}
        self._in_force: dict[str, ThresholdInForce] = {}
        self._types: dict[str, str] = {}
        self._due: dict[int, list[tuple[int, DecisionRouted, Given]]] = defaultdict(list)
        self._now = 0
        self.decisions = 0
        self.labels_given = 0
        self.labels_known = 0
        self.evidence_known = 0
        self.thresholds: dict[str, ThresholdUpdated] = {}
        """The last announcement of each key."""
        self.sighted: list[Sighted] = []

    def stride(self, submissions: Sequence[Submission]) -> list[Simulated]:
        """At most ``STRIDE`` decisions in their order, then what was learned."""
        traffic = Traffic()
        routed = self._routed(submissions, traffic)
        done: list[Simulated] = []
        for submission, event in zip(submissions, routed, strict=True):
            terms = self._terms[submission.decision.decision_type]
            traffic.count(event, terms)
            judged = judge(event, submission.truth, terms, self._reviewers, self._secret)
            for given in judged.given:
                due = self.decisions + given.delay
                self._due[due // STRIDE].append((due, event, given))
            self.labels_given += len(judged.given)
            done.append(Simulated(_line(event, judged), submission, judged, event))
            self.decisions += 1
            self._now = max(self._now, submission.decision.occurred_at)
        self._learn(traffic)
        return done

    def in_force(self, key: str, terms: Terms) -> ThresholdInForce:
        """The threshold of this moment."""
        found = self._in_force.get(key)
        if found is None:
            found = self._in_force[key] = threshold_in_force(terms, self.thresholds.get(key))
        return found

    @property
    def keys(self) -> Mapping[str, Terms]:
        """The learning keys that were seen, with the terms of their type."""
        return {key: self._terms[name] for key, name in self._types.items()}

    def _routed(self, submissions: Sequence[Submission], traffic: Traffic) -> list[DecisionRouted]:
        """One step of the work for the whole stride, then the next: it stays in the processor's caches."""
        terms = [self._terms[submission.decision.decision_type] for submission in submissions]
        contexts = [build_context(submission.decision, submission.facts) for submission in submissions]
        keys = [
            learning_key(submission.decision, t.learning.segment, context)
            for submission, t, context in zip(submissions, terms, contexts, strict=True)
        ]
        assessments = [
            assess(
                submission.decision,
                submission.facts,
                context,
                submission.decision.occurred_at,
                t,
                self._calibrations.get(key, IDENTITY),
            )
            for submission, context, t, key in zip(submissions, contexts, terms, keys, strict=True)
        ]
        routed = []
        for submission, context, t, key, assessment in zip(
            submissions, contexts, terms, keys, assessments, strict=True
        ):
            decision = submission.decision
            drawn = draws(self._secret, decision.decision_id)
            decided = route(decision, assessment, context, t, self.in_force(key, t), drawn)
            scored = DecisionScored(decision=decision, assessment=assessment)
            event = DecisionRouted(scored=scored, route=decided)
            routed.append(self._beside(event, submission, drawn, traffic) if decision.shadows else event)
            self._types.setdefault(key, decision.decision_type)
        return routed

    def _beside(
        self, event: DecisionRouted, submission: Submission, drawn: Draws, traffic: Traffic
    ) -> DecisionRouted:
        """The decision with its shadows, whose traffic is counted."""
        decision = submission.decision
        terms = self._terms[decision.decision_type]
        shadows = list(
            shadows_of(
                decision,
                submission.facts,
                decision.occurred_at,
                terms,
                lambda key: self._calibrations.get(key, IDENTITY),
                lambda key: self.in_force(key, terms),
                drawn,
            )
        )
        for shadow in shadows:
            traffic.count(shadow, terms)
            self._types.setdefault(shadow.route.learning_key, decision.decision_type)
        return with_shadows(event, shadows)

    def _learn(self, traffic: Traffic) -> None:
        records: dict[str, list[Told]] = defaultdict(list)
        for tally in traffic.tallies():
            records[tally.learning_key].append(tally)
        for label in self._known():
            records[label.learning_key].append(label)
        for key, told in records.items():
            state = self._states.get(key) or KeyState(learning_key=key)
            self._states[key], changes = self._learner(state, told, self._learning[self._types[key]])
            for change in changes:
                self._hear(change)

    def _known(self) -> Iterator[LearningLabel]:
        """Labels of answers that are known by now, in the order in which they became known."""
        known: list[tuple[int, DecisionRouted, Given]] = []
        for bucket in [number for number in self._due if number * STRIDE < self.decisions]:
            waiting = self._due.pop(bucket)
            known += (item for item in waiting if item[0] < self.decisions)
            if later := [item for item in waiting if item[0] >= self.decisions]:
                self._due[bucket] = later
        for _, routed, given in sorted(known, key=lambda item: item[0]):
            self.labels_known += 1
            terms = self._terms[routed.scored.decision.decision_type]
            label = label_of(routed, given, terms, self._now)
            if label is not None:
                self.evidence_known += label.evidence
                yield label
            if routed.route.shadows:
                yield from labels_of_shadows(routed, given, self._now)

    def _hear(self, change: Change) -> None:
        if isinstance(change, ThresholdUpdated):
            self.thresholds[change.learning_key] = change
            self._in_force.pop(change.learning_key, None)
        elif isinstance(change, CalibrationUpdated):
            self._calibrations[change.learning_key] = Calibration.of(change)
        else:
            self.sighted.append(Sighted(change, self.decisions))


def _line(routed: DecisionRouted, judged: Judged) -> Line:
    decided, confidence = routed.route, routed.scored.assessment.confidence
    automated = decided.level <= 2
    return Line(
        decision_id=routed.scored.decision.decision_id,
        level=decided.level,
        automated=automated,
        audited=automated and bool(decided.review_kinds),
        inclusion_probability=reviewed_probability(decided),
        blind=judged.blind,
        threshold=decided.threshold,
        confidence=decided.score,
        final_action=judged.final_action,
        decided_by=DecidedBy.AI if automated else DecidedBy.HUMAN,
        calibrated=confidence.probability,
        evidence=decided.evidence,
        evidence_probability=decided.evidence_probability,
        learning_key=decided.learning_key,
        epoch=decided.epoch,
    )
