"""How a worker's services end."""

from __future__ import annotations

import asyncio

from mode import Service

from app.stream.faust_app import create_app


class Hosted(Service):
    """Notes when it ends; a source ends when the other one is about to."""

    def __init__(self, name: str, ended: list[str], together: asyncio.Barrier | None = None) -> None:
        super().__init__()
        self._name = name
        self._ended = ended
        self._together = together

    async def on_stop(self) -> None:
        if self._together is not None:
            await self._together.wait()
        self._ended.append(self._name)


async def test_sources_stop_side_by_side_and_before_anything_else() -> None:
    app, ended, together = create_app("t"), list[str](), asyncio.Barrier(2)
    app.host(Hosted("counts", ended))
    for _ in "ab":
        app.host_source(Hosted("source", ended, together))
    app.host(Hosted("upkeep", ended))
    await app.start()
    async with asyncio.timeout(180):
        await app.stop()
    assert ended == ["source", "source", "upkeep", "counts"]


async def test_a_source_that_does_not_stop_well_keeps_nothing_else_from_it() -> None:
    class Failing(Service):
        async def on_stop(self) -> None:
            raise RuntimeError("the broker is away")

    app, ended = create_app("t"), list[str]()
    app.host(Hosted("counts", ended))
    app.host_source(Failing())
    await app.start()
    async with asyncio.timeout(180):
        await app.stop()
    assert ended == ["counts"]
