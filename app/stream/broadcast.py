"""What every worker must know: thresholds, calibrations, the policy. Compacted topics, read whole."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence

import structlog
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from mode import Service

from app.stream.connection import Connection, incoming
from app.stream.errors import BrokerUnreachableError, FatalStreamError
from app.stream.reader import partitions_of, watermarks
from app.stream.records import Incoming, Partition

log = structlog.get_logger("hitl.stream")

RETRY_SECONDS = 2.0
DEAF_SECONDS = 60.0
"""So long a process acts on what it last heard, where a topic can not be read though the broker answers."""

_AWAY = frozenset({KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE})
"""Errors of an outage: the client waits for its end by itself, and nothing is decided meanwhile."""


class Broadcast:
    """Reader of one compacted topic, in a thread of its own.

    ``start`` returns when everything that was there is known: ``on_event`` has then been called once
    for each key, with its latest record (deleted keys are skipped). Later records follow as they are
    committed, deletions with ``value`` ``None``. ``on_event`` runs in the reader's thread: publish
    what it makes by replacing one reference. If it raises at start, so does ``start``: nobody must
    begin without what the topic says. Later the record is logged and skipped: what was known stays.

    A topic that can not be read any more (a right was taken away, it was deleted) is tried again, read whole;
    ``deaf_for`` says for how long.
    """

    def __init__(self, connection: Connection, topic: str, on_event: Callable[[Incoming], None]) -> None:
        self._connection = connection
        self.topic = topic
        self._on_event = on_event
        self._caught_up = threading.Event()
        self._taken = 0
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._deaf_since: float | None = None
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
                    f"{self.topic} could not be read to its end: nothing more came for {timeout:g} s",
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

    def deaf_for(self) -> float:
        """From any thread: seconds since the topic could not be read any more; 0 while it can."""
        since = self._deaf_since
        return 0.0 if since is None else time.monotonic() - since

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except BaseException as failure:
                if not self._caught_up.is_set():  # whoever starts hears of it
                    self._failure = failure
                    self._caught_up.set()
                    return
                if self._deaf_since is None:
                    self._deaf_since = time.monotonic()
                    log.warning(
                        "not heard any more; what was said last stays", topic=self.topic, why=str(failure)
                    )
                self._stopping.wait(RETRY_SECONDS)

    def _listen(self) -> None:
        name = f"hitl-broadcast-{uuid.uuid4().hex[:8]}"
        consumer = Consumer(self._connection.reader(name))
        try:
            partitions = partitions_of(consumer, self._connection, self.topic)
            behind = self._ends(partitions)
            topic = self._connection.topic(self.topic)
            consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for _, number in partitions])
            self._follow(consumer, behind)
        finally:
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
        caught_up = False
        while not self._stopping.is_set():
            if not behind and not caught_up:
                self._tell_all(latest)
                caught_up = True
            for message in consumer.consume(500, 0.1):
                error = message.error()
                if error is None:
                    record = incoming(self._connection, message)
                    offset = record.offset + 1
                    if caught_up:
                        self._tell(record)
                    else:
                        latest.pop(record.key, None)  # order of the latest records, not of the keys
                        latest[record.key] = record
                elif error.code() == KafkaError._PARTITION_EOF:
                    offset = message.offset() or 0
                elif error.code() in _AWAY or not self._caught_up.is_set():
                    log.debug("broadcast", topic=self.topic, error=error.str())
                    continue
                else:
                    raise KafkaException(error)
                self._taken += 1
                partition = (self.topic, message.partition() or 0)
                if offset >= behind.get(partition, offset + 1):
                    del behind[partition]

    def _tell_all(self, latest: dict[bytes | None, Incoming]) -> None:
        """What is there, at the start; after a time of not hearing all of it anew, and what was deleted."""
        if self._caught_up.is_set():
            for record in latest.values():
                self._tell(record)
            log.warning("heard again", topic=self.topic)
            self._deaf_since = None
        else:
            for record in latest.values():
                self._taken += 1
                if record.value is not None:
                    self._on_event(record)
            self._caught_up.set()
        latest.clear()

    def _tell(self, record: Incoming) -> None:
        try:
            self._on_event(record)
        except Exception:
            log.exception("a broadcast record was skipped; what was known stays", position=record.position)


def unheard(broadcasts: Sequence[Broadcast]) -> str:
    """A topic that could not be read for too long; empty while all are heard."""
    return next((each.topic for each in broadcasts if each.deaf_for() > DEAF_SECONDS), "")


class Hearing(Service):
    """Ends a worker that does not hear any more what all workers must know: a tightened threshold, a policy,
    a suspended rule. Another process starts only once it can read them."""

    def __init__(self, broadcasts: Sequence[Broadcast]) -> None:
        super().__init__()
        self._broadcasts = broadcasts

    async def on_start(self) -> None:
        """Begin to look."""
        self.add_future(self._watch())

    async def _watch(self) -> None:
        while not self.should_stop:
            await self.sleep(1.0)
            topic = unheard(self._broadcasts)
            if topic:
                raise FatalStreamError(
                    f"{topic} could not be read for {DEAF_SECONDS:g} s, and what it said before"
                    " may not be true any more",
                    hint="does the topic exist, and may this worker read it? See: hitl doctor",
                )
