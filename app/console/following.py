"""Decisions that somebody waits for: looked at together, a few times a second, however many wait."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Sequence

from starlette.concurrency import run_in_threadpool

from app.console.bell import Bell
from app.domain.progress import Progress
from app.errors import HitlError

log = logging.getLogger("hitl.console")
Look = Callable[[Sequence[str]], list[Progress]]


class Watch:
    """Looks at the decisions while anybody waits, every ``pause`` seconds. An outage is waited out, as
    everybody does. ``closing`` lets everybody go."""

    def __init__(self, look: Look, pause: float, closing: asyncio.Event) -> None:
        self._look = look
        self._pause = pause
        self._closing = closing
        self._waiting: Counter[str] = Counter()
        self._known: dict[str, Progress] = {}
        self._looked = Bell()
        self._task: asyncio.Task[None] | None = None

    @property
    def closing(self) -> bool:
        """Whether the process is about to end."""
        return self._closing.is_set()

    async def change(self, seen: Progress, timeout: float, *, final: bool = False) -> Progress:
        """What a decision has become since it was ``seen`` (with ``final``: once nothing follows any more),
        or as it was last after ``timeout`` seconds, or when the process ends."""
        name = seen.decision_id

        def over() -> bool:
            now = self._known.get(name, seen)
            return self._closing.is_set() or (now.final if final else now != seen)

        self._waiting[name] += 1
        self._known[name] = seen  # the caller has just looked
        try:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._run())
            await self._looked.until(over, timeout)
            return self._known.get(name, seen)
        finally:
            self._waiting[name] -= 1
            if not self._waiting[name]:
                del self._waiting[name]
                self._known.pop(name, None)

    async def _run(self) -> None:
        while self._waiting and not self._closing.is_set():
            try:
                found = await run_in_threadpool(self._look, list(self._waiting))
            except HitlError as error:
                log.warning("nobody can see how decisions go on: %s", error)
            else:
                self._tell(found)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._pause)
        if self._waiting:
            self._tell(())

    def _tell(self, found: Sequence[Progress]) -> None:
        self._known |= {one.decision_id: one for one in found if one.decision_id in self._waiting}
        self._looked.ring()
