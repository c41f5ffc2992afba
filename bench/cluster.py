"""The broker side of a run: topics of its own, a preload with a starting gun, and what came out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec
from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic
from ruamel.yaml import YAML

from app.stream.connection import PARTITIONER
from bench.decisions import Templates
from bench.processes import PROJECT, Watched
from bench.workload import RESOLVED, ROUTED, SCORED, SUBMITTED
from tests.kafka_broker import KafkaBroker

OUTPUTS = (SCORED, ROUTED, RESOLVED)
SAMPLE_EVERY = 199  # records kept whole, to compare what the variants wrote


class BenchBroker(KafkaBroker):
    """The tests' broker, tuned for a run of minutes instead of a quick start: Kafka's usual heap, the
    optimising compiler, and the collector that pauses it least on two cores (8 ms every few seconds; the
    serial one of the tests pauses 20 ms every second, which is then the 99th percentile of everything)."""

    def __init__(self) -> None:
        super().__init__({"transaction.max.timeout.ms": "900000"}, heap_mb=1024)

    def _java(self, jars: Path) -> list[str]:
        quick = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
        java, *flags = (flag for flag in super()._java(jars) if flag not in quick)
        return [java, "-XX:+UseParallelGC", f"-Xms{self._heap_mb}m", *flags]


class Written(msgspec.Struct):
    """What one run left on the output topics, as a read_committed consumer sees it."""

    records: Counter[str]
    ids: int
    """Distinct decision ids on `decisions.routed`."""
    appended: list[int]
    """Broker's append time (ms) of each record of `decisions.routed`, ascending."""
    samples: dict[tuple[str, bytes], bytes]
    """(topic, key) -> value, for every ``SAMPLE_EVERY``-th decision."""

    @property
    def doubled(self) -> int:
        return self.records[ROUTED] - self.ids


