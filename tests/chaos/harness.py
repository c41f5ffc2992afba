"""Worker processes to torment, and what feeds and reads them. Reusable at any scale."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from app.stream.connection import Connection
from app.stream.producer import Publisher
from app.stream.reader import LogReader
from app.stream.records import Incoming, Outgoing

ROOT = Path(__file__).resolve().parent.parent.parent


class Worker:
    """One ``tests.chaos.worker`` process. Its output goes to ``log``."""

    def __init__(self, directory: Path, **options: Any) -> None:
        slot = options.setdefault("slot", "0")
        self.diary = directory / f"diary-{slot}"
        self.flag = directory / f"in-transaction-{slot}"
        self.log = directory / f"log-{slot}"
        self._options = {**options, "diary": str(self.diary), "flag": str(self.flag)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Worker:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-m", "tests.chaos.worker", json.dumps(self._options)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        return self

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL and gone."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)

    def dump(self) -> str:
        """End it with the stacks of its threads in its log; returns the log."""
        if self.running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGABRT)
            self.wait(10)
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait(self, timeout: float = 30) -> int:
        """Exit code."""
        assert self._process is not None
        return self._process.wait(timeout)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def said(self) -> list[str]:
        """Lines of its diary: committed, aborted, paused, resumed, dead."""
        return self.diary.read_text(encoding="utf-8").splitlines() if self.diary.exists() else []


def until(condition: Callable[[], bool], what: str, timeout: float = 120.0) -> None:
    """Poll with a deadline."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.02)


def submit(connection: Connection, ids: list[str], value: bytes = b"v", partition: int | None = None) -> None:
    """Feed topic ``in``, keys are ids."""
    publisher = Publisher(connection, client_id="chaos-submit")
    failed = publisher.send([Outgoing("in", i.encode(), value, [], partition) for i in ids])
    publisher.close()
    assert not failed, failed[:3]


def read(connection: Connection, topic: str = "out") -> Iterator[Incoming]:
    """All committed records of a topic."""
    return LogReader(connection).read_all([topic])


def count(connection: Connection, topic: str = "out") -> int:
    return sum(1 for _ in read(connection, topic))
