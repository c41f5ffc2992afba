"""A policy beside another one that really decided, in a log or on the stream: who would have decided, and
how wrong that would have been.

Routing is repeated with the thresholds and calibrations that each decision was routed by. What nobody judged
stays unknown: the error is estimated from blind answers, each with the chance that it had of being asked for
(``app.lab.estimate``), and only bounded where that chance was none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from app.domain.context_package import is_blind
from app.domain.events import (
    Arm,
    Assessment,
    DecisionRouted,
    DecisionScored,
    ObservedOutcome,
    ReviewDecided,
    ReviewKind,
    Route,
)
from app.domain.evidence import draws, reviewed_probability
from app.domain.expression_context import context as build_context
from app.domain.facts import Invalid, parse_facts
from app.domain.gold import due
from app.domain.labels import label_for
from app.domain.resolution import DECIDING, HAND_ONS
from app.domain.routing import learning_key, route
from app.domain.scoring import assess
from app.domain.standing_rules import NO_RULES, RulesInForce
from app.domain.terms import Fact, Terms
from app.domain.words import against
from app.lab.announced import Announced
from app.lab.estimate import Judged
from app.lab.report import Rejects
from app.policy.compiled import CompiledPolicy

_FIRST = DECIDING | {ReviewKind.AUDIT}
_DRAWN = "arm"
_ADJUSTMENT = "adjustment"
_NOT_WORK = frozenset({ReviewKind.GOLD, ReviewKind.CALIBRATION})


class Again(msgspec.Struct, gc=False):
    """A decision routed again. ``*_logged`` is what really happened; ``people`` are the answers that a route
    asks for. What people and time say about the recommendation comes later."""

    decision_id: str
    recommended: str
    level: int
    level_logged: int
    people: tuple[ReviewKind, ...]
    people_logged: tuple[ReviewKind, ...]
    sla_class: str
    rescored: bool
    """Its raw confidence is another one."""
    facts: tuple[Fact, ...]
    """Those that the report is sliced by."""
    why: str
    """What led to its level, in words."""
    chance: float
    """That a person saw it."""
    blind_chance: float
    """That a person judged it before seeing the recommendation."""
    adjusted: tuple[tuple[str, bool], ...] = ()
    """Contextual adjustments that shifted its score, each with whether it would run alone without it."""
    error: bool | None = None
    blind_error: bool | None = None
    truth: bool | None = None
    """Whether a truth that came later says that the AI was wrong."""

    @property
    def alone(self) -> bool:
        """It would run without a person."""
        return self.level <= 2

    @property
    def was_alone(self) -> bool:
        """It did."""
        return self.level_logged <= 2

    @property
    def blind(self) -> Judged:
        """By an answer given before the recommendation was seen. A later truth corrects an answer; alone it
        says nothing, since errors get reported and successes do not."""
        return Judged(self.was_alone, self._corrected(self.blind_error), self.blind_chance)

    @property
    def any(self) -> Judged:
        """By whatever people answered; who was shown the recommendation may have followed it."""
        return Judged(self.was_alone, self._corrected(self.error), self.chance)

    def _corrected(self, error: bool | None) -> bool | None:
        return error if error is None or self.truth is None else self.truth


class Work(msgspec.Struct):
    """What answers of people cost, and how they came."""

    handling: dict[ReviewKind, list[int]] = {}
    """By kind: answers that were timed, and their time in ms."""
    on_time: dict[str, list[int]] = {}
    """By SLA class: answers with a deadline, and how many kept it."""
    shown: int = 0
    changed: int = 0
    answers: int = 0

    def add(self, decided: ReviewDecided) -> None:
        """Count an answer."""
        request, answer = decided.requested.request, decided.answer
        self.answers += 1
        if 0 < answer.claimed_at <= answer.decided_at:
            timed = self.handling.setdefault(request.kind, [0, 0])
            timed[0] += 1
            timed[1] += answer.decided_at - answer.claimed_at
        if request.deadline is not None:
            kept = self.on_time.setdefault(request.sla_class, [0, 0])
            kept[0] += 1
            kept[1] += answer.decided_at <= request.deadline
        if not request.blind and request.kind is not ReviewKind.AUDIT:
            self.shown += 1
            self.changed += answer.action != decided.requested.routed.scored.decision.recommendation.action


class Beside:
    """The policy that is tried. ``secret`` keys the draws; with the workers' own the same decisions are drawn
    under both policies. ``facts`` are those by which the report is sliced."""

    def __init__(
        self,
        policy: CompiledPolicy,
        secret: bytes,
        facts: Sequence[str] = (),
        rules: Callable[[str], RulesInForce] = lambda _type: NO_RULES,
    ) -> None:
        self.policy = policy
        self.facts = tuple(facts)
        self.announced = Announced()
        self.decisions: dict[str, Again] = {}
        """In the order in which they came."""
        self.keys: dict[str, Terms] = {}
        self.work = Work()
        self.rejected = Rejects()
        self.unannounced = 0
        """Decisions whose threshold's announcement the log no longer has."""
        self._secret = secret
        self._rules = rules
        self._answers: set[str] = set()

    def routed(self, event: DecisionRouted) -> Again | None:
        """Route a decision again, once; ``None`` for one that came before, and for what the policy does not
        know, which is counted in ``rejected``."""
        decision, logged = event.scored.decision, event.scored.assessment
        if decision.decision_id in self.decisions:
            return None
        terms, facts = self.policy.terms.get(decision.decision_type), parse_facts(decision.facts)
        if terms is None or isinstance(facts, Invalid):
            reason = "unknown_type" if terms is None else "invalid_facts"
            self.rejected.add(0, reason, f"decision '{decision.decision_id}' of {decision.decision_type}")
            return None
        context = build_context(decision, facts)
        key = learning_key(decision, terms.learning.segment, context)
        self.keys[key] = terms
        calibration = self.announced.calibration(key, event)
        assessment = assess(decision, facts, context, logged.received_at, terms, calibration)
        rescored = assessment.confidence.raw != logged.confidence.raw
        if not rescored and key == event.route.learning_key:  # what it meant then is known best
            assessment = _as_logged(assessment, logged)
        in_force, known = self.announced.in_force(key, event, terms)
        self.unannounced += not known
        drawn, rules = draws(self._secret, decision.decision_id), self._rules(decision.decision_type)
        decided = route(decision, assessment, context, terms, in_force, drawn, rules)
        rerouted = DecisionRouted(
            scored=DecisionScored(decision=decision, assessment=assessment), route=decided
        )
        again = Again(
            decision_id=decision.decision_id,
            recommended=decision.recommendation.action,
            level=decided.level,
            level_logged=event.route.level,
            people=_people(rerouted),
            people_logged=_people(event),
            sla_class=decided.sla_class,
            rescored=rescored,
            facts=tuple(facts.get(name) for name in self.facts),
            why=_why(decided),
            chance=reviewed_probability(event.route),
            blind_chance=_blind_chance(event.route),
            adjusted=tuple(
                (
                    f"{terms.decision_type}: {reason.code}",
                    route(
                        decision, assessment, context, _without(terms, reason.code), in_force, drawn, rules
                    ).level
                    <= 2,
                )
                for reason in decided.reasons
                if reason.step == _ADJUSTMENT
            ),
        )
        self.decisions[decision.decision_id] = again
        return again

    def answered(self, event: ReviewDecided) -> Again | None:
        """Take what a person said, once; the decision if it is one of those."""
        answer, request, routed = event.answer, event.requested.request, event.requested.routed
        again = self.decisions.get(routed.scored.decision.decision_id)
        if again is None or request.kind in _NOT_WORK or answer.action in HAND_ONS:
            return None
        if answer.answer_id in self._answers:
            return None
        self._answers.add(answer.answer_id)
        self.work.add(event)
        if again.error is None and request.kind in _FIRST:
            label = label_for(event)
            again.error = None if label is None else label.error
            if _is_drawn_blind(routed, request.kind):
                again.blind_error = again.error
        return again

    def observed(self, event: ObservedOutcome) -> Again | None:
        """Take a truth that came later; the decision if it is one of those."""
        again = self.decisions.get(event.decision_id)
        if again is not None and event.correct_action is not None:
            again.truth = event.correct_action != again.recommended
        return again


