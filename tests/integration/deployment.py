"""A deployment on real services: topics of its own, worker processes that can be killed, and a watcher."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from app.composition.parts import QueueParts, load_compiled_policy, open_queue
from app.domain.events import DecisionSubmitted, Record
from app.settings import load_settings
from app.stream.codec import Codec
from app.stream.connection import PARTITIONER, Connection, incoming
from app.stream.records import Headers, Incoming
from app.stream.schemas import Schemas
from app.stream.topics import Topic, TopicTable
from tests.processes import PATIENCE, ROOT, Process, environment, until
from tests.unit.agents import parts

CODEC = Codec(Schemas.load())
LEADERLESS = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)
NOW = time.time_ns() // 1_000_000
"""One moment for the whole run: records with fixed times, but none so old that a broker drops them."""


def a_decision(name: str, probability: float | None = 0.97, **changes: Any) -> DecisionSubmitted:
    """One of today that the AI may decide alone, unless something is changed."""
    return parts.decision(name, probability, **{"occurred_at": NOW - 1000, **changes})


class Watch:
    """Every committed record of a deployment's topics, as they come."""

    def __init__(self, connection: Connection, topics: Iterable[str]) -> None:
        self._connection = connection
        self._consumer = Consumer(
            connection.reader("watch", **{"enable.partition.eof": False, "queued.min.messages": 100_000})
        )
        found = self._consumer.list_topics(timeout=120).topics
        self._parts = {
            topic: [TopicPartition(name, number, 0) for number in found[name].partitions]
            for topic, name in ((topic, connection.topic(topic)) for topic in topics)
        }
        self._consumer.assign([part for parts in self._parts.values() for part in parts])
        self._admin = AdminClient({"bootstrap.servers": connection.bootstrap_servers})
        self.records: dict[str, list[Incoming]] = {topic: [] for topic in topics}

    def __getitem__(self, topic: str) -> list[Incoming]:
        """Everything that was committed until now, and not just what this machine found time to fetch."""
        self._catch_up(topic)
        return self.records[topic]

    def wait(self, topic: str, count: int, timeout: float = PATIENCE) -> list[Incoming]:
        """At least so many records of a topic."""

        def came() -> bool:
            self._pump()
            return len(self.records[topic]) >= count

        try:
            until(came, f"{count} records of {topic}", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}; there are {len(self.records[topic])}") from None
        return self.records[topic]

    def ends(self, topic: str) -> dict[int, int]:
        """For each partition that has records: the offset after the last one. The log's own end may be
        further, behind the marker of a transaction, where no reader's offset ever gets."""
        self._catch_up(topic)
        return {record.partition: record.offset + 1 for record in self.records[topic]}

    def close(self) -> None:
        self._consumer.close()

    def _catch_up(self, topic: str) -> None:
        """Read to where the log ends now, also behind a transaction that is open or about to be visible."""
        parts, highs = self._parts[topic], dict[int, int]()  # no high where everything was deleted

        def told() -> bool:
            try:
                ends = [self._offsets(parts, of) for of in (OffsetSpec.earliest(), OffsetSpec.latest())]
            except KafkaException as error:  # a partition made a moment ago has no leader yet
                if error.args[0].code() not in LEADERLESS:
                    raise
                return False
            highs.update({n: high if ends[0][n] < high else 0 for n, high in ends[1].items()})
            return True

        until(told, f"where {topic} ends")

        def at_the_end() -> bool:
            self._pump()
            return all(
                p.offset >= highs[p.partition] for p in self._consumer.position(parts) if highs[p.partition]
            )

        until(at_the_end, f"the end of {topic}")

    def _offsets(self, parts: list[TopicPartition], of: OffsetSpec) -> dict[int, int]:
        asked = self._admin.list_offsets(
            dict.fromkeys(parts, of), isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=120
        )
        return {part.partition: asked[part].result(PATIENCE).offset for part in parts}

    def _pump(self) -> None:
        while messages := self._consumer.consume(5000, 0.05):
            for message in messages:
                assert message.error() is None, message.error()
                record = incoming(self._connection, message)
                self.records[record.topic].append(record)


