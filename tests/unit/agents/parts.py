"""Agents with a real codec and policy, and a store that is a dictionary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import msgspec

from app.agents.books import Thresholds
from app.agents.outcome import Outcomes
from app.agents.review_request import ReviewRequests
from app.agents.routing import Routing
from app.agents.scoring import Scored, Scoring
from app.domain.authority import Denial
from app.domain.events import (
    DecisionResolved,
    DecisionRouted,
    DecisionSubmitted,
    DecisionWithdrawn,
    InformationGiven,
    ObservedOutcome,
    Record,
)
from app.domain.evidence_chain import SEAL_HEADER, seal, seal_key, sealed
from app.policy.compiled import compile_policy
from app.policy.load import policy_from_text
from app.review_queue.cases import Brief, Case, Observed, Resolved, Withdrawal, brief
from app.review_queue.errors import StoreUnavailableError
from app.review_queue.values import Enqueued, NewReview
from app.stream.codec import Codec
from app.stream.headers import ROUTED
from app.stream.records import Incoming, Outgoing, Output
from app.stream.schemas import Schemas
from app.stream.seals import origin_headers
from app.stream.topics import Topic
from tests.unit.domain import cases

CODEC = Codec(Schemas.load())
SECRET = b"a fixed secret of tests"
SEALED = partial(sealed, (seal_key(SECRET), seal_key(b"the secret before")))
NOW = cases.NOW

POLICY_TEXT = """\
name: test
pools:
  expenses: {title: Expenses}
  experts: {title: Experts}
decision_types:
  expense.approval:
    question: Approve this expense report?
    pool: expenses
    expert_pool: experts
    automation: policy_threshold
    evidence: {floor: 0.005, initial: 0, scale: 1}
    blind_share: 0
    second_look_share: 0
    gold_share: 0
    audit_rate: 0
    required_facts: [amount]
    fact_types: {amount: number}
    consequence:
      financial: {score: "min(facts.amount / 10000, 1)"}
    signals:
      model_probability: {weight: 1}
      similarity: {weight: 0}
      consensus: {weight: 0}
      rule_clarity: {weight: 0}
      completeness: {weight: 0}
    actions: [approve, reject, modify, request_info]
    reason_codes:
      - {code: misread, text: The AI misread it, category: ai_error}
"""
OTHER_TYPE = """\
  travel.approval:
    question: May this person travel?
    pool: expenses
    consequence:
      financial: {score: 0.1}
