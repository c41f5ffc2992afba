"""How long the stream stands still when a worker is killed or ended, as readers see it, and how long it takes
to end."""

from __future__ import annotations

import random
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from bench.bed import Bed
from bench.tail import Arrival, Load, Tail
from bench.variants import Variant

SETTLE_SECONDS = 12.0  # between kills: longer than any session timeout in use


class Recovery(msgspec.Struct):
    """Stalls in seconds, one for each kill or end."""

    variant: str
    restarted: bool
    """At once, after SIGKILL by its own supervisor; else another worker takes over."""
    rate: float
    stalls: list[float]
    lost: int
    doubled: int
    exits: list[float] = []
    """Seconds from SIGTERM to the end of the process, one for each; empty where it was SIGKILL."""

    @property
    def median(self) -> float:
        return statistics.median(self.stalls)

    @property
    def worst(self) -> float:
        return max(self.stalls)


def run(
    bed: Bed,
    variant: Variant,
    *,
    rate: float,
    kills: int,
    restart: bool,
    gently: bool = False,
    seed: int = 3,
) -> Recovery:
    """Kill one of the variant's processes ``kills`` times under load, at moments drawn by ``seed``;
    ``gently`` with SIGTERM, as an upgrade does.

    With ``restart`` it is started again at once, as itself (same slot): after SIGKILL of the worker by the
    process above it, after SIGTERM, which ends both, from nothing. Without, both are killed and the others
    must take over; it comes back for the next kill only after the measurement.
    """
    draw = random.Random(seed)
    seconds = 8 + kills * (SETTLE_SECONDS + 3) + (0 if restart else kills * 10)
    with bed.topics(f"{variant.name}-recovery") as prefix:
        workers = bed.start(variant, prefix)
        tail = Tail(bed.cluster, prefix)
        killed: list[tuple[int, int]] = []
        exits: list[float] = []
        try:
            bed.cluster.await_workers(prefix, variant.sources, workers)
            load = Load(bed, prefix, rate, seconds)
            while not tail.arrivals:
                load.process.check()
                time.sleep(0.05)
            time.sleep(4)
            for number in range(kills):
                time.sleep(draw.uniform(0.0, 2.0))
                victim = number % len(workers)
                moment = time.time_ns()
                if gently:
                    workers[victim].stop(patience=60)
                    exits.append((time.time_ns() - moment) / 1e9)
                elif restart:
                    workers[victim].kill_worker()
                else:
                    workers[victim].kill()
                if restart and gently:
                    workers[victim] = bed.launch(variant, prefix, victim)
                time.sleep(SETTLE_SECONDS)
                killed.append((moment, time.time_ns()))
                if not restart:
                    workers[victim] = bed.launch(variant, prefix, victim)
                    time.sleep(10)
            load.sent(patience=seconds + 120)
            tail.await_ids(load.count, patience=30)
            for worker in workers:
                worker.check()
        finally:
            tail.stop()
            for worker in workers:
                worker.stop()
    ids = {arrival.number for arrival in tail.arrivals}
    return Recovery(
        variant=variant.name,
        restarted=restart,
        rate=rate,
        stalls=[stall(tail.arrivals, start, end) for start, end in killed],
        lost=load.count - len(ids),
        doubled=len(tail.arrivals) - len(ids),
        exits=exits,
    )


def stall(arrivals: Sequence[Arrival], start: int, end: int) -> float:
    """The longest silence (s) of any partition that overlaps [start, end] (ns): with two workers, the
    survivor's partitions go on and must not hide that the others stand still.

    >>> ticks = [Arrival(n, 0, n * 10**8) for n in range(20) if not 5 <= n < 15]
    >>> stall(ticks, 5 * 10**8, 19 * 10**8)
    1.1
    """
    moments: dict[int, list[int]] = defaultdict(list)
    for arrival in arrivals:
        moments[arrival.partition].append(arrival.at)
    longest = 0
    for times in moments.values():
        for before, after in pairwise(times):
            if after > start and before < end:
                longest = max(longest, after - before)
    return longest / 1e9
