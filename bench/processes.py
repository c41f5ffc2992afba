"""The measured programs as processes: started with a log, watched from outside, ended by their id."""

from __future__ import annotations

import bisect
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

PROJECT = Path(__file__).resolve().parent.parent
INTERVAL = 0.1  # seconds between samples

Sample = tuple[float, float, int]
"""(seconds since the epoch, CPU seconds so far, resident bytes)"""


class Meter:
    """CPU seconds and resident memory of a process and its children, sampled from outside: every
    variant is measured alike and helps with nothing. Memory that they share counts once."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._samples: list[Sample] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @property
    def samples(self) -> list[Sample]:
        """Oldest first."""
        return list(self._samples)

    @property
    def peak_memory(self) -> int:
        """Bytes, the most that was resident at any sample."""
        return max((memory for _, _, memory in self._samples), default=0)

    def cpu_between(self, start: float, end: float) -> float:
        """CPU seconds used between two moments (seconds since the epoch), interpolated."""
        return interpolate(self._samples, end) - interpolate(self._samples, start)

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(2)

    def _watch(self) -> None:
        tree, beside, looked = [self._root], 0, 0.0
        while not self._ended.is_set():
            now = time.time()
            try:
                if now - looked > 1.0:
                    tree, looked = [self._root, *self._root.children(recursive=True)], now
                    beside = _beside_the_largest(tree)
                cpu, largest = 0.0, 0
                for each in tree:
                    with each.oneshot():
                        times = each.cpu_times()
                        cpu += times.user + times.system
                        largest = max(largest, each.memory_info().rss)
            except psutil.NoSuchProcess:
                if not self._root.is_running():
                    return
                looked = 0.0
            else:
                self._samples.append((now, cpu, largest + beside))
            self._ended.wait(INTERVAL)


class Watched:
    """A program that was started for a measurement; it runs where its log is, for peers that leave files."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:
        self.command = list(command)
        self._log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command, cwd=log.parent, stdout=output, stderr=output, env={**os.environ, **env}
            )
        self.meter = Meter(self.process.pid)

    def check(self) -> None:
        """Raise if the program has ended by itself: nothing it was to do will happen any more."""
        code = self.process.poll()
        if code is not None:
            lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:]
            raise RuntimeError(f"{' '.join(self.command)} ended with {code}:\n" + "\n".join(lines))

    def kill(self) -> None:
        """SIGKILL, as a crash does."""
        self.process.kill()
        self.process.wait(10)
        self.meter.stop()

    def kill_worker(self) -> None:
        """SIGKILL for the worker below `hitl worker`, whose supervisor starts the next one."""
        [worker] = psutil.Process(self.process.pid).children()
        worker.kill()

    def stop(self, patience: float = 10.0) -> None:
        """SIGTERM, then SIGKILL after ``patience`` seconds."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.meter.stop()


def _beside_the_largest(tree: Sequence[psutil.Process]) -> int:
    """Bytes that the others have to themselves: what they share with it is in its own."""
    largest = max(tree, key=lambda each: each.memory_info().rss)
    return sum(each.memory_full_info().uss for each in tree if each is not largest)


def interpolate(samples: Sequence[Sample], at: float) -> float:
    """CPU seconds at a moment, linear between the samples around it.

    >>> interpolate([(0.0, 1.0, 0), (2.0, 2.0, 0)], 0.5)
    1.25
    """
    if not samples:
        return 0.0
    after = bisect.bisect_left(samples, at, key=lambda sample: sample[0])
    if after == 0:
        return samples[0][1]
    if after == len(samples):
        return samples[-1][1]
    (t0, c0, _), (t1, c1, _) = samples[after - 1], samples[after]
    return c0 + (c1 - c0) * (at - t0) / (t1 - t0)


def python_module(module: str, *arguments: str) -> list[str]:
    """Command line of one of our own modules, in this interpreter."""
    return [sys.executable, "-m", module, *arguments]
