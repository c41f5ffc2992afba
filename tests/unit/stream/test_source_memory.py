"""A batch that is committed is gone: while a source waits for the next one, nothing of it is in memory."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

from app.stream.batch import Batch
from app.stream.faust_app import create_app
from app.stream.records import Incoming, Outgoing, Output
from app.stream.work import answer, hand_on
from tests.unit.stream.clients import WillingClient, source_with


class Read(Incoming, frozen=True, gc=True, weakref=True):
    """A record whose end can be seen."""


class Written(Outgoing, frozen=True, gc=True, weakref=True):
    """As above."""


class Client(WillingClient):
    """Hands out so many batches, then lets the source wait; everything is committed."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self._left = batches
        self.alive: list[weakref.ref[Any]] = []
        self.waited_for = threading.Event()
        self.ending = threading.Event()

    def next_batch(self) -> Batch | None:
        if not self._left:
            self.waited_for.set()
            self.ending.wait(180)
            return None
        self._left -= 1
        records: list[Incoming] = [Read("in", 0, offset, b"k", b"v", [], 0) for offset in range(3)]
        self.note(records)
        return Batch(records, {("in", 0): 0}, {("in", 0): 3}, group=None, assignment=0)

    def note(self, records: Sequence[object]) -> None:
        self.alive += [weakref.ref(record) for record in records]


async def test_nothing_of_a_committed_batch_stays_in_memory() -> None:
    client, app = Client(batches=3), create_app("t")
    first, second = app.work_channel(), app.work_channel()

    def score(records: list[Incoming]) -> tuple[Output, list[Outgoing]]:
        return Output(), list(made(records))

    def made(records: list[Incoming]) -> Iterator[Outgoing]:
        for record in records:
            written = Written("out", b"k", record.value, [])
            client.note([written])
            yield written

    @app.agent(first, name="scoring")
    async def scoring(stream: Any) -> None:
        async for work in stream:
            await hand_on(work, score, second, stage="scoring")

    @app.agent(second, name="routing")
    async def routing(stream: Any) -> None:
        async for work in stream:
            await answer(work, Output, stage="routing")

    source = source_with(client, first)
    app.host_source(source)
    await app.start()
    try:
        async with asyncio.timeout(180):
            while not client.waited_for.is_set():
                await asyncio.sleep(0.01)
            while any(record() is not None for record in client.alive):
                await asyncio.sleep(0.01)
    finally:
        alive = [record() for record in client.alive]
        client.ending.set()
        await app.stop()
    assert len(alive) == 3 * 2 * 3
    assert alive == [None] * len(alive)
