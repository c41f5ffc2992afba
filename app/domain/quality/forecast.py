"""How many decisions of a type will come in each hour: the mean of the same hour of the week, lately.

Weekly patterns dominate office work; a mean over the same hour of the last weeks is hard to beat for
planning some days ahead, and easy to check by hand. R. J. Hyndman and G. Athanasopoulos, Forecasting:
Principles and Practice (3rd ed., 2021), 5.2 (seasonal naive), 5.5 (intervals from residuals).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from app.domain.quality.figures import HourForecast

HOUR = 3_600_000
WEEK_HOURS = 168
WEEKS = 4
"""Weeks that are looked back on."""


def forecast(
    counts: Mapping[int, int], first: int, hours: int, *, known_from: int, z: float = 1.645
) -> list[HourForecast]:
    """Expected decisions for ``hours`` hours from ``first`` on, with a 90 % interval.

    ``counts`` gives the decisions of each past hour by its start (ms UTC, whole hours); an hour that is
    missing, but not before ``known_from``, had none. The mean is over the same hour of the week in the
    last four weeks; with less than a week behind it, over all known hours. The interval adds the spread
    between weeks to the chance of counts: sd² = max(variance, mean) (1 + 1/n).

    Examples
    --------
    Three weeks of 10, 14 and 12 decisions on Mondays at nine, none otherwise:

    >>> monday = 60 * WEEK_HOURS * HOUR
    >>> past = {monday + w * WEEK_HOURS * HOUR + 9 * HOUR: n for w, n in enumerate((10, 14, 12))}
    >>> found = forecast(past, monday + 3 * WEEK_HOURS * HOUR, 24, known_from=monday)
    >>> [(round(h.expected, 1), round(h.lower, 1), round(h.upper, 1)) for h in found[8:10]]
    [(0.0, 0.0, 1.0), (12.0, 5.4, 18.6)]
    """
    found = []
    for at in range(first, first + hours * HOUR, HOUR):
        past = _same_hours(counts, at, first, known_from)
        n = len(past)
        mean = sum(past) / n if n else 0.0
        variance = sum((x - mean) ** 2 for x in past) / (n - 1) if n > 1 else mean
        spread = z * math.sqrt(max(variance, mean) * (1 + 1 / n)) if n else math.inf
        # None in the last weeks does not mean never: one is a fair upper end.
        upper = max(mean + spread, 1.0) if n else math.inf
        found.append(HourForecast(hour=at, expected=mean, lower=max(0.0, mean - spread), upper=upper))
    return found


def _same_hours(counts: Mapping[int, int], at: int, now: int, known_from: int) -> list[int]:
    """What the same hour of the week had, newest first; all known hours where a whole week is not known."""
    same: list[int] = []
    step = WEEK_HOURS * HOUR
    back = at - math.ceil((at - now + 1) / step) * step if at >= now else at
    while len(same) < WEEKS and back >= known_from:
        same.append(counts.get(back, 0))
        back -= step
    if same:
        return same
    return [counts.get(hour, 0) for hour in range(known_from, now, HOUR)]
