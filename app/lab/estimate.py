"""The error of a set of decisions of which only some were judged, each with a known chance.

Hájek's estimate in two strata, what people decided and what ran alone in the log: in each, sum(e / pi) /
sum(1 / pi) over the judged ones, with Wilson's interval on Kish's effective number; both together by their
sizes, with the interval by recovering variances (MOVER; Zou and Donner, Stat. Med. 27, 2008). A stratum of
which nothing was judged is anywhere from 0 to 1: then there is no estimate, only bounds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from app.domain.learning.proportions import wilson

Z95 = 1.959964


class Judged(msgspec.Struct, frozen=True, gc=False):
    """A decision of the set. ``error`` is ``None`` where it was not judged; ``chance`` is that of being."""

    alone: bool
    """It ran without a person in the log."""
    error: bool | None
    chance: float


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an error rate. ``value`` is ``None`` where a part was never judged."""

    value: float | None
    low: float
    high: float
    judged: int
    effective: float
    """Number of independent judgements that would say as much."""


class Estimator:
    """Sums over decisions that come one by one; asked as often as one likes."""

    def __init__(self) -> None:
        self._reviewed, self._alone = _Stratum(), _Stratum()

    def add(self, decision: Judged) -> None:
        """Count one."""
        stratum = self._alone if decision.alone else self._reviewed
        stratum.decisions += 1
        if decision.error is None or decision.chance <= 0.0:
            return
        weight = 1.0 / decision.chance
        stratum.judged += 1
        stratum.weights += weight
        stratum.squares += weight * weight
        stratum.wrong += weight * decision.error

    def estimate(self) -> Estimate:
        """The share of errors with its 95 % interval; (0, 1) for nothing."""
        decisions = self._reviewed.decisions + self._alone.decisions
        if not decisions:
            return Estimate(value=None, low=0.0, high=1.0, judged=0, effective=0.0)
        value, below, above, effective, judged = 0.0, 0.0, 0.0, 0.0, 0
        unknown = 0.0
        for stratum in (self._reviewed, self._alone):
            share = stratum.decisions / decisions
            if not stratum.judged:
                unknown += share
                continue
            rate = stratum.wrong / stratum.weights
            size = stratum.weights**2 / stratum.squares
            low, high = wilson(rate, size, Z95)
            value += share * rate
            below += (share * (rate - low)) ** 2
            above += (share * (high - rate)) ** 2
            effective += size
            judged += stratum.judged
        return Estimate(
            value=None if unknown else value,
            low=max(0.0, value - math.sqrt(below)),
            high=min(1.0, value + math.sqrt(above) + unknown),
            judged=judged,
            effective=round(effective, 1),
        )


def estimate(decisions: Iterable[Judged]) -> Estimate:
    """All at once.

    Examples
    --------
    >>> reviewed = [Judged(False, i % 10 == 0, 1.0) for i in range(100)]
    >>> checked = [Judged(True, i % 25 == 0 if i % 4 == 0 else None, 0.25) for i in range(300)]
    >>> both = estimate(reviewed + checked)
    >>> round(both.value, 4), round(both.low, 4), round(both.high, 4), both.judged
    (0.055, 0.0323, 0.1115, 175)
    >>> nobody_looked = estimate(reviewed + [Judged(True, None, 0.0)] * 300)
    >>> nobody_looked.value, round(nobody_looked.low, 3), round(nobody_looked.high, 3)
    (None, 0.014, 0.794)
    """
    sums = Estimator()
    for each in decisions:
        sums.add(each)
    return sums.estimate()


class _Stratum(msgspec.Struct):
    decisions: int = 0
    judged: int = 0
    weights: float = 0.0
    squares: float = 0.0
    wrong: float = 0.0
