"""The error of a set of decisions of which only some were judged, each with a known chance.

Hájek's estimate in two strata, what people decided and what ran alone in the log: in each, sum(e / pi) /
sum(1 / pi) over the judged ones, with Wilson's interval on Kish's effective number; both together by their
sizes, with the interval by recovering variances (MOVER; Zou and Donner, Stat. Med. 27, 2008). A stratum of
which nothing was judged is anywhere from 0 to 1: then there is no estimate, only bounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

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


def estimate(decisions: Sequence[Judged]) -> Estimate:
    """The share of errors with its 95 % interval; (0, 1) for nothing.

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
    if not decisions:
        return Estimate(value=None, low=0.0, high=1.0, judged=0, effective=0.0)
    value, below, above, effective, judged = 0.0, 0.0, 0.0, 0.0, 0
    unknown = 0.0
    for alone in (False, True):
        part = [each for each in decisions if each.alone is alone]
        share = len(part) / len(decisions)
        known = [each for each in part if each.error is not None and each.chance > 0.0]
        if part and not known:
            unknown += share
        if not known:
            continue
        weights = [1.0 / each.chance for each in known]
        total = math.fsum(weights)
        rate = math.fsum(w for w, each in zip(weights, known, strict=True) if each.error) / total
        size = total * total / math.fsum(w * w for w in weights)
        low, high = wilson(rate, size, Z95)
        value += share * rate
        below += (share * (rate - low)) ** 2
        above += (share * (high - rate)) ** 2
        effective += size
        judged += len(known)
    return Estimate(
        value=None if unknown else value,
        low=max(0.0, value - math.sqrt(below)),
        high=min(1.0, value + math.sqrt(above) + unknown),
        judged=judged,
        effective=round(effective, 1),
    )
