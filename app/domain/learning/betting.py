"""An upper bound of a mean that holds at every look at once, by betting."""

from __future__ import annotations

import math

import msgspec

STAKES = tuple(1 - 0.9 * 0.8**i for i in range(16))
"""Shares of the wealth that are bet, all at once: from .1 to nearly everything."""


class BettingBound(msgspec.Struct):
    """Upper confidence sequence for the mean of values in [0, 1].

    Against each possible mean m, a bettor who believes that the mean is smaller wins l (m - x) for every
    value x with a stake l in (0, 1]; the wealth is the average over ``STAKES`` of prod(1 + l (m - x)). If m
    is the mean, the wealth is a nonnegative martingale, and by Ville's inequality ever reaches 1/delta with
    probability at most delta. It grows with m, so the bound is the m at which it reaches 1/delta.

    Values may be weighted errors, such as e q_min / q of a decision that was checked with probability q and 0
    of one that was not: their mean is q_min times the error of all decisions. What must stay the same is the
    conditional mean; the counts of the different values are all that is kept.

    I. Waudby-Smith and A. Ramdas, Estimating means of bounded random variables by betting, JRSS-B 86 (2024),
    section 4; J. Ville, Etude critique de la notion de collectif (1939).

    Parameters
    ----------
    counts
        How often each value came.

    Examples
    --------
    >>> checks = BettingBound()
    >>> for i in range(300):
    ...     checks.update(i % 50 == 0)
    >>> round(checks.upper(0.05), 4), round(checks.mean, 2)
    (0.0522, 0.02)
    >>> BettingBound().upper(0.05)
    1.0
    """

    counts: dict[float, int] = msgspec.field(default_factory=dict)

    def update(self, value: float, times: int = 1) -> None:
        """Take a value in [0, 1], ``times`` times. Raises ``ValueError`` for another one."""
        if not 0 <= value <= 1:
            raise ValueError(f"a bound is kept for values in [0, 1], not for {value}")
        self.counts[float(value)] = self.counts.get(float(value), 0) + times

    @property
    def mean(self) -> float:
        """Mean of the values; 0 without any."""
        count = sum(self.counts.values())
        return sum(value * times for value, times in self.counts.items()) / count if count else 0.0

    def wealth(self, mean: float) -> float:
        """Logarithm of the bettor's wealth against ``mean``."""
        each = [
            sum(times * _log1p(stake * (mean - value)) for value, times in self.counts.items())
            for stake in STAKES
        ]
        most = max(each)
        if most == -math.inf:
            return most
        return most + math.log(sum(math.exp(one - most) for one in each) / len(each))

    def upper(self, delta: float) -> float:
        """The bound, with confidence 1 - ``delta``; 1 while nothing can be said."""
        limit = math.log(1 / delta)
        if self.wealth(1.0) < limit:
            return 1.0
        inside, outside = self.mean, 1.0
        for _ in range(60):
            middle = (inside + outside) / 2
            if self.wealth(middle) >= limit:
                outside = middle
            else:
                inside = middle
        return outside


def _log1p(x: float) -> float:
    return math.log1p(x) if x > -1 else -math.inf
