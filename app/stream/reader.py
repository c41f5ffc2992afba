"""Whole topics from the beginning to now, for whoever rebuilds, verifies, replays or restores."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)

from app.stream.connection import Connection, incoming
from app.stream.errors import BrokerUnreachableError
from app.stream.partitioner import partition_of
from app.stream.records import Incoming, Partition

_SETTLING = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)


class LogReader:
    """Reads partitions up to the end they had when asked, committed records only.

    The end is the high watermark: where an open transaction holds readers back, it is waited for (its
    timeout bounds the wait), so that nothing committed before the call is missed. ``silence`` is how
    many seconds without any progress count as an outage.
    """

    def __init__(self, connection: Connection, *, silence: float = 30.0) -> None:
        self._connection = connection
        self._silence = silence

    def read_all(
        self, topics: Iterable[str], *, start: Mapping[Partition, int] | None = None
    ) -> Iterator[Incoming]:
        """Every committed record of these topics (logical names), in order within each partition, from
        the beginning or from ``start``'s offsets. Memory stays bounded by the client's queues.

        Raises ``BrokerUnreachableError`` when a topic does not exist or the broker falls silent.
        """
        partitions = [p for topic in topics for p in self._partitions(topic)]
        yield from self._read(partitions, start or {})

    def read_since(self, topics: Iterable[str], since: int) -> Iterator[Incoming]:
        """As ``read_all``, from the first record with a timestamp of at least ``since`` (ms)."""
        partitions = [p for topic in topics for p in self._partitions(topic)]
        start = self._starts(partitions, since)
        yield from self._read([p for p in partitions if p in start], start)

    def read_newest(self, topics: Iterable[str], count: int = 5) -> Iterator[Incoming]:
        """The last few records of each partition, at most ``count``: markers of transactions count as well.
        Raises as ``read_all``."""
        partitions = [p for topic in topics for p in self._partitions(topic)]
        ends = self._ends(partitions)
        yield from self._read(partitions, {p: max(low, high - count) for p, (low, high) in ends.items()})

    def read_key(self, topics: Iterable[str], key: bytes, *, since: int = 0) -> Iterator[Incoming]:
        """The records of one key, from ``since`` (ms) on: of each topic only the partition in which the key
        lives is read. Raises as ``read_all``. Records from before a topic got more partitions lie elsewhere:
        whoever finds nothing reads all."""
        partitions = []
        for topic in topics:
            of_topic = self._partitions(topic)
            partitions.append(of_topic[partition_of(key, len(of_topic))])
        start = self._starts(partitions, since) if since else dict.fromkeys(partitions, OFFSET_BEGINNING)
        for record in self._read([p for p in partitions if p in start], start):
            if record.key == key:
                yield record

    def read_latest(self, topic: str, key: bytes) -> Incoming | None:
        """The latest record of one key; ``None`` when there is none, or when it was deleted. Read from the
        end backwards: the time does not grow with the log. Raises as ``read_all``."""
        of_topic = self._partitions(topic)
        partition = of_topic[partition_of(key, len(of_topic))]
        low, high = self._ends([partition])[partition]
        start, back = high, 1
        while start > low:
            start = max(low, high - back)
            latest = None
            for record in self.read_from(partition, start):
                if record.key == key:
                    latest = record
            if latest is not None:
                return latest if latest.value is not None else None
            back *= 16
        return None

    def _starts(self, partitions: list[Partition], since: int) -> dict[Partition, int]:
        """The first offset with a timestamp of at least ``since`` of each partition that has one."""
        consumer = self._consumer("read_committed")
        try:
            found = consumer.offsets_for_times([self._at(p, since) for p in partitions], timeout=10)
        except KafkaException as error:
            raise _unreachable(self._connection, error.args[0]) from error
        finally:
            consumer.close()
        return {p: at.offset for p, at in zip(partitions, found, strict=True) if at.offset >= 0}

    def read_from(self, partition: Partition, offset: int) -> Iterator[Incoming]:
        """One partition from ``offset`` on; from the first record that is still kept, if that is gone."""
        yield from self._read([partition], {partition: offset})

    def restore_partition(self, topic: str, partition: int) -> dict[bytes, bytes]:
        """Latest value of each key of one partition of a compacted topic; deleted keys are absent."""
        state: dict[bytes, bytes] = {}
        for record in self._read([(topic, partition)], {}):
            if record.key is None:
                continue
            if record.value is None:
                state.pop(record.key, None)
            else:
                state[record.key] = record.value
        return state

    def _partitions(self, topic: str) -> list[Partition]:
        consumer = self._consumer("read_committed")
        try:
            return partitions_of(consumer, self._connection, topic)
        finally:
            consumer.close()

    def _ends(self, partitions: list[Partition]) -> dict[Partition, tuple[int, int]]:
        consumer = self._consumer("read_uncommitted")  # the high watermark, whatever is still open
        try:
            return {p: watermarks(consumer, self._connection, p) for p in partitions}
        finally:
            consumer.close()

    def _read(self, partitions: list[Partition], start: Mapping[Partition, int]) -> Iterator[Incoming]:
        ends = self._ends(partitions)
        left = {p: high for p, (low, high) in ends.items() if high > max(low, start.get(p, 0))}
        if not left:
            return
        consumer = self._consumer("read_committed")
        try:
            consumer.assign([self._at(p, start.get(p, OFFSET_BEGINNING)) for p in left])
            heard = time.monotonic()
            while left:
                for message in consumer.consume(1000, 0.5):
                    error = message.error()
                    partition = (self._connection.logical(str(message.topic())), message.partition() or 0)
                    if error is None:
                        heard = time.monotonic()
                        record = incoming(self._connection, message)
                        offset, end = record.offset, left.get(partition)
                        if end is not None and offset < end:
                            yield record
                        offset += 1
                    elif error.code() == KafkaError._PARTITION_EOF:
                        # Behind the last record may be transaction markers: only the end event tells.
                        offset = message.offset() or 0
                    else:
                        _raise_if_hopeless(error, f"topic {message.topic()}")
                        continue
                    if partition in left and offset >= left[partition]:
                        del left[partition]
                        consumer.incremental_unassign([self._at(partition, OFFSET_BEGINNING)])
                if time.monotonic() - heard > self._silence:
                    where = ", ".join(f"{t}[{p}] to {end}" for (t, p), end in left.items())
                    raise BrokerUnreachableError(
                        f"nothing came for {self._silence:g} s while reading {where}",
                        hint="is the broker up, or a transaction open for that long?",
                    )
        finally:
            consumer.close()

    def _at(self, partition: Partition, offset: int) -> TopicPartition:
        return TopicPartition(self._connection.topic(partition[0]), partition[1], offset)

    def _consumer(self, isolation: str) -> Consumer:
        name = f"hitl-reader-{uuid.uuid4().hex[:8]}"
        return Consumer(self._connection.reader(name, **{"isolation.level": isolation}))


def partitions_of(
    client: Consumer | Producer, connection: Connection, topic: str, patience: float = 5.0
) -> list[Partition]:
    """A topic's partitions. Raises ``BrokerUnreachableError`` if it does not exist, or nobody answers;
    a topic or a right of this moment may need up to ``patience`` seconds to be known."""
    name, deadline = connection.topic(topic), time.monotonic() + patience
    while True:
        try:
            found = client.list_topics(name, timeout=10).topics[name]
        except KafkaException as error:
            raise _unreachable(connection, error.args[0]) from error
        if found.error is None:
            return [(topic, number) for number in sorted(found.partitions)]
        if time.monotonic() > deadline:
            _raise_if_refused(found.error, f"topic {name}")
            raise BrokerUnreachableError(
                f"topic {name}: {found.error.str()}", hint="create it: hitl topics apply"
            )
        time.sleep(0.1)


def watermarks(
    consumer: Consumer, connection: Connection, partition: Partition, patience: float = 30.0
) -> tuple[int, int]:
    """First offset and the one after the last, as the consumer's isolation level sees them. A partition
    that was created or moved this moment may need up to ``patience`` seconds to have a leader."""
    at = TopicPartition(connection.topic(partition[0]), partition[1])
    deadline = time.monotonic() + patience
    while True:
        try:
            low, high = consumer.get_watermark_offsets(at, timeout=10)
        except KafkaException as error:
            settling = error.args[0].code() in _SETTLING
            if not settling or time.monotonic() > deadline:
                raise _unreachable(connection, error.args[0]) from error
            time.sleep(0.1)
        else:
            return low, high


def _raise_if_hopeless(error: KafkaError, topic: str) -> None:
    _raise_if_refused(error, topic)
    if error.fatal() or error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION):
        raise BrokerUnreachableError(error.str())


def _raise_if_refused(error: KafkaError, topic: str) -> None:
    if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        raise BrokerUnreachableError(
            f"{topic}: the broker does not let this principal read it",
            hint="sign in as one that may: `hitl topics acls` tells; an administrator may everything",
        )


def _unreachable(connection: Connection, error: KafkaError) -> BrokerUnreachableError:
    return BrokerUnreachableError(
        f"the broker at {connection.bootstrap_servers} does not answer: {error.str()}",
        hint="check HITL_KAFKA_BOOTSTRAP_SERVERS and that the broker is up: hitl doctor",
    )
