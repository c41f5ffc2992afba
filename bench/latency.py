"""Submit to routed: from the producer's hand-over to a read_committed reader, on one clock."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from bench.bed import Bed
from bench.tail import Load, Tail
from bench.variants import Variant

WARM_SECONDS = 5.0


class Latency(msgspec.Struct):
    """Milliseconds at one load."""

    variant: str
    rate: float
    seconds: float
    p50: float
    p95: float
    p99: float
    worst: float
    lost: int
    doubled: int


def run(bed: Bed, variant: Variant, rate: float, seconds: float) -> Latency:
    """``rate`` decisions/s for ``seconds`` after a warm-up; every one of them counts."""
    with bed.topics(f"{variant.name}-latency") as prefix:
        workers = bed.start(variant, prefix)
        tail = Tail(bed.cluster, prefix)
        try:
            bed.cluster.await_workers(prefix, variant.sources, workers)
            load = Load(bed, prefix, rate, seconds + WARM_SECONDS)
            sent = load.sent(patience=seconds + 120)
            tail.await_ids(load.count, patience=20)
            for worker in workers:
                worker.check()
        finally:
            tail.stop()
            for worker in workers:
                worker.stop()
    first: dict[int, int] = {}
    for arrival in tail.arrivals:
        first.setdefault(arrival.number, arrival.at)
    warm = int(rate * WARM_SECONDS)
    waits = sorted((at - sent[number]) / 1e6 for number, at in first.items() if warm <= number < load.count)
    return Latency(
        variant=variant.name,
        rate=rate,
        seconds=seconds,
        p50=percentile(waits, 0.50),
        p95=percentile(waits, 0.95),
        p99=percentile(waits, 0.99),
        worst=waits[-1],
        lost=load.count - len(first),
        doubled=len(tail.arrivals) - len(first),
    )


def percentile(ascending: Sequence[float], share: float) -> float:
    """Nearest rank: the smallest value that at least ``share`` of the values do not exceed.

    >>> percentile([1.0, 2.0, 3.0, 4.0], 0.5), percentile([1.0, 2.0, 3.0, 4.0], 0.99)
    (2.0, 4.0)
    """
    rank = -int(-share * len(ascending) // 1)
    return ascending[max(0, rank - 1)]
