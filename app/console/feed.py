"""Changes of the queues, for pages and programs that watch them.

A pool's revision is how many reviews came and the last id of its outbox, the stream to which every step
of every review is added. One look a second at the revisions, in one round trip whatever happened, tells
all listeners of this process which pools changed - not what: whoever hears it asks, and then gets what
they may see.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool

from app.console.bell import Bell
from app.console.lua import ConsoleScript
from app.console.terms import Pace
from app.errors import HitlError
from app.review_queue.keys import Keys
from app.review_queue.store import Client, reachable, run_all

log = logging.getLogger("hitl.console")
Revisions = Mapping[str, str]


class Revision:
    """Reads the revision of pools."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._script = ConsoleScript("revision")

    def of(self, pools: tuple[str, ...]) -> dict[str, str]:
        """The revision of each pool: another one after each arrival and each step."""
        calls: list[tuple[str, list[Any]]] = [(self._keys.pool(pool), []) for pool in pools]
        with reachable:
            found = run_all(self._client, self._script, calls)
        return {pool: revision.decode() for pool, revision in zip(pools, found, strict=True)}


class Feed:
    """Looks at the revisions while anybody listens."""

    def __init__(self, revision: Revision, pace: Pace) -> None:
        self._revision = revision
        self._pace = pace
        self._pools: tuple[str, ...] = ()
        self._known: dict[str, str] = {}
        self._changed = Bell()
        self._listeners = 0
        self._task: asyncio.Task[None] | None = None
        self.closing = asyncio.Event()

    async def changes(self, pools: tuple[str, ...], tick: float) -> AsyncIterator[Revisions]:
        """The revisions of these pools, then those that changed, or nothing after ``tick`` seconds
        without a change. Ends when the process does."""
        self._listeners += 1
        told: dict[str, str] = {}
        try:
            self._begin(pools)
            while not self.closing.is_set():
                await self._wait(pools, told, tick)
                new = {pool: at for pool, at in self._known.items() if pool in pools and told.get(pool) != at}
                told |= new
                yield new
        finally:
            self._listeners -= 1

    async def close(self) -> None:
        """Let every listener go."""
        self.closing.set()
        self._changed.ring()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _wait(self, pools: tuple[str, ...], told: Revisions, tick: float) -> None:
        def news() -> bool:
            return self.closing.is_set() or any(
                at != told.get(pool) for pool, at in self._known.items() if pool in pools
            )

        await self._changed.until(news, tick)

    def _begin(self, pools: tuple[str, ...]) -> None:
        self._pools = tuple(dict.fromkeys((*self._pools, *pools)))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while self._listeners and not self.closing.is_set():
            try:
                found = await run_in_threadpool(self._revision.of, self._pools)
            except HitlError as error:  # an outage: listeners wait, as everybody does
                log.warning("the queues can not be watched: %s", error)
            else:
                if found != self._known:
                    self._known = found
                    self._changed.ring()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), self._pace.look / 1000)
