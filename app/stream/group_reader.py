"""A consumer group for effects outside Kafka: a batch counts as read when its effects are stored."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition

from app.errors import HitlError
from app.stream.connection import Connection, incoming
from app.stream.records import Incoming

log = structlog.get_logger("hitl.stream")

RETRY_SECONDS = 2.0
WAIT_SECONDS = 0.25
BATCH = 200


class GroupReader:
    """Reads committed records of ``topics`` (logical names, asked again and again) in a thread of its own,
    at least once.

    ``on_batch`` must have stored what follows from a batch when it returns; if it raises, the batch comes
    again. A group that is new begins with what comes from now on, also when it is stopped before anything
    came: where it began is written down at once.
    """

    def __init__(
        self,
        connection: Connection,
        group: str,
        topics: Callable[[], Sequence[str]],
        on_batch: Callable[[Sequence[Incoming]], None],
    ) -> None:
        self._connection = connection
        self._group = connection.prefix + group
        self._topics = topics
        self._on_batch = on_batch
        self._failure: Exception | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=group, daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns when it has ended."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        config = {"group.id": self._group, "auto.offset.reset": "latest", "enable.partition.eof": False}
        while not self._stopping.is_set():
            consumer = Consumer(self._connection.reader(self._group, **config))
            try:
                self._read(consumer)
            except (HitlError, KafkaException) as error:
                log.warning("read again in a moment", group=self._group, error=str(error))
                self._stopping.wait(RETRY_SECONDS)
            finally:
                consumer.close()

    def _read(self, consumer: Consumer) -> None:
        subscribed: list[str] = []
        while not self._stopping.is_set():
            topics = [self._connection.topic(topic) for topic in self._topics()]
            if topics != subscribed:
                consumer.subscribe(topics, on_assign=self._begin)
                subscribed = topics
            messages = [one for one in consumer.consume(BATCH, WAIT_SECONDS) if one.error() is None]
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if messages:
                self._on_batch([incoming(self._connection, one) for one in messages])
                for one in messages:
                    consumer.store_offsets(one)
                consumer.commit(asynchronous=False)

    def _begin(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Called within ``consume``, which hands on what is raised here as something that no ``except``
        catches: it is kept instead."""
        try:
            _assign(consumer, partitions)
        except Exception as failure:
            self._failure = failure


def _assign(consumer: Consumer, partitions: list[TopicPartition]) -> None:
    """Go on where the group was; where it never was, from the end, and from there after a restart, too."""
    known = consumer.committed(partitions, timeout=10)
    fresh = [partition for partition in known if partition.offset < 0]
    for partition in fresh:
        partition.offset = consumer.get_watermark_offsets(partition, timeout=10)[1]
    if fresh:
        consumer.commit(offsets=fresh, asynchronous=False)
    consumer.assign(known)
