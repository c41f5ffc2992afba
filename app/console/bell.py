"""Waking everybody who waits on this loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable


class Bell:
    """Those who wait look again each time it rings. There is no lock, on purpose: an ``asyncio.Condition``,
    waited for under a time limit, is lost to all when one of them is cancelled at the wrong moment, as
    listeners are that go away."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake those who wait now. On the loop's thread."""
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()

    async def until(self, condition: Callable[[], bool], timeout: float) -> None:
        """Return once ``condition`` holds, or after ``timeout`` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                while not condition():
                    await self._rung.wait()
