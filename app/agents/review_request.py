"""DecisionRouted -> ReviewRequested: what does a person need to judge this, and in which queue?
ReviewDecided -> ReviewRequested, for the outcome agent: who confirms what a blind check found?
DecisionWithdrawn: nobody needs to judge it any more. InformationGiven: what a reviewer asked for.

Reads committed routes only: what the queue is told can no longer change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from app.agents.gold import GoldItems
from app.agents.rule_watch import RuleWatch
from app.agents.store import ask_store
from app.domain.authority import Denial
from app.domain.context_package import PastDecision, build, is_blind
from app.domain.events import (
    DecisionRouted,
    DecisionWithdrawn,
    InformationGiven,
    ReviewDecided,
    ReviewKind,
    ReviewRequest,
    ReviewRequested,
)
from app.domain.resolution import DECIDING
from app.domain.review import review_id_of
from app.domain.sla import climb
from app.policy.compiled import CompiledPolicy
from app.review_queue.cases import Case, CaseFile
from app.review_queue.queue import ReviewQueue
from app.review_queue.values import Enqueued, NewReview
from app.stream.codec import Codec
from app.stream.envelope import key_id_of
from app.stream.errors import DecodeError
from app.stream.headers import event_headers, trace_to_keep
from app.stream.records import DeadLetter, Incoming, Outgoing, Output
from app.stream.topics import pool_topic

STAGE = "review_request"

_ENDED = (*sorted(DECIDING), ReviewKind.SECOND_LOOK)
"""Kinds of review that a withdrawal ends, where no action was carried out."""

Told = DecisionRouted | DecisionWithdrawn | InformationGiven


class _Asked(msgspec.Struct, frozen=True):
    """A review to open, with the record that causes it."""

    record: Incoming
    routed: DecisionRouted
    kind: ReviewKind
    since: int | None = None
    """When it is asked for, ms UTC; ``None``: when the decision was received."""
    itself: str = ""
    """What the decision is remembered as; empty: its id. An item with known truth has another one."""


class ReviewRequests:
    """Opens the reviews of routed decisions, and remembers every decision for history and later truth."""

    def __init__(
        self,
        codec: Codec,
        policy: Callable[[], CompiledPolicy],
        queue: ReviewQueue,
        cases: CaseFile,
        gold: GoldItems | None = None,
        rules: RuleWatch | None = None,
        *,
        inform: Callable[[InformationGiven], Denial | None],
    ) -> None:
        """``inform`` takes what a reviewer asked for, and says why not where it does not. Without
        ``gold`` no items with known truth come beside the reviews; without ``rules`` nobody
        counts how often a standing rule is used."""
        self._rules = rules
        self._inform = inform
        self._codec = codec
        self._policy = policy
        self._queue = queue
        self._cases = cases
        self._gold = gold

    async def __call__(self, records: Sequence[Incoming]) -> Output:
        """ReviewRequested for each review. Repeats of a batch publish what was enqueued the first time."""
        policy = self._policy()
        output = Output()
        told = [pair for record in records if (pair := self._read(record, policy, output.dead)) is not None]
        await self._withdraw([event for _, event in told if isinstance(event, DecisionWithdrawn)], policy)
        routed = [(record, event) for record, event in told if isinstance(event, DecisionRouted)]
        # History is read before this batch is part of it, and after a retry it may be: the queue keeps
        # the first package, so that what is published is what reviewers see.
        asked = [_Asked(record, event, kind) for record, event in routed for kind in event.route.review_kinds]
        if self._gold is not None:
            asked += [
                _Asked(one.record, one.routed, ReviewKind.GOLD, itself=one.original)
                for one in await self._gold.beside(routed, policy)
            ]
        packed = await self._pack(asked, policy)
        enqueued = await ask_store(self._queue.enqueue_many, packed)
        await ask_store(self._cases.remember, [event for _, event in routed])
        if self._rules is not None:
            await self._rules.used(routed)
        await self._end_withdrawn(asked, packed)
        await self._pass_on(told, output.dead)
        self._publish(asked, packed, enqueued, output)
        return output

    async def confirm(self, findings: Sequence[tuple[Incoming, ReviewDecided]]) -> Output:
        """A second look at each finding (:func:`~app.domain.second_opinion.to_confirm`), for another person.
        Repeats publish what was enqueued the first time."""
        policy, output = self._policy(), Output()
        asked = []
        for record, decided in findings:
            routed = decided.requested.routed
            value = self._codec.encode(routed, key_id_of(record.value))
            cause = msgspec.structs.replace(record, value=value)
            asked.append(_Asked(cause, routed, ReviewKind.SECOND_LOOK, decided.answer.decided_at))
        packed = await self._pack(asked, policy)
        enqueued = await ask_store(self._queue.enqueue_many, packed)
        await self._end_withdrawn(asked, packed)
        self._publish(asked, packed, enqueued, output)
        return output

    def _publish(
        self,
        asked: Sequence[_Asked],
        packed: Sequence[NewReview],
        enqueued: Sequence[Enqueued],
        output: Output,
    ) -> None:
        for item, new, kept in zip(asked, packed, enqueued, strict=True):
            headers = event_headers("ReviewRequested", kept.review_id, item.record)
            output.outgoing.append(
                Outgoing(
                    pool_topic(new.request.pool),
                    new.decision_id.encode(),
                    kept.record,
                    [*headers, *kept.headers],
                )
            )
            output.events.append(ReviewRequested(routed=item.routed, request=new.request))

    def _read(
        self, record: Incoming, policy: CompiledPolicy, dead: list[DeadLetter]
    ) -> tuple[Incoming, Told] | None:
        try:
            event = self._codec.decode(record.value)
        except DecodeError as error:
            dead.append(DeadLetter(record, STAGE, error.reason, str(error)))
            return None
        if isinstance(event, DecisionWithdrawn | InformationGiven):
            return record, event
        if not isinstance(event, DecisionRouted):
            dead.append(DeadLetter(record, STAGE, "wrong_type", f"holds {type(event).__name__}"))
            return None
        if event.route.review_kinds and event.scored.decision.decision_type not in policy.terms:
            what = f"decision type '{event.scored.decision.decision_type}' left the policy before its review"
            dead.append(DeadLetter(record, STAGE, "unknown_type", what))
            return None
        return record, event

    async def _withdraw(self, events: Sequence[DecisionWithdrawn], policy: CompiledPolicy) -> None:
        """First remembered, then ended: a review is either here by now, or finds out when it comes. What
        checks a decision that ran alone goes on: it was made, and whoever made it does not choose what is
        looked at."""
        if not events:
            return
        await ask_store(self._cases.withdrawn, events)
        briefs = await ask_store(self._cases.briefs, [event.decision_id for event in events])
        for event, brief in zip(events, briefs, strict=True):
            if brief is not None and brief.automated:
                continue
            pools = (brief.pool,) if brief is not None and brief.pool else policy.pool_names
            ids = [review_id_of(pool, event.decision_id, kind) for pool in pools for kind in _ENDED]
            await ask_store(self._queue.withdraw, ids, event.withdrawn_by, event.reason)

    async def _end_withdrawn(self, asked: Sequence[_Asked], packed: Sequence[NewReview]) -> None:
        """A withdrawal may be read before the decision it is about was routed."""
        waits = zip(asked, packed, strict=True)
        reviews = [new for item, new in waits if item.kind in _ENDED and item.routed.route.action is None]
        known = await ask_store(self._cases.withdrawals, [new.decision_id for new in reviews])
        for new, found in zip(reviews, known, strict=True):
            if found is not None:
                await ask_store(
                    self._queue.withdraw, [new.request.review_id], found.withdrawn_by, found.reason
                )

    async def _pass_on(self, told: Sequence[tuple[Incoming, Told]], dead: list[DeadLetter]) -> None:
        for record, event in told:
            if not isinstance(event, InformationGiven):
                continue
            denial = await ask_store(self._inform, event)
            if denial is not None:
                what = f"{denial.text} ({denial.hint})" if denial.hint else denial.text
                dead.append(DeadLetter(record, STAGE, denial.code, what))

    async def _pack(self, asked: Sequence[_Asked], policy: CompiledPolicy) -> list[NewReview]:
        subjects = sorted({item.routed.scored.decision.subject for item in asked})
        types = sorted({item.routed.scored.decision.decision_type for item in asked})
        limit = policy.history_length
        history = dict(zip(subjects, await ask_store(self._cases.histories, subjects, limit), strict=True))
        precedents = dict(
            zip(types, await ask_store(self._cases.precedents, types, policy.precedents), strict=True)
        )
        return [self._review(item, policy, history, precedents) for item in asked]

    def _review(
        self,
        item: _Asked,
        policy: CompiledPolicy,
        history: dict[str, list[Case]],
        precedents: dict[str, list[Case]],
    ) -> NewReview:
        decision, route = item.routed.scored.decision, item.routed.route
        terms = policy.terms[decision.decision_type]
        package = build(
            item.routed,
            terms,
            _past(history[decision.subject], besides=item.itself or decision.decision_id),
            _past(precedents[decision.decision_type], besides=item.itself or decision.decision_id),
            kind=item.kind,
        )
        asked_at, deadline = item.routed.scored.assessment.received_at, route.deadline
        if item.since is not None:
            asked_at, deadline = item.since, terms.due(route.sla_class, item.since)
        sla = policy.sla_classes.get(route.sla_class)
        request = ReviewRequest(
            review_id=review_id_of(route.pool, decision.decision_id, item.kind),
            kind=item.kind,
            pool=route.pool,
            sla_class=route.sla_class,
            consequence_class=item.routed.scored.assessment.consequence.consequence_class,
            requested_at=asked_at,
            deadline=deadline,
            approvals=route.approvals if item.kind not in (ReviewKind.AUDIT, ReviewKind.SECOND_LOOK) else 1,
            blind=is_blind(item.routed, item.kind),
            package=package.text,
            package_digest=package.digest,
            on_deadline=route.on_deadline,
            safe_default=terms.safe_default,
            ladder=[]
            if sla is None
            else list(
                climb(
                    asked_at,
                    deadline,
                    sla.ladder,
                    sla.calendar,
                    backups=route.pool in policy.backups,
                )
            ),
        )
        story = self._codec.body(item.record.value or b"", DecisionRouted)
        record = self._codec.append(ReviewRequested, story, request, key_id_of(item.record.value))
        trace = trace_to_keep(item.record.headers, decision.decision_id)
        return NewReview(decision.decision_id, request, record, trace)


def _past(cases: Sequence[Case], *, besides: str) -> list[PastDecision]:
    """Cases as a package shows them: those with a final action."""
    shown = []
    for case in cases:
        brief, resolved = case.brief, case.resolved
        action = resolved.action if resolved else brief.action
        if action is None or brief.decision_id == besides:
            continue
        shown.append(
            PastDecision(
                decision_id=brief.decision_id,
                decision_type=brief.decision_type,
                decided_at=resolved.resolved_at if resolved else brief.received_at,
                action=action,
                decided_by=resolved.decided_by if resolved else "ai",
                recommended=brief.recommendation,
                outcome=case.observed.kind if case.observed else None,
                reason=resolved.reason_code if resolved else "",
            )
        )
    return shown
