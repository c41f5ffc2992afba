"""How a worker's services end."""

from __future__ import annotations

import asyncio
import subprocess
import sys

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


CRASH = """
from mode import Service
from app.stream.errors import FatalStreamError
from app.stream.faust_app import create_app, run

class Fenced(Service):
    async def on_started(self):
        self.add_future(self.crashes())

    async def crashes(self):
        raise FatalStreamError("fenced", hint="a slot of its own")

app = create_app("t")
app.host(Fenced())
try:
    run(app)
except FatalStreamError as error:
    print("ended by", error, "-", error.hint)
"""


def test_what_crashed_a_worker_is_raised_with_its_advice() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CRASH], capture_output=True, text=True, timeout=180, check=False
    )
    assert "ended by fenced - a slot of its own" in done.stdout, done.stderr