def _as_logged(assessment: Assessment, logged: Assessment) -> Assessment:
    confidence = msgspec.structs.replace(
        assessment.confidence,
        probability=logged.confidence.probability,
        calibration_version=logged.confidence.calibration_version,
    )
    return msgspec.structs.replace(assessment, confidence=confidence)


def _without(terms: Terms, name: str) -> Terms:
    """The same terms, with an adjustment that shifts nothing."""
    kept = [msgspec.structs.replace(a, shift=0.0) if a.name == name else a for a in terms.adjustments]
    return msgspec.structs.replace(terms, adjustments=tuple(kept))


def _why(decided: Route) -> str:
    """The last step that said anything; draws do not lead to a level."""
    told = [reason.text for reason in decided.reasons if reason.step != _DRAWN]
    return (
        told[-1]
        if told
        else "score {} reaches the threshold {}".format(*against(decided.score, decided.threshold))
    )


def _people(routed: DecisionRouted) -> tuple[ReviewKind, ...]:
    decided = routed.route
    kinds = list(decided.review_kinds)
    if decided.level > 2:
        kinds += kinds[:1] * (decided.approvals - 1)
    if due(routed):
        kinds.append(ReviewKind.GOLD)
    return tuple(kinds)


def _is_drawn_blind(routed: DecisionRouted, kind: ReviewKind) -> bool:
    if kind is ReviewKind.HUMAN_ONLY and routed.route.level < 5:
        return False  # a draw of its own, with another chance
    return routed.route.arm is Arm.BLIND and is_blind(routed, kind)


def _blind_chance(decided: Route) -> float:
    """The chance that a decision at this level was answered in the blind arm.

    Reviewed: the arm's own. Alone: drawn as evidence, or for a spot check and then blind,
    q + (1 - q) a b, where the arm says b: shown has (1 - q)(1 - b).
    """
    if decided.level > 2:
        return decided.arm_probability
    q, shown = decided.evidence_probability, decided.arm_probability
    if decided.arm is Arm.BLIND:
        shown = 1.0 - shown
    blind = 1.0 - shown / (1.0 - q) if q < 1.0 else 0.0
    return q + (1.0 - q) * decided.audit_probability * max(0.0, blind)
