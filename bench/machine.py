"""What the numbers were measured on: a rate without its machine says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import confluent_kafka
import psutil

from bench.processes import PROJECT
from bench.variants import QUIX_VERSION
from tests.kafka_broker import KAFKA_VERSION


def describe() -> dict[str, str]:
    """Facts in the order in which they are printed."""
    external = os.environ.get("HITL_TEST_KAFKA")
    return {
        "Processor": _processor(),
        "Logical cores": str(os.cpu_count()),
        "Two processes": f"do {two_processes():.2f} times the work of one, when each only counts",
        "Memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "System": f"{platform.system()} {platform.release()} {platform.machine()}",
        "Python": sys.version.split()[0],
        "Kafka": "given by HITL_TEST_KAFKA"
        if external
        else f"Apache Kafka {KAFKA_VERSION} (KRaft, one node, same machine, {_java()})",
        "Clients": ", ".join(
            [
                f"confluent-kafka {version('confluent-kafka')}",
                f"librdkafka {confluent_kafka.libversion()[0]}",
                f"faust-streaming {version('faust-streaming')} with aiokafka {version('aiokafka')}",
                f"quixstreams {QUIX_VERSION}",
            ]
        ),
        "Codec": f"fastavro {version('fastavro')}, msgspec {version('msgspec')}, "
        f"cel-expr-python {version('cel-expr-python')}",
        "Commit": _commit(),
    }


_COUNT = "import time; t = time.perf_counter(); sum(range(30_000_000)); print(time.perf_counter() - t)"


def two_processes() -> float:
    """How much more than one process two can do at all on this machine just now: 2 where each has a core of
    its own, 1 where they share one, whatever the system calls them."""

    def seconds(processes: int) -> float:
        command = [sys.executable, "-c", _COUNT]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
        return max(float(process.communicate()[0]) for process in running)

    return 2 * min(seconds(1) for _ in range(3)) / min(seconds(2) for _ in range(3))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _java() -> str:
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    return said.splitlines()[0] if said else "no Java"


def _commit() -> str:
    said = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    return said.stdout.strip() or "unknown"