"""


def policy_of(text: str = POLICY_TEXT):
    return compile_policy(policy_from_text(text, file="test.yaml"))


POLICY = policy_of()


def decision(decision_id: str = "exp-1", probability: float | None = 0.97, **changes) -> DecisionSubmitted:
    """One that the AI may decide under ``POLICY``, unless something is changed."""
    changes.setdefault("facts", '{"amount": 40}')
    return cases.decision(probability, decision_id=decision_id, **changes)


def incoming(
    event: Record | bytes | None,
    offset: int = 0,
    *,
    topic: str = Topic.DECISIONS_SUBMITTED,
    partition: int = 0,
    key: bytes = b"key",
    headers: Iterable[tuple[str, bytes]] = (),
) -> Incoming:
    value = CODEC.encode(event) if isinstance(event, Record) else event
    return Incoming(topic, partition, offset, key, value, list(headers), NOW)


def relayed(event: Record, offset: int = 0, *, headers: Iterable[tuple[str, bytes]] = ()) -> Incoming:
    """An answer as the relay published it."""
    record = incoming(event, offset, topic=Topic.REVIEWS_OUTCOMES, headers=headers)
    mark = seal(seal_key(SECRET), record.topic, record.key, record.value)
    return replaced(record, headers=[*record.headers, (SEAL_HEADER, mark.encode())])


def replayed(record: Incoming, origin: str) -> Incoming:
    """The record as ``hitl dlq replay`` sends it back."""
    out = Outgoing(record.topic, record.key or b"", record.value, [])
    ours = origin_headers(out, origin, partial(seal, seal_key(SECRET)))
    return replaced(record, headers=[*record.headers, *ours, ("replay_attempts", b"1")])


def again(outgoing: Outgoing, offset: int = 0) -> Incoming:
    """A written record as the next stage reads it, some time later."""
    return Incoming(
        outgoing.topic,
        0,
        offset,
        outgoing.key,
        outgoing.value,
        [header for header in outgoing.headers if header[0] != ROUTED],
        NOW + 777,
    )


class Store:
    """What the agents need of the store: duplicates, the case file, and the queue's enqueue."""

    def __init__(self) -> None:
        self.away = False
        self.seen: dict[str, str] = {}
        self.known: dict[str, DecisionRouted] = {}
        self.fates: dict[str, Resolved] = {}
        self.truths: dict[str, Observed] = {}
        self.reviews: dict[str, Enqueued] = {}
        self.gone: dict[str, Withdrawal] = {}
        self.ended: list[str] = []
        self.informed: list[InformationGiven] = []
        self.denial: Denial | None = None

    def _reach(self) -> None:
        if self.away:
            raise StoreUnavailableError("the store does not serve", hint="start it")

    def claim(self, ids: Sequence[str], positions: Sequence[str]) -> list[str | None]:
        self._reach()
        firsts = [self.seen.setdefault(name, at) for name, at in zip(ids, positions, strict=True)]
        return [first if first != at else None for first, at in zip(firsts, positions, strict=True)]

    def remember(self, routed: Sequence[DecisionRouted]) -> None:
        self._reach()
        self.known.update({one.scored.decision.decision_id: one for one in routed})

    def resolved(self, events: Sequence[DecisionResolved]) -> None:
        self._reach()
        for event in events:
            what = event.resolution
            self.fates[event.routed.scored.decision.decision_id] = Resolved(
                what.action, what.decided_by, what.agreed, what.reason_code, what.resolved_at
            )

    def observed(self, events: Sequence[ObservedOutcome]) -> None:
        self._reach()
        for event in events:
            self.truths[event.decision_id] = Observed(event.kind, event.correct_action, event.observed_at)

    def withdrawn(self, events: Sequence[DecisionWithdrawn]) -> None:
        self._reach()
        for event in events:
            self.gone[event.decision_id] = Withdrawal(event.withdrawn_by, event.reason)

    def withdrawals(self, ids: Sequence[str]) -> list[Withdrawal | None]:
        self._reach()
        return [self.gone.get(name) for name in ids]

    def withdraw(self, review_ids: Sequence[str], by: str, reason: str) -> list[bool]:
        self._reach()
        known = [name in self.reviews for name in review_ids]
        self.ended += [name for name, there in zip(review_ids, known, strict=True) if there]
        return known

    def inform(self, event: InformationGiven) -> Denial | None:
        self._reach()
        self.informed.append(event)
        return self.denial

    def briefs(self, ids: Sequence[str]) -> list[Brief | None]:
        self._reach()
        return [brief(self.known[name]) if name in self.known else None for name in ids]

    def cases(self, ids: Sequence[str]) -> list[Case | None]:
        self._reach()
        return [
            Case(brief(self.known[name]), self.fates.get(name), self.truths.get(name))
            if name in self.known
            else None
            for name in ids
        ]

    def histories(self, subjects: Sequence[str], limit: int) -> list[list[Case]]:
        return [
            [case for case in self.cases(list(self.known)) if case and case.brief.subject == subject][:limit]
            for subject in subjects
        ]

    def precedents(self, types: Sequence[str], limit: int) -> list[list[Case]]:
        self._reach()
        took = [case for case in self.cases(list(self.fates)) if case]
        return [[case for case in took if case.brief.decision_type == name][:limit] for name in types]

    def enqueue_many(self, new: Sequence[NewReview]) -> list[Enqueued]:
        self._reach()
        answers = []
        for one in new:
            kept = self.reviews.get(one.request.review_id)
            if kept is None:
                kept = Enqueued(one.request.review_id, len(self.reviews) + 1, one.record, False)
                self.reviews[one.request.review_id] = kept
            answers.append(kept)
        return answers


def scoring(store: Store, policy=POLICY, calibrations=None) -> Scoring:
    return Scoring(CODEC, lambda: policy, lambda: calibrations or {}, store, SEALED)


def routing(policy=POLICY, updates=None) -> Routing:
    return Routing(CODEC, lambda: policy, lambda: Thresholds(updates or {}), SECRET)


def review_requests(store: Store, policy=POLICY) -> ReviewRequests:
    return ReviewRequests(CODEC, lambda: policy, store, store, inform=store.inform)


def outcomes(store: Store, policy=POLICY) -> Outcomes:
    confirm = review_requests(store, policy).confirm
    return Outcomes(CODEC, lambda: policy, store, store, SEALED, confirm=confirm)


async def scored(*records: Incoming, store: Store | None = None, policy=POLICY) -> list[Scored]:
    output, found = await scoring(store or Store(), policy)(records)
    assert not output.dead, output.dead
    return found


async def routed(*records: Incoming, store: Store | None = None, policy=POLICY) -> Output:
    return routing(policy)(await scored(*records, store=store, policy=policy))


def of(output: Output, topic: str) -> list[Outgoing]:
    return [record for record in output.outgoing if record.topic == topic]


def read(record: Outgoing) -> Record:
    return CODEC.decode(record.value)


def headers(record: Outgoing) -> dict[str, bytes]:
    """Headers as a mapping: none of ours may stand twice."""
    assert len(dict(record.headers)) == len(record.headers)
    return dict(record.headers)


def reasons(output: Output) -> list[tuple[int, str, str]]:
    return [(letter.record.offset, letter.stage, letter.reason) for letter in output.dead]


def replaced(event, **changes):
    return msgspec.structs.replace(event, **changes)
