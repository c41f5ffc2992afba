"""Several topics from some time on, and then as they come, for whoever keeps a picture of them."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from app.errors import HitlError
from app.stream.connection import Connection, incoming
from app.stream.errors import TransientError
from app.stream.reader import partitions_of, watermarks
from app.stream.records import Incoming, Partition

log = structlog.get_logger("hitl.stream")

RETRY_SECONDS = 2.0
IDLE_SECONDS = 0.25


class Follower:
    """Reads committed records of ``topics`` (logical names) in a thread of its own, outside any group.

    ``on_record`` gets each record once, in order within a partition; what it raises is logged and the
    record skipped, but for ``TransientError``: then it is given again after a pause. ``on_idle`` is called
    about four times a second and whenever a batch is done. A broker that is away is waited for: ``start``
    returns at once, ``caught_up`` tells whether everything that was there at the start has been read.
    """

    def __init__(
        self,
        connection: Connection,
        topics: Iterable[str],
        on_record: Callable[[Incoming], None],
        on_idle: Callable[[], None],
        *,
        since: int = 0,
        from_end: bool = False,
    ) -> None:
        """``since`` (ms) leaves out older records; ``from_end`` everything that was there at the start."""
        self._connection = connection
        self._topics = list(topics)
        self._on_record = on_record
        self._on_idle = on_idle
        self._since = since
        self._from_end = from_end
        self._stopping = threading.Event()
        self._caught_up = threading.Event()
        self._next: dict[Partition, int] = {}
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    @property
    def caught_up(self) -> bool:
        """Whether everything that was there at the start has been read."""
        return self._caught_up.is_set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self, timeout: float) -> bool:
        """Until it has caught up; False when that takes longer than ``timeout`` seconds."""
        return self._caught_up.wait(timeout)

    def stop(self) -> None:
        """End the thread; returns when it has ended."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        said = False
        while not self._stopping.is_set():
            consumer = Consumer(self._connection.reader(f"hitl-follower-{uuid.uuid4().hex[:8]}"))
            try:
                self._follow(consumer)
            except (HitlError, KafkaException) as error:
                if not said:
                    log.warning("what the topics say is read as soon as they can be", error=str(error))
                    said = True
                self._stopping.wait(RETRY_SECONDS)
            finally:
                consumer.close()

    def _follow(self, consumer: Consumer) -> None:
        behind = self._begin(consumer)
        while not self._stopping.is_set():
            for message in consumer.consume(500, IDLE_SECONDS):
                error = message.error()
                partition = (self._connection.logical(str(message.topic())), message.partition() or 0)
                if error is None:
                    record = incoming(self._connection, message)
                    self._tell(record)
                    self._next[partition] = reached = record.offset + 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    reached = message.offset() or 0
                else:
                    log.debug("follower", error=error.str())
                    continue
                if reached >= behind.get(partition, reached + 1):
                    del behind[partition]
            if not behind:
                self._caught_up.set()
            self._on_idle()

    def _begin(self, consumer: Consumer) -> dict[Partition, int]:
        """Assign every partition where it was left, else from ``since`` on; the ends to catch up with."""
        partitions = [p for topic in self._topics for p in partitions_of(consumer, self._connection, topic)]
        marks = {p: watermarks(consumer, self._connection, p) for p in partitions}
        starts = {p: self._next.get(p, low) for p, (low, _) in marks.items()}
        fresh = [p for p in partitions if p not in self._next and marks[p][1] > marks[p][0]]
        if self._since and fresh and not self._connection.embedded:  # that one can not search by time
            asked = [self._at(p, self._since) for p in fresh]
            for p, found in zip(fresh, consumer.offsets_for_times(asked, timeout=10), strict=True):
                starts[p] = found.offset if found.offset >= 0 else marks[p][1]
        if self._from_end:
            starts |= {p: marks[p][1] for p in fresh}
            self._next = dict(starts)  # after an outage it goes on there
        consumer.assign([self._at(p, start) for p, start in starts.items()])
        return {p: high for p, (_, high) in marks.items() if high > starts[p]}

    def _tell(self, record: Incoming) -> None:
        try:
            self._on_record(record)
        except TransientError:  # an outage, of keys above all: the reader begins again with this record
            raise
        except Exception:
            log.exception("a record was skipped", position=record.position)

    def _at(self, partition: Partition, offset: int) -> TopicPartition:
        return TopicPartition(self._connection.topic(partition[0]), partition[1], offset)
