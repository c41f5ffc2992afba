"""What a worker asks of malloc and of Python's collector, so that its memory stays flat."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable

from mode import Service

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Options of glibc's mallopt(3)."""

TRIM_SECONDS = 30.0  # freed memory waits so long at most; a trim takes a few milliseconds, off the event loop


def tune_allocator() -> None:
    """Give freed memory back. By itself, glibc raises its thresholds to the largest batch ever freed and
    keeps an arena for each thread: under a steady load a worker then grows by tens of MB in ten minutes
    without holding anything (`python -m bench --only soak`). Other C libraries are left alone."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in (
            (_M_ARENA_MAX, 2),
            (_M_TRIM_THRESHOLD, 1 << 20),
            (_M_MMAP_THRESHOLD, 1 << 18),
        ):
            mallopt(option, value)


def tune_garbage_collection() -> None:
    """What was built at start stays: never look at it again; and look rarely at batches, which hold no
    cycles and go as a whole. A sixth less CPU for a decision (`python -m bench`)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 10, 10)


class TrimService(Service):
    """Gives back pages that are free in the middle of the heap, which glibc keeps for ever: one long-lived
    allocation above them is enough."""

    async def on_start(self) -> None:
        """Begin, where the C library has it."""
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            self.add_future(self._run(trim))

    async def _run(self, trim: Callable[[int], int]) -> None:
        while not self.should_stop:
            await self.sleep(TRIM_SECONDS)
            await asyncio.to_thread(trim, 0)
