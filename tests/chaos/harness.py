"""Worker processes to torment, and what feeds and reads them. Reusable at any scale."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.stream.connection import Connection
from app.stream.producer import Publisher
from app.stream.reader import LogReader
from app.stream.records import Incoming, Outgoing
from tests.processes import Process


class Worker(Process):
    """One ``tests.chaos.worker`` process."""

    def __init__(self, directory: Path, **options: Any) -> None:
        slot = options.setdefault("slot", "0")
        self.diary = directory / f"diary-{slot}"
        self.flag = directory / f"in-transaction-{slot}"
        told = json.dumps({**options, "diary": str(self.diary), "flag": str(self.flag)})
        super().__init__(
            [sys.executable, "-X", "faulthandler", "-m", "tests.chaos.worker", told],
            {**os.environ, "PYTHONUNBUFFERED": "1"},
            directory / f"log-{slot}",
        )

    def dump(self) -> str:
        """End it with the stacks of its threads in its log; returns the log."""
        if self.running:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGABRT)
            self.wait()
        return self.log.read_text(encoding="utf-8", errors="replace")

    def said(self) -> list[str]:
        """Lines of its diary: committed, aborted, paused, resumed, dead."""
        return self.diary.read_text(encoding="utf-8").splitlines() if self.diary.exists() else []


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