class Deployment:
    """Topics under a prefix, a store, workers. ``policy`` is the policy file of every process."""

    def __init__(self, kafka: str, redis_url: str, prefix: str, directory: Path, policy: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.env = environment(kafka, redis_url, prefix, HITL_POLICY=str(policy))
        self.settings = load_settings(self.env)
        self.policy = load_compiled_policy(self.settings)
        self.connection = Connection(bootstrap_servers=kafka, prefix=prefix)
        self._workers: list[Process] = []
        self._watch: Watch | None = None
        self._parts: QueueParts | None = None

    # --- processes ------------------------------------------------------------------------------------

    def apply_topics(self) -> None:
        """As ``hitl topics apply --replication-factor 1``, without the process."""
        admin = AdminClient({"bootstrap.servers": self.settings.kafka_bootstrap_servers})
        TopicTable.load().apply(
            admin, self.policy.pool_names, self.connection.prefix, replication_factor=1, timeout=180.0
        )

    def led(self) -> bool:
        """Whether every partition has a leader that answers: on a busy machine that takes its time."""
        consumer = Consumer(self.connection.reader("led"))
        try:
            found = consumer.list_topics(timeout=120).topics
            for name in found:
                if name.startswith(self.connection.prefix):
                    for number in found[name].partitions:
                        consumer.get_watermark_offsets(TopicPartition(name, number), timeout=60)
        except KafkaException:
            return False
        finally:
            consumer.close()
        return True

    def hitl(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """The command line, as a process."""
        return subprocess.run(
            [sys.executable, "-m", "app", *arguments],
            cwd=ROOT,
            env={**self.env, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def worker(self, agents: str = "", slot: str = "0", *, module: str = "app", **env: str) -> Process:
        """Start one; all are killed at the end. ``module`` may be one that breaks something on purpose."""
        command = [sys.executable, "-m", module, "worker", "--slot", slot]
        command += ["--agents", agents] if agents else []
        log = self.directory / f"worker-{len(self._workers)}.log"
        self._workers.append(Process(command, {**self.env, **env}, log).start())
        return self._workers[-1]

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
            print(f"--- {worker.log.name}\n{worker.log.read_text(errors='replace')[-4000:]}")
        if self._watch is not None:
            self._watch.close()
        if self._parts is not None:
            self._parts.client.close()

    # --- records --------------------------------------------------------------------------------------

    @property
    def watch(self) -> Watch:
        if self._watch is None:
            table = TopicTable.load().named(self.policy.pool_names)
            self._watch = Watch(self.connection, [str(name) for name in table])
        return self._watch

    @property
    def queue(self) -> QueueParts:
        """The queue as a reviewer's tool opens it."""
        if self._parts is None:
            self._parts = open_queue(self.settings, self.policy)
        return self._parts

    def write(self, topic: str, records: Iterable[Given]) -> None:
        """Write records as they are given, in order."""
        failed: list[Any] = []
        producer = Producer(
            {
                "bootstrap.servers": self.settings.kafka_bootstrap_servers or "",
                "partitioner": PARTITIONER,
                "linger.ms": 5,
                "message.max.bytes": 8_000_000,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        for given in records:
            producer.produce(
                self.connection.topic(topic),
                given.value,
                given.key,
                -1 if given.partition is None else given.partition,
                on_delivery=lambda error, _: failed.append(error) if error else None,
                timestamp=given.timestamp,
                headers=given.headers or None,  # type: ignore[arg-type]
            )
        assert producer.flush(180) == 0
        assert not failed, failed[:3]

    def caught_up(self, group: str, topic: str, timeout: float = PATIENCE) -> None:
        """Wait until a consumer group has committed everything that is in a topic now."""
        ends = self.watch.ends(topic)
        consumer = Consumer({**self.connection.reader("lag"), "group.id": self.connection.topic(group)})
        try:
            until(
                lambda: all(
                    found.offset >= ends[found.partition]
                    for found in consumer.committed(
                        [TopicPartition(self.connection.topic(topic), number) for number in ends], timeout=60
                    )
                ),
                f"{group} has read all of {topic}",
                timeout,
            )
        finally:
            consumer.close()

    def members(self, group: str) -> int:
        """How many members of a consumer group have partitions; none while it is not there."""
        name = self.connection.topic(group)
        admin = AdminClient({"bootstrap.servers": self.settings.kafka_bootstrap_servers})
        try:
            found = admin.describe_consumer_groups([name])[name].result()
        except KafkaException:
            return 0
        return sum(bool(member.assignment.topic_partitions) for member in found.members)

    def submit(self, *events: Record, at: int = 0) -> None:
        """Decisions, keyed by their ids."""
        self.write(
            Topic.DECISIONS_SUBMITTED,
            [Given(CODEC.encode(e), e.decision_id.encode(), timestamp=at) for e in events],  # type: ignore[attr-defined]
        )


class Given:
    """A record to write. ``timestamp`` 0: now."""

    def __init__(
        self,
        value: bytes | None,
        key: bytes | None = None,
        *,
        partition: int | None = None,
        timestamp: int = 0,
        headers: Headers | None = None,
    ) -> None:
        self.value = value
        self.key = key
        self.partition = partition
        self.timestamp = timestamp
        self.headers = headers or []


def by_key(records: Iterable[Incoming]) -> dict[str, Incoming]:
    """Records by key; each key must stand once."""
    found: dict[str, Incoming] = {}
    for record in records:
        key = (record.key or b"").decode(errors="replace")
        assert key not in found, f"{key} stands twice: {found[key].position}, {record.position}"
        found[key] = record
    return found


def header(record: Incoming, name: str) -> str | None:
    """A header as text."""
    return next((value.decode(errors="replace") for key, value in record.headers if key == name), None)


def letters(records: Iterable[Incoming]) -> list[Incoming]:
    """Dead letters, without the marks that close them."""
    return [record for record in records if header(record, "dlq_reason") is not None]
