"""Memory over half an hour at a steady load: the slope of resident memory with its interval.

Nobody answers: without labels `drift` lets nothing be automated, and every decision becomes a review, which
is the most that a worker can be asked for. An agent that does not keep up with it (``behind``) has batches as
large as they get.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from bench.bed import Bed
from bench.processes import Sample
from bench.tail import Load, Tail
from bench.variants import Variant
from bench.workload import ROUTED

WARM_SHARE = 1 / 3  # of the whole: caches fill up, and allocators reach what the largest batches take
BLOCK_SECONDS = 20.0  # one mean for each block: a batch comes and goes within a second or two
_ROUNDS = 5  # by then the slope does not move any more
_Z = 1.959964  # of the normal distribution, both sides 95 %


class Soak(msgspec.Struct):
    """Megabytes, and megabytes an hour."""

    variant: str
    rate: float
    minutes: float
    start_mb: float
    end_mb: float
    peak_mb: float
    slope: float
    slope_low: float
    slope_high: float
    behind: int
    """Records that `review_request` had still to read when the load ended."""
    lost: int
    doubled: int


def run(bed: Bed, variant: Variant, *, rate: float, minutes: float) -> Soak:
    """``rate`` decisions/s for ``minutes``; memory of the variant's first process."""
    with bed.topics(f"{variant.name}-soak") as prefix:
        workers = bed.start(variant, prefix)
        tail = Tail(bed.cluster, prefix)
        try:
            bed.cluster.await_workers(prefix, variant.sources, workers)
            load = Load(bed, prefix, rate, minutes * 60)
            began = time.time()
            load.sent(patience=minutes * 60 + 120)
            ended = time.time()
            behind = bed.cluster.behind(prefix, "hitl-review-request", ROUTED)
            tail.await_ids(load.count, patience=20)
            for worker in workers:
                worker.check()
        finally:
            tail.stop()
            for worker in workers:
                worker.stop()
    blocks = block_means(workers[0].meter.samples, began + minutes * 60 * WARM_SHARE, ended)
    slope, low, high = slope_with_interval(blocks)
    ids = {arrival.number for arrival in tail.arrivals}
    return Soak(
        variant=variant.name,
        rate=rate,
        minutes=minutes,
        start_mb=blocks[0][1],
        end_mb=blocks[-1][1],
        peak_mb=workers[0].meter.peak_memory / 1e6,
        slope=slope,
        slope_low=low,
        slope_high=high,
        behind=behind,
        lost=load.count - len(ids),
        doubled=len(tail.arrivals) - len(ids),
    )


def block_means(samples: Sequence[Sample], start: float, end: float) -> list[tuple[float, float]]:
    """(hours since ``start``, mean MB) of each whole block."""
    blocks: dict[int, list[int]] = {}
    for at, _, memory in samples:
        if start <= at < end:
            blocks.setdefault(int((at - start) / BLOCK_SECONDS), []).append(memory)
    return [
        ((number + 0.5) * BLOCK_SECONDS / 3600, statistics.fmean(values) / 1e6)
        for number, values in sorted(blocks.items())
    ]


def slope_with_interval(points: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Slope and its 95 % interval, of evenly spaced points. NaN for fewer than eight.

    Memory resembles what it was a moment ago, and least squares takes each point for news: its interval is
    then far too narrow. So neighbours may resemble each other (a first-order autoregression, after Prais and
    Winsten), as much as the points say that they do (with Kendall's correction: a short series hides it).

    >>> slope_with_interval([(float(x), 2.0 * x) for x in range(8)])
    (2.0, 2.0, 2.0)
    """
    if len(points) < 8:
        return math.nan, math.nan, math.nan
    count, alike = len(points), 0.0
    for _ in range(_ROUNDS):
        start, slope, error = _fit(points, alike)
        left = [y - start - slope * x for x, y in points]
        both = sum(one * two for one, two in pairwise(left))
        squares = sum(one * one for one in left[:-1])
        found = (count * both / squares + 2) / (count - 4) if squares else 0.0
        alike = min(max(found, 0.0), 0.995)
    freedom = count - 2
    reach = (_Z + (_Z**3 + _Z) / (4 * freedom)) * error  # Student's quantile, to its first order
    return slope, slope - reach, slope + reach


def _fit(points: Sequence[tuple[float, float]], alike: float) -> tuple[float, float, float]:
    """Start, slope and the slope's standard error, where neighbours' deviations correlate by ``alike``."""
    first = math.sqrt(1 - alike**2)
    rows = [(first, first * points[0][0], first * points[0][1])]
    rows += [(1 - alike, x - alike * before[0], y - alike * before[1]) for before, (x, y) in pairwise(points)]
    cc, cx, xx = (sum(row[i] * row[j] for row in rows) for i, j in ((0, 0), (0, 1), (1, 1)))
    cy, xy = (sum(row[i] * row[2] for row in rows) for i in (0, 1))
    spread = cc * xx - cx * cx
    start, slope = (xx * cy - cx * xy) / spread, (cc * xy - cx * cy) / spread
    residual = sum((y - start * c - slope * x) ** 2 for c, x, y in rows) / (len(rows) - 2)
    return start, slope, math.sqrt(residual * cc / spread)