class Preload:
    """Records in an open transaction: on the broker, unseen until ``release``. So every
    read_committed worker starts at the same moment, warm and with its partitions."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer

    def release(self) -> float:
        """Commit; returns the moment, in seconds since the epoch."""
        self._producer.commit_transaction(60)
        return time.time()


class Cluster:
    """One Kafka, used by many runs, each with a topic prefix of its own."""

    def __init__(self, bootstrap: str, pools: Iterable[str] = ()) -> None:
        self.bootstrap = bootstrap
        self._pools = list(pools)
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._offsets = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": "bench-offsets", "log_level": 0}
        )

    def create_topics(self, prefix: str) -> None:
        """Every topic of topics.yaml. Output topics get the broker's time: no client can flatter itself."""
        table = YAML(typ="safe").load((PROJECT / "topics.yaml").read_text(encoding="utf-8"))["topics"]
        wanted = []
        for name, row in table.items():
            config = {"message.timestamp.type": "LogAppendTime"} if name in OUTPUTS else {}
            if row.get("cleanup") == "compact":
                config["cleanup.policy"] = "compact"
            names = [f"{name}.{pool}" for pool in self._pools] if row.get("per_pool") else [name]
            wanted += [NewTopic(prefix + each, row["partitions"], 1, config=config) for each in names]
        for future in self._admin.create_topics(wanted).values():
            future.result(60)
        for topic in wanted:  # a new topic's partitions come up one by one
            for partition in self._partitions(topic.topic):
                self._await_leader(partition)

    def close(self) -> None:
        self._offsets.close()

    def delete_topics(self, prefix: str) -> None:
        """Give the disk back before the next run."""
        names = [name for name in self._admin.list_topics(timeout=30).topics if name.startswith(prefix)]
        for future in self._admin.delete_topics(names).values() if names else ():
            future.result(60)

    def preload(self, prefix: str, templates: Templates, count: int, *, timestamp: int) -> Preload:
        """``count`` decisions on `decisions.submitted`, all with the same record timestamp (ms)."""
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "transactional.id": f"{prefix}preload",
                "transaction.timeout.ms": 600_000,
                "linger.ms": 20,
                "partitioner": PARTITIONER,
                "batch.size": 262_144,
                "queue.buffering.max.messages": 1_000_000,
                "log_level": 0,
            }
        )
        producer.init_transactions(60)
        producer.begin_transaction()
        for number in range(count):
            key, value = templates.record(number)
            produce(producer, prefix + SUBMITTED, key, value, timestamp)
        if producer.flush(120):
            raise RuntimeError("the broker did not take the preload in time")
        return Preload(producer)

    def await_workers(
        self,
        prefix: str,
        members: int,
        watched: list[Watched],
        patience: float = 60,
        topic: str = SUBMITTED,
    ) -> None:
        """Until ``members`` consumers share all partitions of this run's ``topic``."""
        deadline = time.monotonic() + patience
        stable_since = None
        while time.monotonic() < deadline:
            for each in watched:
                each.check()
            if self._owners(prefix + topic) == members:
                stable_since = stable_since or time.monotonic()
                if time.monotonic() - stable_since > 1.0:
                    return
            else:
                stable_since = None
            time.sleep(0.2)
        raise RuntimeError(f"{members} workers did not share the partitions within {patience} s")

    def await_offsets(self, topic: str, count: int, watched: list[Watched], patience: float) -> None:
        """Until the topic's end offsets add up to ``count``; asks a few times a second only, since
        reading along would cost the CPU that is being measured."""
        partitions = self._partitions(topic)
        deadline = time.monotonic() + patience
        while sum(self._offsets.get_watermark_offsets(each, timeout=20)[1] for each in partitions) < count:
            for process in watched:
                process.check()
            if time.monotonic() > deadline:
                raise RuntimeError(f"{topic}: less than {count} records after {patience} s")
            time.sleep(0.25)

    def behind(self, prefix: str, group: str, topic: str) -> int:
        """Offsets of a topic that a group has still to read."""
        asker = Consumer({"bootstrap.servers": self.bootstrap, "group.id": prefix + group, "log_level": 0})
        places = asker.committed(self._partitions(prefix + topic), timeout=20)
        ends = [self._offsets.get_watermark_offsets(each, timeout=20)[1] for each in places]
        asker.close()
        return sum(end - max(place.offset, 0) for place, end in zip(places, ends, strict=True))

    def read_back(self, prefix: str, count: int, patience: float = 30) -> Written:
        """Read the output topics until ``count`` decisions are routed and nothing more comes."""
        consumer = self.reader(prefix, OUTPUTS, from_start=True)
        records: Counter[str] = Counter()
        ids: set[bytes] = set()
        appended: list[int] = []
        samples = {}
        last = time.monotonic()
        while time.monotonic() - last < (1.0 if len(ids) >= count else patience):
            for message in consumer.consume(10_000, 0.2):
                topic, key, value = fields(message, prefix)
                last = time.monotonic()
                records[topic] += 1
                if topic == ROUTED:
                    ids.add(key)
                    appended.append(timestamp_of(message))
                if int(key) % SAMPLE_EVERY == 0:
                    samples[topic, key] = value
        consumer.close()
        return Written(records, len(ids), sorted(appended), samples)

    def reader(self, prefix: str, topics: Iterable[str], *, from_start: bool) -> Consumer:
        """A read_committed consumer of all partitions, outside any group."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "bench-reader",
                "log_level": 0,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 10,
                "fetch.queue.backoff.ms": 2,
            }
        )
        start = 0 if from_start else -1  # -1 is the end
        consumer.assign(
            [
                TopicPartition(each.topic, each.partition, start)
                for topic in topics
                for each in self._partitions(prefix + topic)
            ]
        )
        return consumer

    def _partitions(self, topic: str) -> list[TopicPartition]:
        description = self._admin.list_topics(topic, timeout=30).topics[topic]
        return [TopicPartition(topic, number) for number in description.partitions]

    def _await_leader(self, partition: TopicPartition, patience: float = 30) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                self._offsets.get_watermark_offsets(partition, timeout=10)
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
            else:
                return

    def _owners(self, topic: str) -> int:
        """How many members share the topic, 0 unless every partition has an owner."""
        listed = self._admin.list_consumer_groups(request_timeout=20).result()
        names = [group.group_id for group in listed.valid]
        partitions: set[int] = set()
        owners = 0
        for future in self._admin.describe_consumer_groups(names).values() if names else ():
            try:
                group = future.result(20)
            except KafkaException:
                continue
            for member in group.members:
                mine = [p for p in member.assignment.topic_partitions if p.topic == topic]
                partitions.update(each.partition for each in mine)
                owners += bool(mine)
        return owners if len(partitions) == len(self._partitions(topic)) else 0


def produce(producer: Producer, topic: str, key: bytes, value: bytes, timestamp: int) -> None:
    """Hand over a record, waiting where the client's queue is full."""
    while True:
        try:
            producer.produce(topic, value, key, timestamp=timestamp)
        except BufferError:
            producer.poll(0.05)
        else:
            return


def fields(message: Message, prefix: str) -> tuple[str, bytes, bytes]:
    """(logical topic, key, value) of a record, or its error raised."""
    error = message.error()
    if error:
        raise KafkaException(error)
    topic, key, value = message.topic(), message.key(), message.value()
    assert topic is not None and isinstance(key, bytes) and isinstance(value, bytes)
    return topic.removeprefix(prefix), key, value


def timestamp_of(message: Message) -> int:
    kind, timestamp = message.timestamp()
    assert kind != TIMESTAMP_NOT_AVAILABLE
    return timestamp
