"""The relay: what the queue wrote to its outbox becomes events in Kafka, at least once, never lost."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec
import redis

from app.domain.events import (
    Record,
    ReviewDecided,
    ReviewDefaulted,
    ReviewLifecycle,
    ReviewRequested,
    SafeDefault,
)
from app.domain.evidence_chain import SEAL_HEADER
from app.domain.review import REVIEWS, Review, wordless
from app.errors import ServiceUnreachableError
from app.review_queue import keys as names
from app.review_queue.broken import ENTRY, WHY
from app.review_queue.errors import RefusedRecordsError, RequestGoneError
from app.review_queue.keys import Keys
from app.review_queue.state import completed, from_fields
from app.review_queue.store import Argument, Client, reachable

log = logging.getLogger(__name__)

OUTCOMES = "reviews.outcomes"
LIFECYCLE = "reviews.lifecycle"

_HEAD = 32  # bytes at the beginning of a record that say how it is encrypted


class Splicer(Protocol):
    """The part of the codec that the relay needs."""

    def encode(self, event: Record, under: bytes | None = None) -> bytes:
        """A framed event, encrypted where ``under`` names a key."""

    def body(self, value: bytes, event_type: type[Record]) -> bytes:
        """A framed event without its frame, in the current schema."""

    def append(
        self, event_type: type[Record], story: bytes, part: Record, under: bytes | None = None
    ) -> bytes:
        """A framed event: the story so far, and what is new; encrypted as by ``encode``."""

    def key_id(self, value: bytes) -> bytes | None:
        """Under which key a record is encrypted; its beginning is enough."""

    def is_erased(self, under: bytes) -> bool:
        """Whether a key is gone, with all that is encrypted under it."""


class OutboxRecord(msgspec.Struct, frozen=True):
    """A record to publish; has the fields of ``app.stream.records.Outgoing``."""

    topic: str
    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]
    partition: int | None = None


Publish = Callable[[list[OutboxRecord]], None]
Heading = Callable[[str, str, int, Review], list[tuple[str, bytes]]]
Seal = Callable[[str, bytes, bytes], str]
Fields = Mapping[bytes, bytes]


class OutboxRelay:
    """One consumer of the group that reads every pool's outbox.

    ``publish`` returns only after every record's delivery report, and raises otherwise:
    ``RefusedRecordsError`` where the others are stored and sending again helps nobody. ``name`` should
    be stable for a worker slot: after a restart it first finishes what it had begun. What a consumer
    left for ``idle`` ms is taken over by any other. ``heading`` makes a record's headers from event name,
    identifier, time and review; ``seal`` gives the seal of topic, key and value (``evidence_chain.seal``),
    which goes beside the record. ``encrypts`` says whether the policy encrypts: an entry whose request is
    gone, and the name of its key with it, is then put aside. Errors of the kinds in ``transient`` are an
    outage; any other error while an entry is turned into events is a bug, and the entry is put aside so that
    the others go on, as is one with a record that Kafka refuses for good.
    """

    def __init__(
        self,
        client: Client,
        keys: Keys,
        pools: Sequence[str],
        codec: Splicer,
        publish: Publish,
        *,
        name: str,
        clock: Callable[[], int],
        batch: int = 200,
        idle: int = 30_000,
        heading: Heading | None = None,
        seal: Seal | None = None,
        encrypts: Callable[[], bool] = lambda: False,
        transient: tuple[type[Exception], ...] = (ServiceUnreachableError,),
    ) -> None:
        self._client = client
        self._keys = keys
        self._outboxes = {pool: keys.pool(pool, names.OUTBOX) for pool in pools}
        self._broken = {pool: keys.pool(pool, names.BROKEN) for pool in pools}
        self._codec = codec
        self._publish = publish
        self._name = name
        self._clock = clock
        self._batch = batch
        self._idle = idle
        self._heading = heading or _heading
        self._seal = seal
        self._encrypts = encrypts
        self._transient = transient
        self._unfinished = set(pools)
        self._looked_at: dict[str, int] = {}

    def run_once(self) -> int:
        """Relay at most one batch of every pool; how many entries. Raises what ``publish`` raises and
        ``StoreUnavailableError``: then nothing is lost, and the next call begins with the same entries."""
        with reachable:
            return sum(self._relay(pool) for pool in self._outboxes)

    def _relay(self, pool: str) -> int:
        # 1. Take entries; the store remembers that they are ours. 2. Publish and wait for delivery.
        # 3. Only then acknowledge and delete. A crash anywhere repeats from 1.
        entries = self._take(pool)
        if not entries:
            return 0
        self._unfinished.add(pool)
        ready: list[tuple[bytes, Fields, list[OutboxRecord]]] = []
        broken: list[tuple[bytes, Fields]] = []
        heads = self._heads(pool, [fields for _, fields in entries])
        for (entry_id, fields), head in zip(entries, heads, strict=True):
            try:
                ready.append((entry_id, fields, self._records(pool, fields, head)))
            except self._transient:
                raise
            except Exception as error:  # its words may name a person: they stay in the log
                log.exception(
                    "outbox entry %s of pool %s could not be published; put aside: hitl queue broken list",
                    entry_id.decode(),
                    pool,
                )
                broken.append((entry_id, {**fields, WHY.encode(): type(error).__name__.encode()}))
        refused = self._refused([records for _, _, records in ready])
        for place, why in refused.items():
            entry_id, fields, _ = ready[place]
            log.error(
                "outbox entry %s of pool %s is refused by Kafka (%s); put aside: hitl queue broken list",
                entry_id.decode(),
                pool,
                why,
            )
            broken.append((entry_id, {**fields, WHY.encode(): why.encode()}))
        good = [entry_id for place, (entry_id, _, _) in enumerate(ready) if place not in refused]
        self._finish(pool, good, broken)
        self._unfinished.discard(pool)
        return len(entries)

    def _refused(self, entries: Sequence[list[OutboxRecord]]) -> dict[int, str]:
        """Publish; which entries Kafka refuses for good, and why. A broker refuses a request with all that is
        in it: each entry that was in such a one gets its own."""
        records = [(place, record) for place, each in enumerate(entries) for record in each]
        found: dict[int, str] = {}
        try:
            if records:
                self._publish([record for _, record in records])
        except RefusedRecordsError as error:
            for place in sorted({records[index][0] for index in error.reasons}):
                try:
                    self._publish(entries[place])
                except RefusedRecordsError as alone:
                    found[place] = next(iter(alone.reasons.values()))
        return found

    def _take(self, pool: str) -> list[tuple[bytes, Fields]]:
        if pool in self._unfinished:
            begun = self._read(pool, "0")
            if begun:
                return begun
            self._unfinished.discard(pool)
        now = self._clock()
        if now - self._looked_at.get(pool, 0) >= self._idle:
            left = self._take_over(pool)
            if left:
                return left
            self._looked_at[pool] = now
        return self._read(pool, ">")

    def _read(self, pool: str, since: str) -> list[tuple[bytes, Fields]]:
        outbox = self._outboxes[pool]
        whose: tuple[Argument, ...] = ("GROUP", names.GROUP, self._name)
        command = ("XREADGROUP", *whose, "COUNT", self._batch, "STREAMS", outbox, since)
        try:
            found = self._client.execute_command(*command)
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            try:
                self._client.execute_command("XGROUP", "CREATE", outbox, names.GROUP, "0", "MKSTREAM")
            except redis.ResponseError as race:
                if not str(race).startswith("BUSYGROUP"):  # another relay was quicker
                    raise
            found = self._client.execute_command(*command)
        return [(entry_id, fields or {}) for _, entries in found or [] for entry_id, fields in entries]

    def _take_over(self, pool: str) -> list[tuple[bytes, Fields]]:
        outbox = self._outboxes[pool]
        try:
            found = self._client.execute_command(
                "XAUTOCLAIM", outbox, names.GROUP, self._name, self._idle, "0-0", "COUNT", self._batch
            )
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            return []
        return [(entry_id, fields or {}) for entry_id, fields in found[1]]

    def _finish(self, pool: str, good: Sequence[bytes], broken: Sequence[tuple[bytes, Fields]]) -> None:
        pipe = self._client.pipeline(transaction=True)
        for entry_id, fields in broken:
            flat = [part for pair in fields.items() for part in pair]
            pipe.execute_command("XADD", self._broken[pool], "*", ENTRY, entry_id, *flat)
        done = [*good, *(entry_id for entry_id, _ in broken)]
        pipe.execute_command("XACK", self._outboxes[pool], names.GROUP, *done)
        pipe.execute_command("XDEL", self._outboxes[pool], *done)
        pipe.execute()

    def _heads(self, pool: str, entries: Sequence[Fields]) -> list[bytes]:
        """How the request of each entry's review begins: an entry is encrypted as its request is."""
        pipe = self._client.pipeline(transaction=False)
        for fields in entries:
            name = self._keys.pool(pool, names.REQUEST, fields.get(b"@id", b"").decode(errors="replace"))
            pipe.execute_command("GETRANGE", name, 0, _HEAD - 1)
        return pipe.execute()

    def _records(self, pool: str, fields: Fields, head: bytes) -> list[OutboxRecord]:
        """The events of one entry. The lifecycle event carries the state after the step."""
        under = self._under(pool, fields, head)
        meta: dict[str, bytes] = {}
        state: dict[str, bytes] = {}
        for name, value in fields.items():
            (meta if name.startswith(b"@") else state)[name.decode()] = value
        review = from_fields(f"{pool}.{meta['@id'].decode()}", state)
        key = review.decision_id.encode()
        records = []
        detail = meta["@detail"].decode()
        if under is not None and self._codec.is_erased(under):
            # What happened to the case is told, in the clear: who did what. What was said in it is not.
            step = _step(pool, wordless(review), meta, "")
            return [self._sealed(self._lifecycle(step, review, None))]
        if "@answer" in meta:
            answer = completed(meta["@answer"], review)
            value = self._codec.append(ReviewDecided, self._story(pool, meta), answer, under)
            records.append(
                OutboxRecord(
                    OUTCOMES,
                    key,
                    value,
                    self._heading("ReviewDecided", answer.answer_id, answer.decided_at, review),
                )
            )
        elif "@default" in meta:
            default = _default(review)
            value = self._codec.append(ReviewDefaulted, self._story(pool, meta), default, under)
            headers = self._heading("ReviewDefaulted", default.default_id, default.taken_at, review)
            records.append(OutboxRecord(OUTCOMES, key, value, headers))
        elif "@since" in meta:
            vote = completed(meta["@detail"], review, int(meta["@since"]))
            detail = msgspec.json.encode(vote).decode()
        records.append(self._lifecycle(_step(pool, review, meta, detail), review, under))
        return [self._sealed(record) for record in records]

    def _under(self, pool: str, fields: Fields, head: bytes) -> bytes | None:
        """The key of an entry: that of its request, of which an outcome brings a copy."""
        head = head or fields.get(b"@request", b"")
        if not head and self._encrypts():
            raise self._gone(pool, fields[b"@id"])
        return self._codec.key_id(head)

    def _story(self, pool: str, meta: Mapping[str, bytes]) -> bytes:
        """The request, with which what is published of an outcome begins."""
        if not meta["@request"]:
            raise self._gone(pool, meta["@id"])
        return self._codec.body(meta["@request"], ReviewRequested)

    def _gone(self, pool: str, name: bytes) -> RequestGoneError:
        return RequestGoneError(self._keys.pool(pool, names.REQUEST, name.decode()))

    def _lifecycle(self, step: ReviewLifecycle, review: Review, under: bytes | None) -> OutboxRecord:
        value = self._codec.encode(step, under)
        heading = self._heading("ReviewLifecycle", step.event_id, step.at, review)
        return OutboxRecord(LIFECYCLE, review.decision_id.encode(), value, heading)

    def _sealed(self, record: OutboxRecord) -> OutboxRecord:
        if self._seal is None or record.value is None:
            return record
        found = self._seal(record.topic, record.key, record.value)
        return msgspec.structs.replace(record, headers=[*record.headers, (SEAL_HEADER, found.encode())])


def _step(pool: str, review: Review, meta: Mapping[str, bytes], detail: str) -> ReviewLifecycle:
    return ReviewLifecycle(
        event_id=str(uuid.uuid5(REVIEWS, f"{review.review_id}\n{review.step}")),
        review_id=review.review_id,
        decision_id=review.decision_id,
        pool=pool,
        event=meta["@event"].decode(),
        actor=meta["@actor"].decode(),
        at=int(meta["@at"]),
        lease_epoch=review.epoch,
        state=msgspec.json.encode(review).decode(),
        detail=detail,
    )


def _default(review: Review) -> SafeDefault:
    return SafeDefault(
        default_id=str(uuid.uuid5(REVIEWS, f"{review.review_id}\ndefault")),
        review_id=review.review_id,
        action=review.safe_default,
        deadline=review.deadline or review.decided_at,
        taken_at=review.decided_at,
    )


def _heading(event: str, identifier: str, _at: int, _review: Review) -> list[tuple[str, bytes]]:
    return [("ce_id", f"{event}/{identifier}".encode()), ("ce_type", f"hitl.events.{event}".encode())]
