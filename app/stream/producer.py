"""Plain producing, for whoever is not a worker: submit, observe, the outbox relay, policy activation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from app.stream.connection import ANY_PARTITION, MAX_MESSAGE_BYTES, PARTITIONER, Connection
from app.stream.reader import partitions_of, watermarks
from app.stream.records import Outgoing, Partition

_REFUSING = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
    }
)
"""What is wrong with a record itself. All else (a broker that is away, replicas that are missing, rights that
were taken) may be over later. ``KafkaError.retriable`` says nothing of the errors of delivery reports."""


class Undelivered(msgspec.Struct, frozen=True):
    """A record that the broker did not acknowledge: its index in what was sent, and why."""

    index: int
    reason: str
    retriable: bool
    """True: the broker may be away, sending again may help. False: the broker refuses this record for good,
    or another one of the request that both were in."""


class Publisher:
    """Idempotent producer that waits for the delivery reports. Not for use from several threads."""

    def __init__(self, connection: Connection, *, client_id: str, timeout: float = 30.0) -> None:
        self._connection = connection
        self._timeout = timeout
        self._producer = Producer(
            connection.client(
                client_id,
                {
                    "enable.idempotence": True,
                    "message.timeout.ms": int(timeout * 1000),
                    "message.max.bytes": MAX_MESSAGE_BYTES,
                    "partitioner": PARTITIONER,
                    "linger.ms": 5,
                },
            )
        )

    def send(self, records: Sequence[Outgoing]) -> list[Undelivered]:
        """Send, wait until the broker said something about each; what is not in the list is stored.

        Order is kept within a key, also over retries. Returns within ``timeout`` seconds and a bit.
        """
        failed: list[Undelivered] = []

        def report(index: int) -> Callable[[KafkaError | None, object], None]:
            def delivered(error: KafkaError | None, _message: object) -> None:
                if error is not None:
                    failed.append(_undelivered(index, error))

            return delivered

        for index, record in enumerate(records):
            try:
                self._produce(record, report(index))
            except KafkaException as error:
                failed.append(_undelivered(index, error.args[0]))
        while self._producer.flush(1.0):
            pass  # every record ends by message.timeout.ms at the latest
        return sorted(failed, key=lambda f: f.index)

    def reach(self, topic: str) -> None:
        """See that the broker answers and has this topic, within 10 s, before anything is sent to it.
        Raises ``BrokerUnreachableError``."""
        partitions_of(self._producer, self._connection, topic)

    def close(self) -> None:
        """End the client; everything sent has been reported."""
        self._producer.close()

    def _produce(self, record: Outgoing, report: Callable[[KafkaError | None, object], None]) -> None:
        partition = ANY_PARTITION if record.partition is None else record.partition
        while True:
            try:
                self._producer.produce(
                    self._connection.topic(record.topic),
                    record.value,
                    record.key,
                    partition,
                    report,
                    headers=record.headers or None,  # type: ignore[arg-type]  # the stub's list is invariant
                )
                self._producer.poll(0)
                return
            except BufferError:
                self._producer.poll(0.05)


class LagThrottle:
    """Holds a producer back while a group has more than ``most`` records of ``topic`` to read.

    The embedded broker drops what does not fit into 5 MiB per partition: whoever feeds it must not run
    ahead of the reader.
    """

    def __init__(self, connection: Connection, *, group: str, topic: str, most: int) -> None:
        self._connection = connection
        self._most = most
        self._consumer = Consumer({**connection.reader("hitl-lag"), "group.id": connection.prefix + group})
        self._partitions: list[Partition] = partitions_of(self._consumer, connection, topic)

    def lag(self) -> int:
        """Records that the group has not committed yet."""
        asked = [TopicPartition(self._connection.topic(t), p) for t, p in self._partitions]
        committed = {c.partition: c.offset for c in self._consumer.committed(asked, timeout=10)}
        total = 0
        for partition in self._partitions:
            low, high = watermarks(self._consumer, self._connection, partition)
            total += high - max(low, committed[partition[1]])
        return total

    def wait(self, timeout: float = 60.0, step: float = 0.02) -> bool:
        """Until there is room; False when there was none within ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while self.lag() > self._most:
            if time.monotonic() > deadline:
                return False
            time.sleep(step)
        return True

    def close(self) -> None:
        """End the client."""
        self._consumer.close()


def _undelivered(index: int, error: KafkaError) -> Undelivered:
    return Undelivered(index, error.str(), error.code() not in _REFUSING)
