"""The ceiling: consume, the same rules, produce. No transaction, no agents, nothing to fall back on.

A crash loses what was consumed but not delivered, or writes it twice. That is what the guarantees of
the worker are paid against.
"""

from __future__ import annotations

import gc
import signal

from confluent_kafka import Consumer, KafkaException, Producer

from app.settings import load_settings
from app.stream.records import Incoming
from bench.workload import SUBMITTED, Workload


def main() -> None:
    settings = load_settings()
    prefix = settings.topic_prefix
    handle_batch = Workload.load(settings).handle_batch
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "group.id": f"{prefix}bare",
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
            "isolation.level": "read_committed",
            "partition.assignment.strategy": "roundrobin",
            "fetch.wait.max.ms": 10,
            "fetch.queue.backoff.ms": 2,
        }
    )
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers, "linger.ms": 5})
    consumer.subscribe([prefix + SUBMITTED])
    # Nothing that was loaded so far becomes garbage, and batches are freed by their reference counts.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    running = True

    def stop(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    while running:
        message = consumer.poll(0.1)
        if message is None:
            continue
        batch = [message, *consumer.consume(2000, 0)]
        for each in batch:
            if each.error():
                raise KafkaException(each.error())
        records = [
            Incoming(SUBMITTED, 0, 0, each.key(), each.value(), each.headers() or [], each.timestamp()[1])
            for each in batch
        ]
        for key, written in handle_batch(records):
            while True:
                try:
                    producer.produce(prefix + written.topic, written.value, key, headers=written.headers)
                    break
                except BufferError:
                    producer.poll(0.05)
        for each in batch:
            consumer.store_offsets(each)
        producer.poll(0)
    producer.flush(10)
    consumer.close()


if __name__ == "__main__":
    main()
