"""What every worker must know: thresholds, calibrations, the policy. Compacted topics, read whole."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from app.stream.connection import Connection, incoming
from app.stream.errors import BrokerUnreachableError
from app.stream.reader import partitions_of, watermarks
from app.stream.records import Incoming, Partition

log = structlog.get_logger("hitl.stream")


class Broadcast:
    """Reader of one compacted topic, in a thread of its own.

    ``start`` returns when everything that was there is known: ``on_event`` has then been called once
    for each key, with its latest record (deleted keys are skipped). Later records follow as they are
    committed, deletions with ``value`` ``None``. ``on_event`` runs in the reader's thread: publish
    what it makes by replacing one reference. If it raises at start, so does ``start``: nobody must
    begin without what the topic says. Later the record is logged and skipped: what was known stays.
    """

    def __init__(self, connection: Connection, topic: str, on_event: Callable[[Incoming], None]) -> None:
        self._connection = connection
        self._topic = topic
        self._on_event = on_event
        self._caught_up = threading.Event()
        self._taken = 0
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"broadcast-{topic}", daemon=True)

    def start(self, timeout: float = 30.0) -> None:
        """Read what is there, however much it is. Raises ``BrokerUnreachableError`` when nothing more comes
        for ``timeout`` seconds or the topic does not exist."""
        self._thread.start()
        taken = 0
        while not self._caught_up.wait(timeout):
            if taken == self._taken:
                self.stop()
                raise BrokerUnreachableError(
                    f"{self._topic} could not be read to its end: nothing more came for {timeout:g} s",
                    hint="is the broker up? A worker must not start without what this topic says",
                )
            taken = self._taken
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """End the thread; returns when it has ended."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        name = f"hitl-broadcast-{uuid.uuid4().hex[:8]}"
        consumer = Consumer(self._connection.reader(name))
        try:
            partitions = partitions_of(consumer, self._connection, self._topic)
            behind = self._ends(partitions)
            topic = self._connection.topic(self._topic)
            consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for _, number in partitions])
            self._follow(consumer, behind)
        except BaseException as failure:
            self._failure = failure
            if self._caught_up.is_set():
                log.exception("a broadcast reader ended; what it said last stays", topic=self._topic)
        finally:
            self._caught_up.set()
            consumer.close()

    def _ends(self, partitions: list[Partition]) -> dict[Partition, int]:
        name = f"hitl-broadcast-ends-{uuid.uuid4().hex[:8]}"
        consumer = Consumer(self._connection.reader(name, **{"isolation.level": "read_uncommitted"}))
        try:
            found = {p: watermarks(consumer, self._connection, p) for p in partitions}
        finally:
            consumer.close()
        return {p: high for p, (low, high) in found.items() if high > low}

    def _follow(self, consumer: Consumer, behind: dict[Partition, int]) -> None:
        latest: dict[bytes | None, Incoming] = {}
        if not behind:
            self._caught_up.set()
        while not self._stopping.is_set():
            for message in consumer.consume(500, 0.1):
                error = message.error()
                if error is None:
                    record = incoming(self._connection, message)
                    offset = record.offset + 1
                    if self._caught_up.is_set():
                        self._tell(record)
                    else:
                        latest.pop(record.key, None)  # order of the latest records, not of the keys
                        latest[record.key] = record
                elif error.code() == KafkaError._PARTITION_EOF:
                    offset = message.offset() or 0
                else:
                    log.debug("broadcast", topic=self._topic, error=error.str())
                    continue
                self._taken += 1
                partition = (self._topic, message.partition() or 0)
                if offset >= behind.get(partition, offset + 1):
                    del behind[partition]
            if not behind and not self._caught_up.is_set():
                for record in latest.values():
                    self._taken += 1
                    if record.value is not None:
                        self._on_event(record)
                latest.clear()
                self._caught_up.set()

    def _tell(self, record: Incoming) -> None:
        try:
            self._on_event(record)
        except Exception:
            log.exception("a broadcast record was skipped; what was known stays", position=record.position)
