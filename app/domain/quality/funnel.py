"""Who overrides more or less than the cases explain: the funnel plot of observed over expected overrides.

For each reviewer O observed overrides face E = sum p expected ones over the very same cases, with p the
rate of the case's type and confidence band over everybody. z = (O - E) / sqrt(sum p(1 - p)). People differ
by more than chance even when nothing is wrong; the overdispersion phi = mean z² (over winsorised z)
says by how much, and widens the limits: |z| > 3 sqrt(max(phi, 1)) is flagged.

D. J. Spiegelhalter, Funnel plots for comparing institutional performance, Statistics in Medicine 24
(2005), sections 2.2 and 3.2 (winsorised overdispersion).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from app.domain.learning.override_rates import Expectation
from app.domain.quality.figures import Funnel, FunnelPoint

LIMIT = 3.0
FEWEST = 10
"""Answers that a dot needs before it says something about how much people differ."""
_WINSORISED = 0.10


def funnel(reviewers: Mapping[str, Expectation], *, limit: float = LIMIT, fewest: int = FEWEST) -> Funnel:
    """The funnel plot of a group, reviewers in the order of their names.

    ``limit`` is in standard errors. A reviewer with fewer than ``fewest`` answers has a dot, is never
    flagged and does not count for the dispersion.

    Examples
    --------
    >>> def reviewer(overrides, cases, p):
    ...     group = Expectation()
    ...     for i in range(cases):
    ...         group.add(i < overrides, p, 1.0)
    ...     return group
    >>> plot = funnel({"ann": reviewer(21, 100, 0.2), "bob": reviewer(2, 100, 0.2),
    ...                "cat": reviewer(18, 100, 0.2), "dan": reviewer(1, 5, 0.2)})
    >>> [(dot.reviewer, round(dot.z, 2), dot.flagged) for dot in plot.points]
    [('ann', 0.25, False), ('bob', -4.5, True), ('cat', -0.5, False), ('dan', 0.0, False)]
    >>> bob = plot.points[1]
    >>> round(plot.dispersion, 2), plot.limit, round(bob.ratio, 2), round(bob.lower, 2), round(bob.upper, 2)
    (0.25, 3.0, 0.1, 0.4, 1.6)
    """
    phi = dispersion([group.z() for group in reviewers.values() if group.count >= fewest])
    widened = limit * math.sqrt(max(phi, 1.0))
    return Funnel(
        points=tuple(_point(name, reviewers[name], widened, fewest) for name in sorted(reviewers)),
        dispersion=phi,
        limit=widened,
    )


def dispersion(scores: Sequence[float], winsorised: float = _WINSORISED) -> float:
    """phi = mean of z² after the most extreme tenth at each end (one at the least) was pulled in.

    Pulling in keeps the very outliers that are looked for from hiding themselves. 1 for fewer than three
    reviewers: how much people differ can not be told from two.

    Examples
    --------
    >>> round(dispersion([-1.0, 0.5, 1.2, -0.3, 0.1, 0.9, -1.1, 0.2, -0.6, 8.0]), 2)
    0.64
    """
    if len(scores) < 3:
        return 1.0
    ordered = sorted(scores)
    cut = max(1, math.floor(winsorised * len(ordered)))
    low, high = ordered[cut], ordered[-1 - cut]
    return sum(min(max(z, low), high) ** 2 for z in ordered) / len(ordered)


def _point(name: str, group: Expectation, limit: float, fewest: int) -> FunnelPoint:
    spread = limit * math.sqrt(group.variance) / group.expected if group.expected > 0 else math.inf
    z = group.z()
    return FunnelPoint(
        reviewer=name,
        answers=group.count,
        observed=group.observed,
        expected=group.expected,
        ratio=group.observed / group.expected if group.expected > 0 else None,
        z=z,
        lower=max(0.0, 1.0 - spread),
        upper=1.0 + spread if spread < math.inf else 0.0,
        flagged=group.count >= fewest and abs(z) > limit,
    )
