"""The demo's own small installation: broker, store and one worker in this process, in simulated time."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition
from msgspec.structs import replace

from app.composition.parts import QueueParts, connection_of, open_codec, open_queue, sealer
from app.composition.worker import Worker
from app.demo.collector import DemoStalledError
from app.demo.shift import SimulatedClock
from app.demo.submissions import Submission
from app.domain.events import ObservedOutcome
from app.policy.compiled import CompiledPolicy
from app.review_queue.embedded import EmbeddedStore
from app.review_queue.outbox import OutboxRecord, OutboxRelay, Seal
from app.review_queue.queue import ReviewQueue
from app.settings import PROJECT, Settings
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.embedded_broker import EmbeddedBroker
from app.stream.producer import Publisher
from app.stream.records import Outgoing
from app.stream.topics import Topic, TopicTable
from app.telemetry.logs import configure_logs

POLICY = PROJECT / "policies" / "mortgage.yaml"
START_WITHIN = 30.0
STOP_WITHIN = 15.0

SOURCES: tuple[tuple[str, Topic], ...] = (
    ("hitl-decide", Topic.DECISIONS_SUBMITTED),
    ("hitl-review-request", Topic.DECISIONS_ROUTED),
    ("hitl-outcome", Topic.REVIEWS_OUTCOMES),
    ("hitl-outcome", Topic.OUTCOMES_OBSERVED),
    ("hitl-drift", Topic.LEARNING_CASES),
)
"""Consumer groups of the worker and what they read, in the order of the flow."""


def demo_settings(settings: Settings, seed: int) -> Settings:
    """The demo never touches a real installation: own addresses, own secret (from the seed, so that the
    draws repeat), no prefix, no registry."""
    return replace(
        settings,
        kafka_bootstrap_servers=None,
        kafka_config={},
        redis_url=None,
        policy_path=POLICY,
        secret=hashlib.blake2b(f"demo {seed}".encode()).digest(),
        schema_registry_url=None,
        topic_prefix="",
        worker_slot="demo",
        metrics_port=None,
    )


class EmbeddedWorker:
    """A whole worker in a thread of its own, for as long as the ``with`` block lasts."""

    def __init__(self, settings: Settings, policy: CompiledPolicy, clock: SimulatedClock) -> None:
        self._settings, self._policy, self._clock = settings, policy, clock
        self._up = threading.Event()
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._worker: Worker | None = None
        self._thread = threading.Thread(target=self._run, name="demo-worker", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._up.wait(START_WITHIN)
        self.raise_if_failed()
        if self._worker is None:
            raise DemoStalledError(f"the worker did not start within {START_WITHIN:g} s")
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join(STOP_WITHIN)

    @property
    def worker(self) -> Worker:
        """The running worker."""
        if self._worker is None:
            raise DemoStalledError("the worker is not running")
        return self._worker

    def raise_if_failed(self) -> None:
        """Raise what ended the worker, if anything did."""
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._live())
        except BaseException as failure:
            self._failure = failure
        finally:
            self._up.set()

    async def _live(self) -> None:
        # Answers are relayed, and leases looked at, in simulated time: not by the worker.
        worker = Worker(self._settings, self._policy, embedded=True, clock=self._clock, upkeep=False)
        try:
            worker.prepare()
            app: Any = worker.app  # Faust's types say less than they should
            await app.start()
            self._worker = worker
            self._up.set()
            while not self._stop.is_set() and not app.should_stop:
                await asyncio.sleep(0.05)
            crash = app.crash_reason
            await app.stop()
            if crash is not None:
                raise crash
        finally:
            worker.close()


class Relay:
    """Brings answers from the queue's outboxes to Kafka when the demo says so: pool after pool, so that
    the order of the answers depends on simulated time alone."""

    def __init__(
        self,
        parts: QueueParts,
        codec: Codec,
        pools: Sequence[str],
        connection: Connection,
        clock: SimulatedClock,
        seal: Seal,
    ) -> None:
        self._publisher = Publisher(connection, client_id="demo-relay")
        self._relay = OutboxRelay(
            parts.client, parts.keys, pools, codec, self._publish, name="demo", clock=clock, seal=seal
        )

    def __call__(self) -> None:
        """Relay everything that is there."""
        while self._relay.run_once():
            pass

    def close(self) -> None:
        """End the client."""
        self._publisher.close()

    def _publish(self, records: Sequence[OutboxRecord]) -> None:
        failed = self._publisher.send([Outgoing(r.topic, r.key, r.value, r.headers) for r in records])
        if failed:
            raise DemoStalledError(f"the embedded broker refused an answer: {failed[0].reason}")


class Feed:
    """Produces submissions and observations at their simulated times, one day as one batch."""

    def __init__(self, connection: Connection, codec: Codec) -> None:
        self._codec = codec
        # One request for a day: the worker then sees the day whole, whatever the threads do.
        settings = {"linger.ms": 50, "batch.num.messages": 10_000, "batch.size": 4_000_000}
        self._producer = Producer(connection.client("demo-feed", settings))
        self._failed: list[str] = []
        self.submitted = 0

    def submit(self, submissions: Sequence[Submission]) -> None:
        """Send and wait until the broker has them."""
        values = [
            one.value if isinstance(one.value, bytes) else self._codec.encode(one.value)
            for one in submissions
        ]
        for one, value in zip(submissions, values, strict=True):
            self._produce(Topic.DECISIONS_SUBMITTED, one.key, value, one.at)
        self._flush()
        self.submitted += len(submissions)

    def observe(self, outcomes: Sequence[ObservedOutcome]) -> None:
        """Send observed outcomes and wait until the broker has them."""
        for outcome in outcomes:
            value = self._codec.encode(outcome)
            self._produce(Topic.OUTCOMES_OBSERVED, outcome.decision_id, value, outcome.observed_at)
        self._flush()

    def _produce(self, topic: Topic, key: str, value: bytes, at: int) -> None:
        self._producer.produce(topic, value, key.encode(), on_delivery=self._delivered, timestamp=at)

    def _delivered(self, error: object, _message: object) -> None:
        if error is not None:
            self._failed.append(str(error))

    def _flush(self) -> None:
        left = self._producer.flush(20)
        if left or self._failed:
            raise DemoStalledError(
                f"the embedded broker did not take {left or len(self._failed)} records: {self._failed[:1]}"
            )


class Committed:
    """How far the worker's sources have committed what they read."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._consumers = {
            group: Consumer(
                {**connection.reader("hitl-demo-committed"), "group.id": connection.prefix + group}
            )
            for group, _ in SOURCES
        }

    def __call__(self, group: str, topic: str) -> int:
        """The committed offset of a topic's only partition; 0 before the first."""
        asked = TopicPartition(self._connection.topic(topic), 0)
        (found,) = self._consumers[group].committed([asked], timeout=10)
        return max(0, found.offset)

    def close(self) -> None:
        """End the clients."""
        for consumer in self._consumers.values():
            consumer.close()


