"""Everything that the topics say, as it comes: for the live counts, the wait for calm, and the report."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from app.demo.log import Dead, Log
from app.domain.events import (
    CalibrationUpdated,
    DecisionResolved,
    DecisionRouted,
    Feedback,
    LearningLabel,
    ObservedOutcome,
    PatternDetected,
    ReviewDecided,
    ReviewLifecycle,
    ReviewRequested,
    ThresholdUpdated,
)
from app.errors import HitlError
from app.stream.codec import Codec
from app.stream.connection import Connection, incoming
from app.stream.reader import partitions_of, watermarks
from app.stream.records import Incoming, Partition
from app.stream.topics import Topic, pool_topic

UNDECODED = frozenset({Topic.DECISIONS_SUBMITTED, Topic.DECISIONS_SCORED, Topic.LEARNING_STATE})
"""Topics whose content is elsewhere in the story."""


class LostRecordsError(HitlError):
    """The embedded broker dropped records before they were read."""


class Collector:
    """Reads every topic from its beginning in a thread of its own. Read ``log`` when it is calm."""

    def __init__(self, connection: Connection, codec: Codec, pools: tuple[str, ...]) -> None:
        self._connection = connection
        self._codec = codec
        self._pools = pools
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._partitions: list[Partition] = []
        self._next: dict[Partition, int] = {}
        self._read_to: dict[Partition, int] = {}
        self._ends = Consumer(connection.reader("hitl-demo-ends"))
        self._found: dict[type[Any], list[Any]] = {
            kind: []
            for kind in (
                DecisionRouted, DecisionResolved, ReviewRequested, ReviewDecided, ReviewLifecycle,
                ObservedOutcome, LearningLabel, ThresholdUpdated, CalibrationUpdated, PatternDetected, Dead,
            )
        }  # fmt: skip
        self._feedback: list[tuple[str, Feedback]] = []
        self._thread = threading.Thread(target=self._run, name="demo-collector", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(10)
        self._ends.close()

    def count(self, kind: type[Any]) -> int:
        """Records of one type so far."""
        return len(self._found[kind])

    def events(self, kind: type[Any]) -> list[Any]:
        """Records of one type so far, in the order in which they were read."""
        return list(self._found[kind])

    def caught_up(self) -> bool:
        """Whether everything written before this call has been read. Raises what ended the thread."""
        if self._failure is not None:
            raise self._failure
        return bool(self._partitions) and all(
            self._read_to.get(partition, 0) >= watermarks(self._ends, self._connection, partition)[1]
            for partition in self._partitions
        )

    def end(self, topic: str) -> int:
        """The offset after the last record of a topic's only partition, markers left out."""
        return self._next.get((topic, 0), 0)

    @property
    def log(self) -> Log:
        """What was read so far."""
        found = self._found
        return Log(
            routed=list(found[DecisionRouted]),
            resolved=list(found[DecisionResolved]),
            requested=list(found[ReviewRequested]),
            decided=list(found[ReviewDecided]),
            lifecycle=list(found[ReviewLifecycle]),
            observed=list(found[ObservedOutcome]),
            labels=list(found[LearningLabel]),
            feedback=list(self._feedback),
            thresholds=list(found[ThresholdUpdated]),
            patterns=list(found[PatternDetected]),
            dead=list(found[Dead]),
        )

    def _topics(self) -> list[str]:
        single = [topic for topic in Topic if topic not in UNDECODED and topic != Topic.REVIEWS_REQUESTED]
        return [*single, *(pool_topic(pool) for pool in self._pools)]

    def _run(self) -> None:
        consumer = Consumer(self._connection.reader("hitl-demo-collector"))
        try:
            found = [p for topic in self._topics() for p in partitions_of(consumer, self._connection, topic)]
            consumer.assign(
                [TopicPartition(self._connection.topic(t), number, OFFSET_BEGINNING) for t, number in found]
            )
            self._partitions = found
            while not self._stopping.is_set():
                for message in consumer.consume(500, 0.05):
                    error = message.error()
                    if error is None:
                        self._take(incoming(self._connection, message))
                    elif error.code() == KafkaError._PARTITION_EOF:
                        at = (self._connection.logical(str(message.topic())), message.partition() or 0)
                        # Behind the last record may be transaction markers: only this event tells.
                        self._read_to[at] = max(self._read_to.get(at, 0), message.offset() or 0)
                    else:
                        time.sleep(0.01)
        except BaseException as failure:
            self._failure = failure
        finally:
            consumer.close()

    def _take(self, record: Incoming) -> None:
        partition = (record.topic, record.partition)
        expected = self._next.get(partition, 0)
        # A gap is a transaction's marker, unless the broker's first offset has moved past it.
        if record.offset > expected and watermarks(self._ends, self._connection, partition)[0] > expected:
            raise LostRecordsError(
                f"{record.topic}[{record.partition}]: {record.offset - expected} records were dropped at"
                f" offset {expected}; the embedded broker keeps 5 MiB",
                hint="run with fewer --decisions, or use a real broker with `hitl worker`",
            )
        if record.topic == Topic.DEADLETTER:
            self._found[Dead].append(_dead(record))
        elif record.topic not in (Topic.POLICY_ACTIVATED,):
            self._keep(record)
        self._next[partition] = self._read_to[partition] = record.offset + 1

    def _keep(self, record: Incoming) -> None:
        event = self._codec.decode(record.value)
        if isinstance(event, Feedback):
            self._feedback.append((record.topic, event))
        elif type(event) in self._found:
            self._found[type(event)].append(event)


def _dead(record: Incoming) -> Dead:
    headers = {name: value.decode("utf-8", "replace") for name, value in record.headers}
    return Dead(
        key=(record.key or b"").decode("utf-8", "replace"),
        stage=headers.get("dlq_stage", ""),
        reason=headers.get("dlq_reason", ""),
        message=headers.get("dlq_message", ""),
    )


def wait_until(
    done: Callable[[], bool], *, what: str, state: Callable[[], Mapping[str, object]], timeout: float
) -> None:
    """Until ``done``; raises ``DemoStalledError`` with ``state`` after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    pause = 0.002
    while not done():
        if time.monotonic() > deadline:
            facts = ", ".join(f"{name} {value}" for name, value in state().items())
            raise DemoStalledError(
                f"waited {timeout:g} s for {what}: {facts}",
                hint="run it again; if it stays, `hitl demo --decisions 200` and report what it says",
            )
        time.sleep(pause)
        pause = min(0.05, pause * 1.5)


class DemoStalledError(HitlError):
    """Something that should have happened did not."""
