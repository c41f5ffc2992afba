"""One consumer group and one transactional producer: consume, commit, rewind. Blocking calls, to be
made from one thread only. Nothing here knows about agents."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from app.errors import HitlError
from app.stream.connection import ANY_PARTITION, MAX_MESSAGE_BYTES, PARTITIONER, Connection, incoming
from app.stream.lag import INTERVAL_MS, Lag
from app.stream.records import Incoming, Outgoing

log = logging.getLogger("hitl.stream")

Partition = tuple[str, int]
"""Logical topic and partition number."""

R = TypeVar("R")

_CLEARLY_SMALL = MAX_MESSAGE_BYTES // 4
"""A value of fewer bytes fits, whatever key and headers a broker lets in beside it."""

_SMALLEST_LIMIT = 64 * 1024
"""A topic that takes less than this can not carry our events."""

_TRY_SECONDS = 1.0
"""How long one call may block before we look whether we should stop."""


class FatalStreamError(HitlError):
    """This client can not go on (fenced by a newer one, above all): the process must be restarted."""


class StoppedError(HitlError):
    """Asked to stop while a call was being repeated; its transaction was not committed."""


class Listener(Protocol):
    """Whoever keeps state beside a source. All calls come from the source's Kafka thread, while no
    batch is with the agents; what a handler computed counts only after ``committed``."""

    def assigned(self, partitions: Collection[Partition]) -> None:
        """These partitions are ours from now on: restore their state."""

    def revoked(self, partitions: Collection[Partition]) -> None:
        """These are no longer ours, given back or lost: drop their state."""

    def committed(self) -> None:
        """The batch's transaction is committed: pending state is now the state."""

    def aborted(self) -> None:
        """The batch counts for nothing, it will be read or asked again: drop pending state."""


class Batch(msgspec.Struct):
    """Records of one transaction with what is needed to commit them or to go back."""

    records: list[Incoming]
    first: dict[Partition, int]
    """Offset of the first record, for each partition."""
    next: dict[Partition, int]
    """Offset after the last record: what gets committed."""
    group: object
    """The consumer's group metadata right after these records were consumed: proof of membership."""
    assignment: int
    """Number of the assignment under which they were consumed."""


class Aborted(msgspec.Struct, frozen=True):
    """The transaction was aborted and the consumer has gone back; ``reason`` in few words."""

    reason: str


