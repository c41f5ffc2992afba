"""A producer at a fixed rate, in its own process: ``python -m bench.paced RATE SECONDS OUT``.

Writes the moment (ns since the epoch) at which each decision was handed to the client to OUT, as raw
64-bit integers, record n at index n. What is due is sent every two milliseconds.
"""

from __future__ import annotations

import os
import sys
import time
from array import array
from pathlib import Path

from confluent_kafka import Producer

from app.settings import load_settings
from app.stream.connection import PARTITIONER
from bench.cluster import produce
from bench.decisions import Templates
from bench.workload import SUBMITTED, Workload

TICK = 0.002  # seconds


def main(rate: float, seconds: float, out: Path) -> None:
    settings = load_settings()
    now = int(os.environ["BENCH_NOW"])
    templates = Templates(Workload.load(settings).codec, occurred_at=now, count=5000)
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka_bootstrap_servers,
            "linger.ms": 0,
            "partitioner": PARTITIONER,  # the worker's: a decision keeps its partition number on all topics
            "acks": "all",
            "enable.idempotence": True,
        }
    )
    topic = settings.topic_prefix + SUBMITTED
    sent = array("q")
    started = time.monotonic()
    total = int(rate * seconds)
    while len(sent) < total:
        due = min(total, int((time.monotonic() - started) * rate))
        while len(sent) < due:
            key, value = templates.record(len(sent))
            moment = time.time_ns()
            produce(producer, topic, key, value, moment // 1_000_000)
            sent.append(moment)
        producer.poll(0)
        time.sleep(TICK)
    if producer.flush(60):
        raise RuntimeError("the broker did not take the load in time")
    partial = out.with_suffix(".part")
    partial.write_bytes(sent.tobytes())
    partial.rename(out)


if __name__ == "__main__":
    main(float(sys.argv[1]), float(sys.argv[2]), Path(sys.argv[3]))
