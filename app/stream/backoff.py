"""How long to wait before the next attempt at something that failed."""

from __future__ import annotations

from collections.abc import Callable

import msgspec


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """How an outage is waited out: delays double from ``first`` to ``longest`` seconds, each drawn
    uniformly from the upper half; after ``quick`` attempts the source pauses and says so."""

    first: float = 0.1
    longest: float = 10.0
    quick: int = 3

    def delay(self, attempt: int, draw: Callable[[], float]) -> float:
        """Seconds before attempt ``attempt + 1``; ``draw`` gives numbers in [0, 1).

        >>> [Backoff().delay(n, lambda: 0.0) for n in (1, 2, 3, 20)]
        [0.05, 0.1, 0.2, 5.0]
        """
        whole = min(self.longest, self.first * 2.0 ** min(attempt - 1, 30))
        return whole / 2 + whole / 2 * draw()