class Installation(msgspec.Struct, frozen=True):
    """Everything that runs, put together."""

    worker: EmbeddedWorker
    connection: Connection
    codec: Codec
    queue: ReviewQueue
    relay: Relay
    feed: Feed
    committed: Committed

    def behind(self, end: Callable[[str], int]) -> str | None:
        """The first topic whose reader has not finished with what is in it, ``None`` if all have.
        ``end`` gives the offset after a topic's last record."""
        self.worker.raise_if_failed()
        for group, topic in SOURCES:
            last = self.feed.submitted if topic == Topic.DECISIONS_SUBMITTED else end(topic)
            if self.committed(group, topic) < last:
                return str(topic)
        return None


@contextlib.contextmanager
def addresses(settings: Settings, policy: CompiledPolicy, scratch: Path) -> Iterator[Settings]:
    """Embedded store and broker; the settings with their addresses."""
    topics = list(TopicTable.load().named(policy.pool_names))
    # One partition each: whoever repeats a seed meets the records in the same order.
    with EmbeddedStore(scratch / "store") as store, EmbeddedBroker(topics, partitions=1) as broker:
        yield replace(settings, kafka_bootstrap_servers=broker.bootstrap_servers, redis_url=store.url)


@contextlib.contextmanager
def installation(settings: Settings, policy: CompiledPolicy, clock: SimulatedClock) -> Iterator[Installation]:
    """A running worker and the demo's hands on it; everything is stopped at the end."""
    configure_logs(logging.CRITICAL)
    connection = connection_of(settings, embedded=True)
    codec = open_codec(settings)
    parts = open_queue(settings, policy, clock)
    relay = Relay(parts, codec, policy.pool_names, connection, clock, sealer(settings))
    # An answer in simulated time need not wait for the disk.
    queue = ReviewQueue(
        parts.client, parts.keys, policy.pool_names, terms=parts.terms, clock=clock, durability=0
    )
    committed = Committed(connection)
    try:
        with EmbeddedWorker(settings, policy, clock) as worker:
            yield Installation(worker, connection, codec, queue, relay, Feed(connection, codec), committed)
    finally:
        committed.close()
        relay.close()
        parts.client.close()
