"""One consumer group and one transactional producer: consume, commit, rewind. Blocking calls, to be
made from one thread only. Nothing here knows about agents."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from app.stream.batch import MOST, Aborted, Batch, Listener
from app.stream.client_settings import consumer_settings, producer_settings
from app.stream.connection import ANY_PARTITION, Connection, incoming
from app.stream.errors import BrokerUnreachableError, OverdueError
from app.stream.lag import Lag
from app.stream.patience import Patience, fatal
from app.stream.positions import Positions
from app.stream.probe import BrokerProbe
from app.stream.record_limits import RecordLimits
from app.stream.records import Incoming, Outgoing, Partition

log = logging.getLogger("hitl.stream")

R = TypeVar("R")


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
        max_batch: int = MOST,
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
        self._on_lag = on_lag
        self._lag = Lag(connection.logical, lambda: round(time.time() * 1000))
        self.group = f"{connection.prefix}{app}-{name}"
        self.member = f"{self.group}-{slot}"
        self.patience = Patience(self.member, on_stall)
        self.limits = RecordLimits(connection)
        self._positions = Positions()
        self._lasts = transaction_timeout_ms / 1000
        self._fenced = False
        self._held: list[TopicPartition] = []
        self._member_id = ""
        self._failure: BaseException | None = None
        self._complained: set[int] = set()
        consuming = consumer_settings(
            group=self.group,
            member=self.member,
            session_timeout_ms=session_timeout_ms,
            max_poll_interval_ms=max_poll_interval_ms,
        )
        told = {"error_cb": self.patience.on_error, "stats_cb": self._on_statistics}
        self._consumer_config = connection.client(self.member, {**consuming, **told})
        producing = producer_settings(member=self.member, transaction_timeout_ms=transaction_timeout_ms)
        self._producer_config = connection.client(self.member, producing)

    # --- life ---------------------------------------------------------------------------------------

    def fence(self) -> None:
        """End older incarnations of this slot and what they left open. Where there was something it takes
        half a second: so long librdkafka waits before it asks again."""
        self._producer = Producer(self._producer_config)
        self.patience.until_done(self._producer.init_transactions, "init_transactions")
        self._fenced = True

    def open(self) -> None:
        """Fence older incarnations of this slot, unless that was done ahead; join the group."""
        if not self._fenced:
            self.fence()
        self._fenced = False
        self._member_id = ""
        self._consumer = Consumer(self._consumer_config)
        self._consumer.subscribe(
            [self._connection.topic(topic) for topic in self._topics],
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_revoke,
        )
        self.patience.outage = False

    def _reopen(self) -> None:
        """Start over with fresh clients after an outage; waits until the broker is back.

        The old ones do not survive every outage (librdkafka 2.16): a static member whose session ended
        meanwhile is fenced by its own return, and ``send_offsets_to_transaction`` can wait for ever for
        a coordinator whose connection was given up.
        """
        self.close()
        if self._positions.assigned:
            self._give_up_partitions(set(self._positions.assigned))
        self.open()

    def close(self) -> None:
        """Leave. A static member's partitions wait for it until its session ends.

        librdkafka 2.16 may wait here for ever: for its own group, when the member was evicted meanwhile.
        """
        for client in (getattr(self, "_consumer", None), getattr(self, "_producer", None)):
            try:
                if client is not None:
                    with self.patience.watched():
                        client.close()
            except (KafkaException, RuntimeError) as error:
                log.debug("%s: closing: %s", self.member, error)

    # --- consume ------------------------------------------------------------------------------------

    def next_batch(self, wait: float = 0.1) -> Batch | None:
        """Up to ``max_batch`` records that are there now; waits up to ``wait`` seconds for the first.

        No gather time: latency follows load and batches grow by themselves.
        """
        if self.patience.outage:
            self._reopen()
        self._positions.begin()
        first = self._consumer.poll(wait)
        self._raise_failure()
        if first is None:
            return None
        messages = [first, *self._consumer.consume(self._max_batch - 1, 0)]
        # Right after consuming, and only as the member that was assigned these partitions: after an
        # eviction the client would hand out metadata of no member at all, which no broker refuses.
        group = self._membership()
        self._raise_failure()
        if self.patience.outage:
            return None
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
        batch = Batch(records, starts, ends, group, self._positions.number)
        if group is None:
            log.info("%s: not a member any more, its records are read again", self.member)
            self.rewind(batch)
            return None
        self._say_gaps(self._positions.take(starts, ends))
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
            if self._positions.undisturbed(partition):
                records.append(record)
            elif partition in self._positions.assigned:
                unclear.add(partition)
        if unclear:
            self._start_over(unclear)
        return records

    def _start_over(self, partitions: set[Partition]) -> None:
        """Revoked and given back within one call: what came may be from before or after, and the
        position is beyond it. Read on from what is committed."""
        asked = [TopicPartition(self._connection.topic(topic), number) for topic, number in partitions]
        ask = self._consumer.committed
        found = self.patience.until_done(lambda timeout: ask(asked, timeout), "committed")
        back = {(self._connection.logical(at.topic), at.partition): max(at.offset, 0) for at in found}
        self._seek(back, exactly=False)

    def _membership(self) -> object | None:
        before = self._consumer.memberid()
        group: object = self._consumer.consumer_group_metadata()
        if before and before == self._member_id == self._consumer.memberid():
            return group
        return group if self._connection.embedded else None

    def _say_gaps(self, gaps: Iterable[tuple[Partition, int, int]]) -> None:
        """On the embedded broker, which has no transactions' markers, a gap is a loss."""
        if not self._connection.embedded:
            return
        for (topic, partition), expected, start in gaps:
            log.error(
                "%s[%d]: %d records lost (offsets %d to %d): the embedded broker keeps 5 MiB per "
                "partition and this reader fell behind",
                *(topic, partition, start - expected, expected, start - 1),
            )

    def hold(self, seconds: float) -> bool:
        """Keep membership for so long without taking records: partitions paused, callbacks served.

        False when the assignment changed meanwhile: then the batch in hand must be given up.
        """
        before = self._positions.number
        self._held = self._consumer.assignment()
        self._consumer.pause(self._held)
        until = time.monotonic() + seconds
        while not self.patience.stopping and self._positions.number == before and not self.patience.outage:
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
        return self._positions.number == before and not self.patience.outage

    def release(self) -> None:
        """End of ``hold``: records flow again. What was held, not what is assigned at this moment: a pause
        outlasts a rebalance, and in the middle of one nothing is assigned."""
        self._consumer.resume(self._held)

    # --- commit -------------------------------------------------------------------------------------

    def commit(self, batch: Batch, outgoing: Sequence[Outgoing]) -> Aborted | None:
        """Publish what a batch became and that it was read, or neither. ``None`` means committed.

        Where a step gets no answer for as long as a transaction lasts, though the broker is there, fresh
        clients go on from what is committed, whatever that is: it counts as aborted here.

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
            #    call is repeated; aborting instead would be refused.
            self._until_done(producer.commit_transaction, "commit_transaction")
        except KafkaException as error:
            return self._abort(batch, error.args[0])
        except OverdueError as overdue:
            return self._given_up(batch, overdue)
        # 5. The mock broker keeps no offsets of transactions: say it plainly as well.
        if self._connection.embedded:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        # 6. Only now does state beside Kafka move on.
        if self._listener is not None:
            self._listener.committed()
        return None

    def rewind(self, batch: Batch) -> None:
        """Give a batch up before any transaction: its partitions that are still ours are read again."""
        if not self.patience.outage:  # else the next batch starts with fresh clients, from what is committed
            kept = self._positions.kept
            self._seek({p: at for p, at in batch.first.items() if kept(p, since=batch.assignment)})
        if self._listener is not None:
            self._listener.aborted()

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
                    self.limits.delivered,
                    headers=record.headers or None,  # type: ignore[arg-type]  # the stub's list is invariant
                )
                return
            except BufferError:  # the local queue is full: let deliveries make room
                self._producer.poll(0.05)
                self.patience.check_stop("produce")

    def _abort(self, batch: Batch, error: KafkaError) -> Aborted:
        self.patience.raise_if_fatal(error, "commit")
        reason = error.name()
        # Without the flush, an abort soon after produce can end in a fatal INVALID_TXN_STATE, and what was
        # refused may not be known yet.
        try:
            self._until_done(self._flushed, "flush")
            self.limits.learn()
            self._until_done(self._producer.abort_transaction, "abort_transaction")
        except KafkaException as failure:
            raise fatal(self.member, "abort_transaction", failure.args[0]) from failure
        except OverdueError as overdue:
            return self._given_up(batch, overdue)
        self.rewind(batch)
        return Aborted(reason)

    def _given_up(self, batch: Batch, overdue: OverdueError) -> Aborted:
        """The producer waits for a coordinator that it will not find again. It is dropped, not closed:
        closing waits for the same. The next one ends what it left, and fences it."""
        del self._producer
        self.patience.outage = True
        self.rewind(batch)
        return Aborted(str(overdue))

    def _until_done(self, call: Callable[[float], R], what: str) -> R:
        """A step of a transaction. Raises ``OverdueError`` when it gets nowhere though the broker answers."""
        while True:
            try:
                return self.patience.until_done(call, what, at_most=self._lasts)
            except OverdueError:
                if self._broker_answers():
                    raise

    def _broker_answers(self) -> bool:
        """A new client is asked: where the producer has lost its coordinator, the consumer beside it may have
        lost its broker, and says no until it refreshes what it knows, 15 minutes later."""
        return BrokerProbe(self._connection)()

    def _flushed(self, timeout: float) -> None:
        if self._producer.flush(timeout):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "flush", retriable=True))

    def _seek(self, offsets: dict[Partition, int], *, exactly: bool = True) -> None:
        for (topic, partition), offset in offsets.items():
            try:
                self._consumer.seek(TopicPartition(self._connection.topic(topic), partition, offset))
            except KafkaException as error:
                # Going on would skip records: better to start again from the committed offsets.
                raise fatal(self.member, f"seek {topic}[{partition}]@{offset}", error.args[0]) from error
            self._positions.go_back((topic, partition), offset, exactly=exactly)

    # --- errors -------------------------------------------------------------------------------------

    def _on_statistics(self, text: str) -> None:
        self._on_lag(self._lag.behind(text, self._positions.assigned))

    def _complain(self, error: KafkaError) -> None:
        """An error in place of a record: fatal ones end us, others are said once and waited out."""
        if not self.patience.outage:
            self.patience.raise_if_fatal(error, "consume")
        if error.code() not in self._complained:
            self._complained.add(error.code())
            log.warning("%s: %s", self.member, error.str())

    def _raise_failure(self) -> None:
        """What a listener raised. Where it could not read what it restores from, that is an outage as any
        other: nothing of these partitions may be worked on, and fresh clients are assigned them anew."""
        failure, self._failure = self._failure, None
        if isinstance(failure, BrokerUnreachableError):
            self.patience.stall(str(failure))
        elif failure is not None:
            raise failure

    # --- rebalances: called from within poll() and consume(), in the Kafka thread --------------------

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._member_id = consumer.memberid()
        new = {(self._connection.logical(p.topic), p.partition) for p in partitions}
        self._positions.assign(new)
        try:
            if new and self._listener is not None:
                self._listener.assigned(new)
        except BaseException as failure:
            self._failure = failure

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._give_up_partitions({(self._connection.logical(p.topic), p.partition) for p in partitions})

    def _give_up_partitions(self, gone: set[Partition]) -> None:
        self._positions.give_up(gone)
        try:
            if gone and self._listener is not None:
                self._listener.revoked(gone)
        except BaseException as failure:
            self._failure = failure
