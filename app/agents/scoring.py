"""DecisionSubmitted -> DecisionScored: how harmful would an error be, and how sure are we?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from typing import Protocol

import msgspec

from app.agents.store import ask_store
from app.agents.strides import strides
from app.domain.confidence import IDENTITY, Calibration
from app.domain.events import DecisionScored, DecisionSubmitted
from app.domain.expression_context import context as build_context
from app.domain.facts import Invalid, parse_facts
from app.domain.ids import unfit_id
from app.domain.routing import learning_key
from app.domain.scoring import assess
from app.domain.submission import MAX_BYTES
from app.domain.terms import Context, Facts, Terms
from app.policy.compiled import CompiledPolicy
from app.review_queue.rebuild import POSITION_HEADER
from app.review_queue.seen import SeenDecisions
from app.stream.codec import Codec
from app.stream.envelope import key_id_of
from app.stream.errors import DecodeError
from app.stream.headers import ROUTED, event_headers
from app.stream.records import DeadLetter, Headers, Incoming, Outgoing, Output
from app.stream.seals import Sealed, origin_of
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
    position: str
    decision: DecisionSubmitted
    facts: Facts
    terms: Terms


class SubjectKeys(Protocol):
    """What scoring needs of the keys of subjects (``app.stream.key_ring``)."""

    def key_for(self, subject: str, at: int) -> tuple[bytes, bytes | None]:
        """The id of the subject's key, and its record where the topic lacks it. ``TransientError`` in an
        outage."""


class Scoring:
    """Scores a batch. Reads the policy and calibrations once per batch, so that one batch never sees
    half of a change."""

    def __init__(
        self,
        codec: Codec,
        policy: Callable[[], CompiledPolicy],
        calibrations: Callable[[], Mapping[str, Calibration]],
        seen: SeenDecisions,
        sealed: Sealed,
        keys: SubjectKeys | None = None,
    ) -> None:
        self._keys = keys
        self._sealed = sealed
        self._codec = codec
        self._policy = policy
        self._calibrations = calibrations
        self._seen = seen

    async def __call__(self, records: Sequence[Incoming]) -> tuple[Output, list[Scored]]:
        """What to write, and the scored decisions for routing in the same transaction. What can not be
        scored becomes a dead letter with its reason. Raises ``TransientError`` while the store is away."""
        return await self._scored(records, [(ROUTED, b"1")])

    async def _scored(self, records: Sequence[Incoming], beside: Headers) -> tuple[Output, list[Scored]]:
        policy = self._policy()
        output = Output()
        readable = [item for part in strides(records) for item in self._readable(part, policy, output.dead)]
        # The store answers meanwhile. Repeats are rare, so that little is scored for nothing.
        asking = asyncio.create_task(self._earlier(readable))
        await asyncio.sleep(0)  # now it is asked
        try:
            scored, written = self._score_all(readable, policy, beside, output)
        except BaseException:
            asking.cancel()
            raise
        firsts = self._firsts(readable, await asking, output.dead)
        output.outgoing.extend(compress(written, firsts))
        if self._keys is not None and policy.encrypts:
            output.dead[:] = [self._protected(letter, self._keys, output) for letter in output.dead]
        return output, list(compress(scored, firsts))

    async def alone(self, records: Sequence[Incoming]) -> Output:
        """As a worker of its own: routing reads `decisions.scored`."""
        output, _ = await self._scored(records, [])
        return output

    def _readable(
        self, records: Sequence[Incoming], policy: CompiledPolicy, dead: list[DeadLetter]
    ) -> list[_Readable]:
        decisions = [self._decoded(record, dead) for record in records]
        facts = [None if decision is None else parse_facts(decision.facts) for decision in decisions]
        readable: list[_Readable] = []
        for record, decision, found in zip(records, decisions, facts, strict=True):
            if decision is None or found is None:
                continue
            terms = policy.terms.get(decision.decision_type)
            if terms is None:
                what = (
                    f"decision type '{decision.decision_type}' is not in policy {policy.version};"
                    " add it to the policy, activate it, then replay"
                )
                dead.append(DeadLetter(record, STAGE, "unknown_type", what))
            elif isinstance(found, Invalid):
                dead.append(DeadLetter(record, STAGE, found.reason, found.text))
            else:
                position = origin_of(record, self._sealed)
                readable.append(_Readable(record, position, decision, found, terms))
        return readable

    def _decoded(self, record: Incoming, dead: list[DeadLetter]) -> DecisionSubmitted | None:
        if not record.value:
            dead.append(DeadLetter(record, STAGE, "empty", "the record has no value"))
            return None
        if len(record.value) > MAX_BYTES:
            what = f"{len(record.value)} bytes; a decision has at most {MAX_BYTES}, put documents in links"
            dead.append(DeadLetter(record, STAGE, "too_large", what))
            return None
        try:
            decision = self._codec.decode_as(record.value, DecisionSubmitted)
        except DecodeError as error:
            dead.append(DeadLetter(record, STAGE, error.reason, str(error)))
            return None
        if wrong := unfit_id(decision.decision_id):
            what = f"decision_id {wrong}; submit it under another id"
            dead.append(DeadLetter(record, STAGE, "unfit_id", what))
            return None
        return decision

    async def _earlier(self, items: list[_Readable]) -> list[str | None]:
        """For each decision the position at which its id was taken before, if it was."""
        if not items:
            return []
        return await ask_store(
            self._seen.claim,
            [item.decision.decision_id for item in items],
            [item.position for item in items],
        )

    @staticmethod
    def _firsts(items: list[_Readable], earlier: list[str | None], dead: list[DeadLetter]) -> list[bool]:
        """Which are no repeats: the same id at another position was answered before."""
        for item, position in zip(items, earlier, strict=True):
            if position is not None:
                what = f"decision '{item.decision.decision_id}' was taken before, at {position}"
                dead.append(DeadLetter(item.record, STAGE, "duplicate", what))
        return [position is None for position in earlier]

    def _score_all(
        self, items: Sequence[_Readable], policy: CompiledPolicy, beside: Headers, output: Output
    ) -> tuple[list[Scored], list[Outgoing]]:
        """Each as if it were the first of its id, and its record; keys that are new go to ``output``."""
        calibrations = self._calibrations()
        scored: list[Scored] = []
        written: list[Outgoing] = []
        for part in strides(items):
            scored += self._score(part, calibrations, self._unders(part, policy, output))
            written.extend(self._outgoing(item, beside) for item in scored[-len(part) :])
        return scored, written

    def _unders(
        self, items: Sequence[_Readable], policy: CompiledPolicy, output: Output
    ) -> list[bytes | None]:
        """Under which key each decision goes on: its own where the producer encrypted it, else its
        subject's. A key that the topic does not have yet is written in the same transaction."""
        if self._keys is None or not policy.encrypts:
            return [key_id_of(item.record.value) for item in items]
        unders: list[bytes | None] = []
        made: dict[bytes, bytes] = {}
        for item in items:
            under = key_id_of(item.record.value)
            if under is None:
                under, new = self._keys.key_for(item.decision.subject, item.record.timestamp)
                if new is not None:
                    made[under] = new
            unders.append(under)
        output.outgoing.extend(
            Outgoing(Topic.PRIVACY_KEYS, key_id.hex().encode(), value, []) for key_id, value in made.items()
        )
        return unders

    def _protected(self, letter: DeadLetter, keys: SubjectKeys, output: Output) -> DeadLetter:
        """A letter that holds a decision is encrypted as the decision would be: it is kept for long."""
        record = letter.record
        try:
            decision = self._codec.decode_as(record.value, DecisionSubmitted)
        except DecodeError:
            return letter  # nobody can say whom it is about
        if key_id_of(record.value) is not None:
            return letter
        under, new = keys.key_for(decision.subject, record.timestamp)
        if new is not None:
            output.outgoing.append(Outgoing(Topic.PRIVACY_KEYS, under.hex().encode(), new, []))
        value = self._codec.protect(record.value or b"", under)
        return msgspec.structs.replace(letter, record=msgspec.structs.replace(record, value=value))

    def _score(
        self,
        items: Sequence[_Readable],
        calibrations: Mapping[str, Calibration],
        unders: Sequence[bytes | None],
    ) -> list[Scored]:
        contexts = [build_context(item.decision, item.facts) for item in items]
        assessments = [
            assess(
                item.decision,
                item.facts,
                context,
                item.record.timestamp,
                item.terms,
                calibrations.get(learning_key(item.decision, item.terms.learning.segment, context), IDENTITY),
            )
            for item, context in zip(items, contexts, strict=True)
        ]
        body, append = self._codec.body, self._codec.append
        values = [
            append(DecisionScored, body(item.record.value or b"", DecisionSubmitted), assessment, under)
            for item, assessment, under in zip(items, assessments, unders, strict=True)
        ]
        return [
            Scored(
                item.record,
                item.position,
                DecisionScored(decision=item.decision, assessment=assessment),
                value,
                item.terms,
                context,
            )
            for item, assessment, value, context in zip(items, assessments, values, contexts, strict=True)
        ]

    def _outgoing(self, item: Scored, beside: Headers) -> Outgoing:
        decision_id = item.event.decision.decision_id
        headers = event_headers("DecisionScored", decision_id, item.record)
        headers += [(POSITION_HEADER, item.position.encode()), *beside]
        return Outgoing(Topic.DECISIONS_SCORED, decision_id.encode(), item.value, headers)
