"""A worker process for chaos tests: copies topic ``in`` to ``out`` through two chained agents.

Run as ``python -m tests.chaos.worker '{"bootstrap": ...}'``; a test kills, stops and continues it.
Values that start with ``bug`` make the second agent raise; while the file ``outage`` exists the first
one raises TransientError. ``hold`` seconds pass inside each open transaction, between producing and
committing, so that kills hit there; ``{flag}.open`` exists meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import app as project
from app.stream.backoff import Backoff
from app.stream.connection import Connection
from app.stream.dead_letters import DeadLetters
from app.stream.errors import TransientError
from app.stream.faust_app import create_app, run
from app.stream.records import Incoming, Outgoing, Output
from app.stream.source import TransactionalSource
from app.stream.work import answer, hand_on


def main(options: dict[str, Any]) -> None:
    logging.basicConfig(level=logging.INFO)
    connection = Connection(bootstrap_servers=options["bootstrap"], prefix=options["prefix"])
    app = create_app("chaos")
    first, second = app.work_channel(), app.work_channel()
    outage = Path(options.get("outage", "/nonexistent"))

    def copy(records: list[Incoming]) -> tuple[Output, list[Incoming]]:
        if outage.exists():
            raise TransientError("the store is away")
        return Output(), records

    async def publish(records: list[Incoming]) -> Output:
        await asyncio.sleep(options.get("think", 0))
        if any((r.value or b"").startswith(b"bug") for r in records):
            raise ValueError("a record our code can not take")
        return Output([Outgoing("out", r.key or b"", r.value, r.headers) for r in records])

    @app.agent(first)
    async def copying(stream: Any) -> None:
        async for work in stream:
            await hand_on(work, copy, second, stage="copying")

    @app.agent(second)
    async def publishing(stream: Any) -> None:
        async for work in stream:
            await answer(work, publish, stage="publishing")

    source = TransactionalSource(
        connection,
        app="chaos",
        name="copy",
        slot=options["slot"],
        topics=["in"],
        channel=first,
        dead_letters=DeadLetters(lambda: time.time_ns() // 1_000_000, project.__version__),
        backoff=Backoff(longest=0.5),
        max_batch=options.get("max_batch", 200),
        session_timeout_ms=options.get("session_timeout_ms", 6000),
        patience_seconds=options.get("patience", 20.0),
        drain_seconds=options.get("drain", 5.0),
        observer=_Diary(Path(options["diary"])) if "diary" in options else None,
    )
    if options.get("hold"):
        _hold_transactions_open(source, options["hold"], Path(options["flag"]))
    app.host(source)
    source.fence()
    run(app)


def _hold_transactions_open(source: TransactionalSource, seconds: float, flag: Path) -> None:
    client = source.client
    opened = client.open

    def open_and_wrap() -> None:
        opened()
        client._producer = _Holding(client._producer, seconds, flag)  # type: ignore[assignment]

    client.open = open_and_wrap  # type: ignore[method-assign]


class _Holding:
    """A producer that lingers between the offsets and the commit of each transaction."""

    def __init__(self, producer: Any, seconds: float, flag: Path) -> None:
        self._producer, self._seconds, self._flag = producer, seconds, flag

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    def commit_transaction(self, timeout: float) -> None:
        self._producer.flush(5)
        self._flag.touch()
        time.sleep(self._seconds)
        self._producer.commit_transaction(timeout)
        self._flag.unlink(missing_ok=True)


class _Diary:
    """An observer that writes what it hears, one line each, for the test to read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _write(self, *words: object) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            print(*words, file=file)

    def batch_committed(self, records: int, seconds: float, events: Sequence[object]) -> None:
        self._write("committed", records)

    def batch_begun(self, topics: Collection[str]) -> None:
        pass

    def batch_ended(self) -> None:
        pass

    def batch_aborted(self, reason: str) -> None:
        self._write("aborted", reason)

    def paused(self, reason: str) -> None:
        self._write("paused", reason)

    def resumed(self) -> None:
        self._write("resumed")

    def dead_letter(self, stage: str, reason: str) -> None:
        self._write("dead", stage, reason)

    def behind(self, lag: Mapping[str, tuple[int, float]]) -> None:
        pass


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
