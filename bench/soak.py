"""Memory over minutes at a steady load: the slope of resident memory with its interval."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence

import msgspec

from bench.bed import Bed
from bench.processes import Sample
from bench.tail import Load, Tail
from bench.variants import Variant

WARM_SECONDS = 60.0  # allocators and caches fill up first
BLOCK_SECONDS = 20.0  # samples closer than this are not independent: one mean for each block


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
            tail.await_ids(load.count, patience=20)
            for worker in workers:
                worker.check()
        finally:
            tail.stop()
            for worker in workers:
                worker.stop()
    warm = min(WARM_SECONDS, minutes * 60 / 4)
    blocks = block_means(workers[0].meter.samples, began + warm, ended)
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
    """Least-squares slope and its 95 % interval (normal approximation, needs a dozen points or more).

    >>> slope_with_interval([(0.0, 1.0), (1.0, 2.0), (2.0, 3.0), (3.0, 4.0)])
    (1.0, 1.0, 1.0)
    """
    if len(points) < 3:
        return math.nan, math.nan, math.nan
    mean_x = statistics.fmean(x for x, _ in points)
    mean_y = statistics.fmean(y for _, y in points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    residual = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    error = math.sqrt(residual / (len(points) - 2) / spread)
    return slope, slope - 1.96 * error, slope + 1.96 * error
