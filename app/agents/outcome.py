"""ReviewDecided, ReviewDefaulted, ObservedOutcome -> resolution, feedback and labels: what was decided, and
who learns?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

import msgspec

from app.agents.rule_watch import RuleWatch
from app.agents.store import ask_store
from app.domain.deadline import may_default
from app.domain.events import (
    DecidedBy,
    DecisionResolved,
    DecisionRouted,
    LearningLabel,
    ObservedOutcome,
    PatternDetected,
    Record,
    Resolution,
    ReviewDecided,
    ReviewDefaulted,
    ReviewLifecycle,
)
from app.domain.ids import derived_id
from app.domain.labels import (
    MISSED_SLA,
    WITHDRAWN,
    DecisionBrief,
    gold_label,
    label_for,
    label_for_observation,
    unanswered_label,
)
from app.domain.overrides import feedback_for
from app.domain.resolution import DECIDING, resolve_answer, resolve_default
from app.domain.review import Review
from app.domain.second_opinion import to_confirm
from app.domain.shadows import judging, of_shadow, shadow_briefs, shadow_labels
from app.domain.sla import EVENTS, Rung
from app.domain.verification import verified
from app.policy.compiled import CompiledPolicy
from app.review_queue.cases import Case, CaseFile
from app.review_queue.seen import SeenDecisions
from app.stream.codec import Codec
from app.stream.envelope import is_encrypted, key_id_of
from app.stream.errors import DecodeError
from app.stream.headers import event_headers
from app.stream.records import DeadLetter, Incoming, Outgoing, Output
from app.stream.seals import Sealed, is_ours, origin_of
from app.stream.topics import Topic
from app.telemetry.counting import STEPS

STAGE = "outcome"

FORGED = "unsealed_answer"
"""Reason of the dead letter and name of the pattern."""

_UNANSWERED = {EVENTS[Rung.MISSED]: MISSED_SLA, "withdrawn": WITHDRAWN}
"""Steps of a review that say that nobody answered, and the source of the label for it."""

_TAKEN = STEPS | _UNANSWERED.keys()
_STEPS = tuple(step.encode() for step in _TAKEN)


class _Told(msgspec.Struct, frozen=True):
    record: Incoming
    event: ReviewDecided | ReviewDefaulted | ReviewLifecycle | ObservedOutcome

    @property
    def identity(self) -> str:
        """What makes a second delivery of the same thing recognisable. No decision id looks like it."""
        if isinstance(self.event, ReviewDecided):
            return f"\x1fanswer/{self.event.answer.answer_id}"
        if isinstance(self.event, ReviewDefaulted):
            return f"\x1fdefault/{self.event.default.default_id}"
        if isinstance(self.event, ReviewLifecycle):
            step = self.event
            missed = step.event == EVENTS[Rung.MISSED]
            return f"\x1fmissed/{step.review_id}" if missed else f"\x1fstep/{step.event_id}"
        return f"\x1fobservation/{self.event.observation_id}"


class Outcomes:
    """Resolves answered decisions and turns answers and truths into feedback and labels, once each."""

    def __init__(
        self,
        codec: Codec,
        policy: Callable[[], CompiledPolicy],
        cases: CaseFile,
        seen: SeenDecisions,
        sealed: Sealed,
        rules: RuleWatch | None = None,
        confirm: Callable[[Sequence[tuple[Incoming, ReviewDecided]]], Awaitable[Output]] | None = None,
    ) -> None:
        """``confirm`` opens a second look at each finding; without it nobody is asked."""
        self._confirm = confirm
        self._rules = rules
        self._codec = codec
        self._policy = policy
        self._cases = cases
        self._seen = seen
        self._sealed = sealed

    async def __call__(self, records: Sequence[Incoming]) -> Output:
        """What a batch of answers and truths becomes. A second delivery of the same one is dropped: the
        outbox delivers at least once. What nobody of ours sealed counts for nothing."""
        output = Output()
        told = [
            item
            for record in records
            if _matters(record) and (item := self._read(record, output.dead)) is not None
        ]
        if forged := [letter.record for letter in output.dead if letter.reason == FORGED]:
            output.outgoing.append(self._alarm(forged))
        told = await self._first_only(told)
        output.events.extend(item.event for item in told if isinstance(item.event, ReviewLifecycle))
        policy = self._policy()
        resolved: list[DecisionResolved] = []
        for item in told:
            if isinstance(item.event, ReviewDecided):
                self._answered(item.record, item.event, policy, output, resolved)
            elif isinstance(item.event, ReviewDefaulted):
                self._defaulted(item.record, item.event, output, resolved)
        await ask_store(self._cases.resolved, resolved)
        await self._observed(told, output)
        await self._unanswered(told, output)
        if self._rules is not None:
            answers = [(item.record, item.event) for item in told if isinstance(item.event, ReviewDecided)]
            output.outgoing.extend(await self._rules.checked(answers))
        await self._second_opinions(told, policy, output)
        return output

    async def _second_opinions(self, told: Sequence[_Told], policy: CompiledPolicy, output: Output) -> None:
        if self._confirm is None:
            return
        findings = []
        for item in told:
            if not isinstance(item.event, ReviewDecided):
                continue
            terms = policy.terms.get(item.event.requested.routed.scored.decision.decision_type)
            if terms is not None and terms.confirms_errors and to_confirm(item.event):
                findings.append((item.record, item.event))
        if findings:
            asked = await self._confirm(findings)
            output.outgoing.extend(asked.outgoing)
            output.events.extend(asked.events)

    def _read(self, record: Incoming, dead: list[DeadLetter]) -> _Told | None:
        try:
            event = self._codec.decode(record.value)
        except DecodeError as error:
            dead.append(DeadLetter(record, STAGE, error.reason, str(error)))
            return None
        if not isinstance(event, ReviewDecided | ReviewDefaulted | ReviewLifecycle | ObservedOutcome):
            dead.append(DeadLetter(record, STAGE, "wrong_type", f"holds {type(event).__name__}"))
            return None
        if isinstance(event, ReviewLifecycle) and event.event not in _TAKEN:
            return None
        # Before anything is remembered of a record, so that a forged one is in nobody's way.
        if not isinstance(event, ObservedOutcome) and not is_ours(record, self._sealed):
            what = "bears no seal of ours: nobody gave this answer at the desk, or it was changed"
            dead.append(DeadLetter(record, STAGE, FORGED, what))
            return None
        return _Told(record, event)

    async def _first_only(self, told: list[_Told]) -> list[_Told]:
        if not told:
            return told
        earlier = await ask_store(
            self._seen.claim,
            [item.identity for item in told],
            [origin_of(item.record, self._sealed) for item in told],
        )
        return [item for item, position in zip(told, earlier, strict=True) if position is None]

    def _answered(
        self,
        record: Incoming,
        decided: ReviewDecided,
        policy: CompiledPolicy,
        output: Output,
        resolved: list[DecisionResolved],
    ) -> None:
        routed = decided.requested.routed
        decision = routed.scored.decision
        terms = policy.terms.get(decision.decision_type)
        if terms is None:
            what = f"decision type '{decision.decision_type}' left the policy before its answer"
            output.dead.append(DeadLetter(record, STAGE, "unknown_type", what))
            return
        resolution = resolve_answer(decided.requested, decided.answer)
        if resolution is not None:
            self._resolve(record, routed, resolution, output, resolved)
        elif decided.requested.request.kind in DECIDING:
            # From before the desk refused it. The review is over, so somebody has to hear of the decision.
            what = (
                f"{decided.requested.request.review_id} was answered with '{decided.answer.action}', which "
                f"decides nothing, and nobody is asked again: submit it under another id, and discard this"
            )
            output.dead.append(DeadLetter(record, STAGE, "decides_nothing", what))
        for topic, feedback in feedback_for(decided, terms):
            output.outgoing.append(
                self._event(
                    topic,
                    feedback.learning_key,
                    feedback,
                    feedback.feedback_id,
                    record,
                    key_id_of(record.value),
                )
            )
        label = label_for(decided) or gold_label(decided)
        if label is not None:
            output.outgoing.append(self._label(label, record))
        output.outgoing.extend(self._label(beside, record) for beside in shadow_labels(decided))
        output.events.append(decided)

    def _defaulted(
        self,
        record: Incoming,
        defaulted: ReviewDefaulted,
        output: Output,
        resolved: list[DecisionResolved],
    ) -> None:
        """Resolves, and teaches nothing: silence is nobody's answer. Checked again what was checked when the
        review entered the queue: whatever a store or a log says, silence approves nothing."""
        request, action = defaulted.requested.request, defaulted.default.action
        routed = defaulted.requested.routed
        consequence = routed.scored.assessment.consequence.consequence_class
        if not may_default(request.kind, consequence, request.approvals, action):
            what = f"'{action}' by silence at {consequence.value} consequence; a person has to decide"
            output.dead.append(DeadLetter(record, STAGE, "unsafe_default", what))
            return
        self._resolve(record, routed, resolve_default(defaulted), output, resolved)

    def _resolve(
        self,
        record: Incoming,
        routed: DecisionRouted,
        resolution: Resolution,
        output: Output,
        resolved: list[DecisionResolved],
    ) -> None:
        decision = routed.scored.decision
        story = self._codec.body(self._codec.encode(routed), DecisionRouted)
        output.outgoing.append(
            Outgoing(
                Topic.DECISIONS_RESOLVED,
                decision.decision_id.encode(),
                self._codec.append(DecisionResolved, story, resolution, key_id_of(record.value)),
                event_headers("DecisionResolved", decision.decision_id, record, level=routed.route.level),
            )
        )
        resolved.append(DecisionResolved(routed=routed, resolution=resolution))

    async def _observed(self, told: Sequence[_Told], output: Output) -> None:
        pairs = [(item.record, item.event) for item in told if isinstance(item.event, ObservedOutcome)]
        if not pairs:
            return
        events = [event for _, event in pairs]
        cases = await ask_store(self._cases.cases, [event.decision_id for event in events])
        known: list[ObservedOutcome] = []
        for (record, event), case in zip(pairs, cases, strict=True):
            if case is None:
                what = f"decision '{event.decision_id}' is not known (any more); replay once it is"
                output.dead.append(DeadLetter(record, STAGE, "unknown_decision", what))
                continue
            known.append(event)
            brief = _remembered(case)
            label = label_for_observation(brief, event)
            if label is not None:
                output.outgoing.append(self._label(label, record))
            for shadow in _shadows(case, brief):
                if (label := label_for_observation(shadow, event)) is not None:
                    output.outgoing.append(self._label(of_shadow(label), record))
            decided_by = case.resolved.decided_by if case.resolved else DecidedBy.AI
            output.events.append(
                verified(event, brief.decision_type, brief.action, brief.changed, decided_by)
            )
        await ask_store(self._cases.observed, known)

    async def _unanswered(self, told: Sequence[_Told], output: Output) -> None:
        """Checks that nobody answered in time, or that ended before anybody did."""
        steps = [(item.record, item.event) for item in told if isinstance(item.event, ReviewLifecycle)]
        pairs = [(record, step) for record, step in steps if step.event in _UNANSWERED]
        if not pairs:
            return
        cases = await ask_store(self._cases.cases, [event.decision_id for _, event in pairs])
        for (record, event), case in zip(pairs, cases, strict=True):
            if case is None:  # long ago; it was never counted
                continue
            review, source = msgspec.json.decode(event.state, type=Review), _UNANSWERED[event.event]
            brief = _remembered(case)
            label = unanswered_label(brief, review, source, event.at)
            if label is not None:
                output.outgoing.append(self._label(label, record))
            for shadow in _shadows(case, brief):
                if (label := unanswered_label(shadow, judging(review), source, event.at)) is not None:
                    output.outgoing.append(self._label(of_shadow(label), record))

    def _alarm(self, forged: Sequence[Incoming]) -> Outgoing:
        """Somebody has to look. Says where and how many: what a stranger wrote is repeated nowhere."""
        first = forged[0]
        pattern = PatternDetected(
            pattern_id=derived_id(first.position, FORGED),
            pattern=FORGED,
            learning_key="",
            segment="",
            value=float(len(forged)),
            limit=0.0,
            count=len(forged),
            text=f"{len(forged)} answers without a seal of ours, the first at {first.position}.",
            action="Find out who can write to reviews.outcomes besides the relay, and take it away.",
            detected_at=first.timestamp,
        )
        return self._event(Topic.PATTERNS_DETECTED, "", pattern, pattern.pattern_id, first)

    def _label(self, label: LearningLabel, record: Incoming) -> Outgoing:
        return self._event(Topic.LEARNING_CASES, label.learning_key, label, label.label_id, record)

    def _event(
        self,
        topic: str,
        key: str,
        event: Record,
        identifier: str,
        record: Incoming,
        under: bytes | None = None,
    ) -> Outgoing:
        headers = event_headers(type(event).__name__, identifier, record)
        return Outgoing(topic, key.encode(), self._codec.encode(event, under), headers)


def _matters(record: Incoming) -> bool:
    """Of the steps of a review a missed SLA or its end says something here, and a few are counted; the others
    are not even decoded, unless they are encrypted."""
    value = record.value or b""
    if record.topic != Topic.REVIEWS_LIFECYCLE or is_encrypted(value):
        return True
    return any(step in value for step in _STEPS)


def _shadows(case: Case, brief: DecisionBrief) -> Iterator[DecisionBrief]:
    return shadow_briefs(brief, case.brief.shadows, evidence=case.brief.evidence)


def _remembered(case: Case) -> DecisionBrief:
    brief, resolved = case.brief, case.resolved
    action = resolved.action if resolved else brief.action
    return DecisionBrief(
        decision_id=brief.decision_id,
        decision_type=brief.decision_type,
        learning_key=brief.learning_key,
        epoch=brief.epoch,
        raw=brief.raw,
        score=brief.score,
        level=brief.level,
        recommended=brief.recommendation,
        action=action,
        changed=resolved is not None and resolved.agreed is False and action == brief.recommendation,
        received_at=brief.received_at,
        sampled=brief.evidence and brief.eligible,
        evidence_probability=brief.evidence_probability,
    )