class TransactionalClient:
    """The loop that survived a chaos of kills, stops and rebalances; see ``commit`` for the steps.

    ``name`` is the group (``decide``), ``slot`` this worker's stable place among its peers. Group id is
    ``<prefix><app>-<name>``; transactional id and static member id are ``<prefix><app>-<name>-<slot>``,
    so that a worker that comes back after a crash ends its own open transaction at once.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        app: str,
        name: str,
        slot: str,
        topics: Sequence[str],
        listener: Listener | None = None,
        max_batch: int = 2000,
        session_timeout_ms: int = 10_000,
        transaction_timeout_ms: int = 15_000,
        max_poll_interval_ms: int = 60_000,
        on_stall: Callable[[str | None], None] = lambda _reason: None,
        on_lag: Callable[[Mapping[str, tuple[int, float]]], None] = lambda _lag: None,
    ) -> None:
        self._connection = connection
        self._topics = list(topics)
        self._listener = listener
        self._max_batch = max_batch
        self._on_stall = on_stall
        self._on_lag = on_lag
        self._lag = Lag(connection.logical, lambda: round(time.time() * 1000))
        self._stalled = False
        self._outage = False
        self._call_began: float | None = None
        self.group = f"{connection.prefix}{app}-{name}"
        self.member = f"{self.group}-{slot}"
        self._give_up_at: float | None = None
        self._stopping = threading.Event()
        self._held: list[TopicPartition] = []
        self._assigned: set[Partition] = set()
        self._revoked: set[Partition] = set()
        self._assignment = 0
        self._moved_in: dict[Partition, int] = {}
        self._member_id = ""
        self._failure: BaseException | None = None
        self._resume_at: dict[Partition, int] = {}
        self._expected: dict[Partition, int] = {}
        self._limits: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self._complained: set[int] = set()
        self._consumer_config = connection.client(
            self.member,
            {
                "error_cb": self._on_error,
                "stats_cb": self._on_statistics,
                "statistics.interval.ms": INTERVAL_MS,
                "group.id": self.group,
                "group.instance.id": self.member,
                "group.protocol": "classic",  # with the new protocol a static member got stuck for ever
                # Whole assignments only: with the incremental one, a static member that was killed between
                # the two halves of a rebalance left partitions that nobody owned (docs/decisions/019).
                "partition.assignment.strategy": "roundrobin",
                "session.timeout.ms": session_timeout_ms,
                "heartbeat.interval.ms": min(1500, session_timeout_ms // 3),
                "max.poll.interval.ms": max(max_poll_interval_ms, session_timeout_ms),
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 10,
                "fetch.queue.backoff.ms": 2,
                # Read ahead by a few batches, not by the default 64 MiB: a worker has several sources,
                # and one that lags must not grow.
                "queued.max.messages.kbytes": 8192,
            },
        )
        self._producer_config = connection.client(
            self.member,
            {
                "transactional.id": self.member,
                "transaction.timeout.ms": transaction_timeout_ms,
                "message.timeout.ms": transaction_timeout_ms,
                "message.max.bytes": MAX_MESSAGE_BYTES,
                # The next transaction's first call meets CONCURRENT_TRANSACTIONS while the last one's
                # markers are written, and sleeps this long: 2 ms instead of 100.
                "retry.backoff.ms": 2,
                # The commit sends what is left at once, so nobody waits for this; until then, few large
                # requests cost the broker and this thread a third of what many small ones do.
                "linger.ms": 50,
                # What was delivered is known from the commit: a report for each record costs only time.
                "delivery.report.only.error": True,
                "partitioner": PARTITIONER,
            },
        )

    # --- life ---------------------------------------------------------------------------------------

    def open(self) -> None:
        """Fence older incarnations of this slot, end what they left open, join the group."""
        self._producer = Producer(self._producer_config)
        self._member_id = ""
        self._until_done(self._producer.init_transactions, "init_transactions")
        self._consumer = Consumer(self._consumer_config)
        self._consumer.subscribe(
            [self._connection.topic(topic) for topic in self._topics],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_revoke,
        )
        self._outage = False

    def _reopen(self) -> None:
        """Start over with fresh clients after an outage; waits until the broker is back.

        The old ones do not survive every outage (librdkafka 2.16): a static member whose session ended
        meanwhile is fenced by its own return, and ``send_offsets_to_transaction`` can wait for ever for
        a coordinator whose connection was given up.
        """
        self.close()
        if self._assigned:
            self._give_up_partitions(set(self._assigned))
        self.open()

    def hung_for(self) -> float:
        """From any thread: seconds that the present call has taken beyond the one it was given. More
        than a few mean that it will never return, and only a new process helps."""
        began = self._call_began
        return 0.0 if began is None else max(0.0, time.monotonic() - began - _TRY_SECONDS)

    def stop_by(self, seconds: float) -> None:
        """From any thread: calls that are repeated because the broker is away give up by then."""
        self._give_up_at = time.monotonic() + seconds
        self._stopping.set()

    def close(self) -> None:
        """Leave. A static member's partitions wait for it until its session ends."""
        for client in (getattr(self, "_consumer", None), getattr(self, "_producer", None)):
            try:
                if client is not None:
                    client.close()
            except (KafkaException, RuntimeError) as error:
                log.debug("%s: closing: %s", self.member, error)

    # --- consume ------------------------------------------------------------------------------------

    def next_batch(self, wait: float = 0.1) -> Batch | None:
        """Up to ``max_batch`` records that are there now; waits up to ``wait`` seconds for the first.

        No gather time: latency follows load and batches grow by themselves.
        """
        if self._outage:
            self._reopen()
        self._revoked.clear()
        first = self._consumer.poll(wait)
        self._raise_failure()
        if first is None:
            return None
        messages = [first, *self._consumer.consume(self._max_batch - 1, 0)]
        # Right after consuming, and only as the member that was assigned these partitions: after an
        # eviction the client would hand out metadata of no member at all, which no broker refuses.
        group = self._membership()
        self._raise_failure()
        records = self._taken(messages)
        if not records:
            return None
        starts: dict[Partition, int] = {}
        ends: dict[Partition, int] = {}
        written: dict[Partition, int] = {}
        for record in records:
            partition = (record.topic, record.partition)
            starts.setdefault(partition, record.offset)
            ends[partition] = record.offset + 1
            written[partition] = record.timestamp
        self._lag.read(written)
        batch = Batch(records, starts, ends, group, self._assignment)
        if group is None:
            log.info("%s: not a member any more, its records are read again", self.member)
            self.rewind(batch)
            return None
        self._check_continuity(batch)
        return batch

    def _taken(self, messages: list[Message]) -> list[Incoming]:
        records = []
        unclear: set[Partition] = set()
        for message in messages:
            error = message.error()
            if error is not None:
                self._complain(error)
                continue
            record = incoming(self._connection, message)
            partition = (record.topic, record.partition)
            # A partition can be revoked between the first and the last record of this very call; its
            # next owner starts at the committed offset, so what we hold of it must not count.
            if partition not in self._revoked and partition in self._assigned:
                records.append(record)
            elif partition in self._assigned:
                unclear.add(partition)
        if unclear:
            self._start_over(unclear)
        return records

    def _start_over(self, partitions: set[Partition]) -> None:
        """Revoked and given back within one call: what came may be from before or after, and the
        position is beyond it. Read on from what is committed."""
        asked = [TopicPartition(self._connection.topic(topic), number) for topic, number in partitions]
        found = self._until_done(lambda timeout: self._consumer.committed(asked, timeout), "committed")
        self._seek({(self._connection.logical(at.topic), at.partition): max(at.offset, 0) for at in found})
        for partition in partitions:  # a transaction's marker may be there: the next record is further on
            del self._resume_at[partition]

    def _membership(self) -> object | None:
        before = self._consumer.memberid()
        group: object = self._consumer.consumer_group_metadata()
        if before and before == self._member_id == self._consumer.memberid():
            return group
        return group if self._connection.embedded else None

    def _check_continuity(self, batch: Batch) -> None:
        for partition, start in batch.first.items():
            wanted = self._resume_at.pop(partition, start)
            if start != wanted:
                raise FatalStreamError(
                    f"{partition[0]}[{partition[1]}]: went back to {wanted} but got {start}",
                    hint="restart the worker: it goes on from the committed offset",
                )
            expected = self._expected.get(partition, start)
            if self._connection.embedded and start > expected:
                log.error(
                    "%s[%d]: %d records lost (offsets %d to %d): the embedded broker keeps 5 MiB per "
                    "partition and this reader fell behind",
                    *(partition[0], partition[1], start - expected, expected, start - 1),
                )
        self._expected.update(batch.next)

    def hold(self, seconds: float) -> bool:
        """Keep membership for so long without taking records: partitions paused, callbacks served.

        False when the assignment changed meanwhile: then the batch in hand must be given up.
        """
        before = self._assignment
        self._held = self._consumer.assignment()
        self._consumer.pause(self._held)
        until = time.monotonic() + seconds
        while not self._stopping.is_set() and self._assignment == before and not self._outage:
            left = until - time.monotonic()
            if left <= 0:
                break
            message = self._consumer.poll(min(left, 0.1))
            self._raise_failure()
            if message is None:
                continue
            if (error := message.error()) is not None:
                self._complain(error)
            else:  # came with a new assignment that was not paused yet
                record = incoming(self._connection, message)
                self._seek({(record.topic, record.partition): record.offset})
        return self._assignment == before and not self._outage

    def release(self) -> None:
        """End of ``hold``: records flow again. What was held, not what is assigned at this moment: a pause
        outlasts a rebalance, and in the middle of one nothing is assigned."""
        self._consumer.resume(self._held)

    # --- commit -------------------------------------------------------------------------------------

    def too_large(self, record: Outgoing) -> bool:
        """Would the client, or the broker as far as it told us, refuse this record for its size?"""
        if record.topic not in self._limits and len(record.value or b"") < _CLEARLY_SMALL:
            return False  # asked for every record: the exact size costs ten times as much
        return wire_size(record) > self._limits.get(record.topic, MAX_MESSAGE_BYTES)

    def commit(self, batch: Batch, outgoing: Sequence[Outgoing]) -> Aborted | None:
        """Publish what a batch became and that it was read, or neither. ``None`` means committed.

        Raises ``FatalStreamError`` when this client was fenced, ``StoppedError`` when it was asked to
        stop and the broker is away; in both cases nothing of the batch was committed by us and the
        next incarnation's ``init_transactions`` ends the open transaction.
        """
        producer = self._producer
        try:
            # 1. The agents are done: nothing of ours can fail between here and the commit.
            producer.begin_transaction()
            # 2. Every output and every dead letter of the batch.
            for record in outgoing:
                self._produce(record)
            if self._listener is not None:
                # State beside the source must be with the broker before the offsets are: whoever takes
                # over then waits for this transaction, and never restores the state before it.
                self._until_done(self._flushed, "flush")
            # 3. The offsets, from the records themselves (position() may be ahead of them), with the
            #    membership under which they were consumed: a zombie is refused here.
            offsets = [
                TopicPartition(self._connection.topic(topic), partition, offset)
                for (topic, partition), offset in batch.next.items()
            ]
            self._until_done(
                lambda timeout: producer.send_offsets_to_transaction(offsets, batch.group, timeout),
                "send_offsets_to_transaction",
            )
            # 4. All of it becomes visible at once. A timeout says nothing about the outcome: the same
            #    call is repeated until the broker answers; aborting instead would be refused.
            self._until_done(producer.commit_transaction, "commit_transaction")
        except KafkaException as error:
            return self._abort(batch, error.args[0])
        # 5. The mock broker keeps no offsets of transactions: say it plainly as well.
        if self._connection.embedded:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        # 6. Only now does state beside Kafka move on.
        if self._listener is not None:
            self._listener.committed()
        return None

    def rewind(self, batch: Batch) -> None:
        """Give a batch up before any transaction: its partitions that are still ours are read again."""
        if not self._outage:  # else the next batch starts with fresh clients, from what is committed
            self._seek({p: at for p, at in batch.first.items() if self._kept(p, batch)})
        if self._listener is not None:
            self._listener.aborted()

    def _kept(self, partition: Partition, batch: Batch) -> bool:
        """Ours without a break since ``batch``. One that went and came back starts at what is committed,
        which may be the work of another."""
        return partition in self._assigned and self._moved_in[partition] <= batch.assignment

    def _produce(self, record: Outgoing) -> None:
        topic = self._connection.topic(record.topic)
        partition = ANY_PARTITION if record.partition is None else record.partition
        while True:
            try:
                self._producer.produce(
                    topic,
                    record.value,
                    record.key,
                    partition,
                    self._delivered,
                    headers=record.headers or None,  # type: ignore[arg-type]  # the stub's list is invariant
                )
                return
            except BufferError:  # the local queue is full: let deliveries make room
                self._producer.poll(0.05)
                self._check_stop("produce")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            return
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            # The topic takes less than we thought. Remember, so that the record is found in memory
            # (and dead-lettered) when the batch is read again, instead of aborting for ever.
            # All records of a refused request fail together: the largest is the one to blame.
            topic = self._connection.logical(str(message.topic()))
            size = len(message.value() or b"")
            self._refused[topic] = max(size, self._refused.get(topic, 0))

    def _abort(self, batch: Batch, error: KafkaError) -> Aborted:
        self._raise_if_fatal(error, "commit")
        reason = error.name()
        # Without the flush, an abort soon after produce can end in a fatal INVALID_TXN_STATE, and what was
        # refused may not be known yet.
        self._until_done(self._flushed, "flush")
        self._learn_limits()
        try:
            self._until_done(self._producer.abort_transaction, "abort_transaction")
        except KafkaException as failure:
            raise _fatal(self.member, "abort_transaction", failure.args[0]) from failure
        self.rewind(batch)
        return Aborted(reason)

    def _learn_limits(self) -> None:
        for topic, size in self._refused.items():
            if size < _SMALLEST_LIMIT:
                raise FatalStreamError(
                    f"topic {topic} refuses even records of {size} bytes",
                    hint=f"set its max.message.bytes, and the broker's, to {MAX_MESSAGE_BYTES}",
                )
            self._limits[topic] = min(size, self._limits.get(topic, MAX_MESSAGE_BYTES))
        self._refused.clear()

    def _flushed(self, timeout: float) -> None:
        if self._producer.flush(timeout):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "flush", retriable=True))

    def _seek(self, offsets: dict[Partition, int]) -> None:
        for (topic, partition), offset in offsets.items():
            try:
                self._consumer.seek(TopicPartition(self._connection.topic(topic), partition, offset))
            except KafkaException as error:
                # Going on would skip records: better to start again from the committed offsets.
                raise _fatal(self.member, f"seek {topic}[{partition}]@{offset}", error.args[0]) from error
            self._resume_at[topic, partition] = offset
            self._expected.pop((topic, partition), None)

    # --- errors -------------------------------------------------------------------------------------

    def _until_done(self, call: Callable[[float], R], what: str) -> R:
        """Repeat one call while the broker says "not now" or nothing at all."""
        while True:
            self._call_began = time.monotonic()
            try:
                result = call(_TRY_SECONDS)
            except KafkaException as failure:
                error = failure.args[0]
                self._raise_if_fatal(error, what)
                if not error.retriable() or error.txn_requires_abort():
                    raise
                self._stall(f"{what}: {error.name()}")
                self._check_stop(what)
            else:
                self._stall(None)
                return result
            finally:
                self._call_began = None

    def _stall(self, reason: str | None) -> None:
        if self._stalled == (reason is not None):
            return
        self._stalled = reason is not None
        self._outage = True
        self._on_stall(reason)

    def _on_statistics(self, text: str) -> None:
        self._on_lag(self._lag.behind(text, self._assigned))

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._outage = True

    def _check_stop(self, what: str) -> None:
        if self._give_up_at is not None and time.monotonic() > self._give_up_at:
            raise StoppedError(f"{self.member}: stopped while {what} was being repeated")

    def _raise_if_fatal(self, error: KafkaError, what: str) -> None:
        if error.fatal() or error.code() in (KafkaError._FATAL, KafkaError._FENCED):
            raise _fatal(self.member, what, error)

    def _complain(self, error: KafkaError) -> None:
        """An error in place of a record: fatal ones end us, others are said once and waited out."""
        if not self._outage:
            self._raise_if_fatal(error, "consume")
        if error.code() not in self._complained:
            self._complained.add(error.code())
            log.warning("%s: %s", self.member, error.str())

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    # --- rebalances: called from within poll() and consume(), in the Kafka thread --------------------

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._member_id = consumer.memberid()
        new = {(self._connection.logical(p.topic), p.partition) for p in partitions}
        self._moved(new)
        self._assigned |= new
        try:
            if new and self._listener is not None:
                self._listener.assigned(new)
        except BaseException as failure:
            self._failure = failure

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._give_up_partitions({(self._connection.logical(p.topic), p.partition) for p in partitions})

    def _give_up_partitions(self, gone: set[Partition]) -> None:
        self._moved(gone)
        self._assigned -= gone
        self._revoked |= gone
        try:
            if gone and self._listener is not None:
                self._listener.revoked(gone)
        except BaseException as failure:
            self._failure = failure

    def _moved(self, partitions: set[Partition]) -> None:
        if partitions:
            self._assignment += 1
        for partition in partitions:
            self._moved_in[partition] = self._assignment
            self._resume_at.pop(partition, None)
            self._expected.pop(partition, None)


def wire_size(record: Outgoing) -> int:
    """Upper bound of what a record takes in a produce request, as librdkafka counts it (bytes)."""
    size = 64 + len(record.key or b"") + len(record.value or b"")
    return size + sum(16 + len(name) * 4 + len(value) for name, value in record.headers)


def _fatal(member: str, what: str, error: KafkaError) -> FatalStreamError:
    return FatalStreamError(
        f"{member}: {what}: {error.name()}: {error.str()}",
        hint="the process must be restarted; if it repeats, two workers use the same HITL_WORKER_SLOT",
    )
