"""How much one person takes on before a break: the same work is done worse by somebody who is tired. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

HOUR = 3_600_000
DAY = 24 * HOUR


class FatigueLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Most reviews that a person takes in a pool within any hour and any 24 hours; 0: no limit. ``rest`` (ms)
    is the break that is due when the most of an hour was taken."""

    per_hour: int = 0
    per_day: int = 0
    rest: int = 0

    @property
    def most(self) -> int:
        """How many takes have to be remembered."""
        return max(self.per_hour, self.per_day)


def rests_until(taken: Sequence[int], limits: FatigueLimits) -> int:
    """Until when (ms UTC) a person takes nothing new; 0 or past: not at all.

    ``taken`` are the times at which the person took a review, oldest first. Whoever took ``per_hour`` of
    them within an hour goes on when that hour is over, and not before the break is.

    >>> limits = FatigueLimits(per_hour=2, rest=15 * 60_000)
    >>> rests_until([0, 600_000], limits) == HOUR
    True
    >>> rests_until([0, 3_000_000], limits) == 3_000_000 + 15 * 60_000
    True
    >>> rests_until([0, HOUR], limits)
    0
    """
    until = 0
    if limits.per_hour and len(taken) >= limits.per_hour:
        first, last = taken[-limits.per_hour], taken[-1]
        if last - first < HOUR:
            until = max(first + HOUR, last + limits.rest)
    if limits.per_day and len(taken) >= limits.per_day:
        until = max(until, taken[-limits.per_day] + DAY)
    return until
