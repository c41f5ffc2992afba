"""A source may rest after a batch that was not full, so that more records share the next transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from app.stream.batch import Batch
from app.stream.faust_app import create_app
from app.stream.records import Incoming, Output
from app.stream.work import answer
from tests.unit.stream.clients import EndingClient, run_until_ended, source_with

REST, MOST = 0.25, 4


class Client(EndingClient):
    """Batches of given sizes, 0 for none; then it asks to stop."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self._sizes = list(sizes)

    def next_batch(self) -> Batch | None:
        if not self._sizes:
            self.end()
            return None
        records = [Incoming("in", 0, n, b"k", b"v", [], 0) for n in range(self._sizes.pop(0))]
        return Batch(records, {}, {}, group=None, assignment=0) if records else None


async def rests(sizes: Sequence[int], rest: float) -> list[float]:
    """How long a source rested between batches of these sizes."""
    client, app = Client(sizes), create_app("t")
    channel = app.work_channel()

    @app.agent(channel, name="drift")
    async def drift(stream: Any) -> None:
        async for work in stream:
            await answer(work, lambda _records: Output(), stage="drift")

    source = source_with(client, channel, "drift", max_batch=MOST, rest=rest)
    rested: list[float] = []

    async def sleep(seconds: float) -> None:
        rested.append(seconds)
        await asyncio.sleep(0)

    app.host_source(source)
    source.sleep = sleep  # type: ignore[assignment]
    source._watch = client.ended.wait  # type: ignore[assignment] # it sleeps, too
    await run_until_ended(app, client)
    return rested


async def test_it_rests_after_a_batch_that_was_not_full() -> None:
    assert await rests([1, MOST, 0, 3, 0, 0], REST) == [REST, REST]


async def test_nobody_rests_unasked() -> None:
    assert await rests([1, MOST, 0, 3], 0.0) == []
