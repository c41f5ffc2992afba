"""Load at a fixed rate, and when each decision came out: what latency, recovery and soak share."""

from __future__ import annotations

import threading
import time
from array import array
from pathlib import Path

import msgspec

from bench.bed import Bed
from bench.cluster import Cluster, fields
from bench.processes import Watched, python_module
from bench.variants import environment
from bench.workload import ROUTED


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """One record of `decisions.routed` as a read_committed consumer got it."""

    number: int
    partition: int
    at: int
    """ns since the epoch"""


class Tail:
    """Reads `decisions.routed` from its end in a thread, read_committed, and notes each arrival."""

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self._prefix = prefix
        self._consumer = cluster.reader(prefix, [ROUTED], from_start=True)
        self.arrivals: list[Arrival] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def await_ids(self, count: int, patience: float) -> None:
        """Until ``count`` distinct decisions came out, or nothing came for ``patience`` seconds."""
        seen, last = len(self.arrivals), time.monotonic()
        while len({arrival.number for arrival in list(self.arrivals)}) < count:
            time.sleep(0.5)
            if len(self.arrivals) > seen:
                seen, last = len(self.arrivals), time.monotonic()
            elif time.monotonic() - last > patience:
                return

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(5)
        self._consumer.close()

    def _read(self) -> None:
        while not self._ended.is_set():
            first = self._consumer.poll(0.1)
            if first is None:
                continue
            # poll, then take what is there: consume(n, timeout) alone would wait for n
            batch = [first, *self._consumer.consume(2000, 0)]
            now = time.time_ns()
            for message in batch:
                if message.error() is not None:
                    continue  # the client's own news of a connection; it reads on
                _, key, _ = fields(message, self._prefix)
                self.arrivals.append(Arrival(int(key), message.partition() or 0, now))


class Load:
    """The paced producer as its own process."""

    def __init__(self, bed: Bed, prefix: str, rate: float, seconds: float) -> None:
        self.count = int(rate * seconds)
        self._out: Path = bed.logs / f"{prefix}sent"
        env = environment(bed.cluster.bootstrap, prefix, bed.redis_url, bed.policy)
        self.process = Watched(
            python_module("bench.paced", str(rate), str(seconds), str(self._out)),
            {**env, "BENCH_NOW": str(bed.now)},
            bed.logs / f"{prefix}load.log",
        )

    def sent(self, patience: float) -> array[int]:
        """Wait for its end; the moment (ns) each decision was handed over, by number."""
        code = self.process.process.wait(patience)
        self.process.meter.stop()
        if code:
            self.process.check()
        moments: array[int] = array("q")
        moments.frombytes(self._out.read_bytes())
        return moments
