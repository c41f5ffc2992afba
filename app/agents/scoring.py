"""DecisionSubmitted -> DecisionScored: how harmful would an error be, and how sure are we?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from app.agents.store import ask_store
from app.domain.confidence import IDENTITY, Calibration
from app.domain.events import Assessment, DecisionScored, DecisionSubmitted
from app.domain.expression_context import context as build_context
from app.domain.facts import Invalid, parse_facts
from app.domain.routing import learning_key
from app.domain.scoring import assess
from app.domain.terms import Context, Facts, Terms
from app.policy.compiled import CompiledPolicy
from app.review_queue.rebuild import POSITION_HEADER
from app.review_queue.seen import SeenDecisions
from app.stream.codec import Codec
from app.stream.errors import DecodeError
from app.stream.headers import event_headers
from app.stream.records import DeadLetter, Incoming, Outgoing, Output
from app.stream.topics import Topic

STAGE = "scoring"


class Scored(msgspec.Struct, frozen=True, gc=False):
    """A scored decision on its way to routing: the event, its bytes, and what was parsed for it.

    ``position`` is where the decision was first read (its origin, if it is a replayed dead letter); it goes
    along in a header, so that duplicates can be recognised again after a rebuild from the log."""

    record: Incoming
    position: str
    event: DecisionScored
    value: bytes
    terms: Terms
    context: Context


class _Readable(msgspec.Struct, frozen=True, gc=False):
    record: Incoming
    decision: DecisionSubmitted
    facts: Facts
    terms: Terms


class Scoring:
    """Scores a batch. Reads the policy and calibrations once per batch, so that one batch never sees
    half of a change."""

    def __init__(
        self,
        codec: Codec,
        policy: Callable[[], CompiledPolicy],
        calibrations: Callable[[], Mapping[str, Calibration]],
        seen: SeenDecisions,
    ) -> None:
        self._codec = codec
        self._policy = policy
        self._calibrations = calibrations
        self._seen = seen

    async def __call__(self, records: Sequence[Incoming]) -> tuple[Output, list[Scored]]:
        """What to write, and the scored decisions for routing. What can not be scored becomes a dead
        letter with its reason. Raises ``TransientError`` while the store is away."""
        policy = self._policy()
        output = Output()
        readable = [
            item for record in records if (item := self._read(record, policy, output.dead)) is not None
        ]
        firsts = await self._first_only(readable, output.dead)
        calibrations = self._calibrations()
        scored = [self._score(item, calibrations) for item in firsts]
        output.outgoing.extend(
            Outgoing(
                Topic.DECISIONS_SCORED,
                item.event.decision.decision_id.encode(),
                item.value,
                [
                    *event_headers("DecisionScored", item.event.decision.decision_id, item.record),
                    (POSITION_HEADER, item.position.encode()),
                ],
            )
            for item in scored
        )
        return output, scored

    async def alone(self, records: Sequence[Incoming]) -> Output:
        """As a worker of its own: routing reads `decisions.scored`."""
        output, _ = await self(records)
        return output

    def _read(self, record: Incoming, policy: CompiledPolicy, dead: list[DeadLetter]) -> _Readable | None:
        if not record.value:
            dead.append(DeadLetter(record, STAGE, "empty", "the record has no value"))
            return None
        try:
            decision = self._codec.decode_as(record.value, DecisionSubmitted)
        except DecodeError as error:
            dead.append(DeadLetter(record, STAGE, error.reason, str(error)))
            return None
        terms = policy.terms.get(decision.decision_type)
        if terms is None:
            dead.append(
                DeadLetter(
                    record,
                    STAGE,
                    "unknown_type",
                    f"decision type '{decision.decision_type}' is not in policy {policy.version};"
                    " add it to the policy, activate it, then replay",
                )
            )
            return None
        facts = parse_facts(decision.facts)
        if isinstance(facts, Invalid):
            dead.append(DeadLetter(record, STAGE, facts.reason, facts.text))
            return None
        return _Readable(record, decision, facts, terms)

    async def _first_only(self, items: list[_Readable], dead: list[DeadLetter]) -> list[_Readable]:
        """Drop repeats of a decision id: the same id at another position was answered before."""
        if not items:
            return items
        earlier = await ask_store(
            self._seen.claim,
            [item.decision.decision_id for item in items],
            [item.record.origin for item in items],
        )
        firsts: list[_Readable] = []
        for item, position in zip(items, earlier, strict=True):
            if position is None:
                firsts.append(item)
            else:
                dead.append(
                    DeadLetter(
                        item.record,
                        STAGE,
                        "duplicate",
                        f"decision '{item.decision.decision_id}' was taken before, at {position}",
                    )
                )
        return firsts

    def _score(self, item: _Readable, calibrations: Mapping[str, Calibration]) -> Scored:
        decision = item.decision
        context = build_context(decision, item.facts)
        calibration = calibrations.get(learning_key(decision), IDENTITY)
        assessment: Assessment = assess(
            decision, item.facts, context, item.record.timestamp, item.terms, calibration
        )
        story = self._codec.body(item.record.value or b"", DecisionSubmitted)
        value = self._codec.append(DecisionScored, story, assessment)
        return Scored(
            item.record,
            item.record.origin,
            DecisionScored(decision=decision, assessment=assessment),
            value,
            item.terms,
            context,
        )
