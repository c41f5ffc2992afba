"""Decisions per second, CPU for each and peak memory: every variant on the same records, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import msgspec

from bench.bed import Bed
from bench.cluster import Written
from bench.processes import Meter, Watched
from bench.variants import Variant
from bench.workload import RESOLVED, ROUTED, SCORED

WARM = 0.05  # share of the records at either end that does not count: start, first batch, last commit


class Run(msgspec.Struct):
    """One variant, once."""

    variant: str
    decisions: int
    per_second: float
    cpu_us: float
    """CPU microseconds for each decision, all processes of the variant together."""
    broker_cpu_us: float | None
    peak_mb: float
    """Resident memory of the largest process."""
    lost: int
    doubled: int
    automated: float
    """Share of the decisions that were resolved without a person."""


class Summary(msgspec.Struct):
    """Medians over the rounds, and the range of the rate."""

    variant: str
    rounds: int
    per_second: float
    slowest: float
    fastest: float
    cpu_us: float
    broker_cpu_us: float | None
    peak_mb: float
    lost: int
    doubled: int
    automated: float


def run_once(bed: Bed, variant: Variant, decisions: int) -> tuple[Run, Written]:
    """Preload, start, wait until the workers own their partitions, fire, wait for the end, read back."""
    count = max(2000, int(decisions * variant.share))
    with bed.topics(f"{variant.name}-throughput") as prefix:
        gun = bed.cluster.preload(prefix, bed.templates, count, timestamp=bed.now)
        workers = bed.start(variant, prefix)
        try:
            bed.cluster.await_workers(prefix, variant.sources, workers)
            time.sleep(1.0)  # imports and joins are over; let the machine settle
            gun.release()
            bed.cluster.await_offsets(prefix + ROUTED, count, workers, patience=60 + count / 500)
            written = bed.cluster.read_back(prefix, count)
        finally:
            for worker in workers:
                worker.stop()
    return measure(variant, count, written, workers, bed.broker), written


def measure(
    variant: Variant, count: int, written: Written, workers: Sequence[Watched], broker: Meter | None
) -> Run:
    """Rate and CPU between the moments when 5 % and 95 % of the decisions were on the broker."""
    start, end, done = window(written.appended)
    return Run(
        variant=variant.name,
        decisions=count,
        per_second=done / (end - start),
        cpu_us=sum(worker.meter.cpu_between(start, end) for worker in workers) / done * 1e6,
        broker_cpu_us=None if broker is None else broker.cpu_between(start, end) / done * 1e6,
        peak_mb=max(worker.meter.peak_memory for worker in workers) / 1e6,
        lost=count - written.ids,
        doubled=written.doubled,
        automated=written.records[RESOLVED] / max(1, written.records[ROUTED]),
    )


def window(appended: Sequence[int], warm: float = WARM) -> tuple[float, float, int]:
    """(start, end, records between) in seconds, from sorted append times in ms.

    Whole batches share a time, so both ends are moved to the last record of their batch: counting
    part of a batch against none of its time would flatter large batches.

    >>> window([1000] * 10 + [2000] * 10 + [3000] * 10, warm=0.1)
    (1.0, 3.0, 20)
    """
    first = int(len(appended) * warm)
    last = int(len(appended) * (1 - warm)) - 1
    while first + 1 < len(appended) and appended[first + 1] == appended[first]:
        first += 1
    while last + 1 < len(appended) and appended[last + 1] == appended[last]:
        last += 1
    return appended[first] / 1e3, appended[last] / 1e3, last - first


def summarise(runs: Sequence[Run]) -> Summary:
    """Medians of one variant's runs; losses and doubles are added up, not averaged away."""
    rates = [run.per_second for run in runs]
    broker = [run.broker_cpu_us for run in runs if run.broker_cpu_us is not None]
    return Summary(
        variant=runs[0].variant,
        rounds=len(runs),
        per_second=statistics.median(rates),
        slowest=min(rates),
        fastest=max(rates),
        cpu_us=statistics.median(run.cpu_us for run in runs),
        broker_cpu_us=statistics.median(broker) if broker else None,
        peak_mb=max(run.peak_mb for run in runs),
        lost=sum(run.lost for run in runs),
        doubled=sum(run.doubled for run in runs),
        automated=statistics.median(run.automated for run in runs),
    )


def differences(bed: Bed, left: Written, right: Written) -> list[str]:
    """Records (of those sampled) that two variants wrote differently, decoded and compared whole."""
    found = []
    common = left.samples.keys() & right.samples.keys()
    for topic, key in sorted(common):
        one, other = (bed.codec.decode(side.samples[topic, key]) for side in (left, right))
        if one != other:
            found.append(f"{topic} {key.decode()}: {one} != {other}")
    for side, name in ((left.samples.keys() - right.samples.keys(), "left"),):
        missing = [key for key in side if int(key[1]) <= max((int(k[1]) for k in right.samples), default=0)]
        found += [f"{topic} {key.decode()}: only {name} wrote it" for topic, key in missing]
    if not {topic for topic, _ in common} >= {SCORED, ROUTED}:
        found.append("no common samples")
    return found


def run_rounds(
    bed: Bed, variants: Sequence[Variant], decisions: int, rounds: int
) -> tuple[list[Summary], list[str]]:
    """Every variant once a round, so that a noisy minute hits all alike. Also compares what they wrote."""
    runs: dict[str, list[Run]] = {variant.name: [] for variant in variants}
    reference: Written | None = None
    unequal: list[str] = []
    for number in range(rounds):
        order = variants if number % 2 == 0 else list(reversed(variants))
        for variant in order:
            run, written = run_once(bed, variant, decisions)
            runs[variant.name].append(run)
            bed.say(
                f"round {number + 1}/{rounds} {variant.name}: {run.per_second:,.0f} decisions/s, "
                f"{run.cpu_us:.0f} us CPU each, {run.peak_mb:.0f} MB"
                + (f", LOST {run.lost}" if run.lost else "")
                + (f", DOUBLED {run.doubled}" if run.doubled else "")
            )
            if reference is None:
                reference = written
            elif not variant.encrypts:  # nobody here has the keys
                unequal += [f"{variant.name}: {text}" for text in differences(bed, reference, written)]
    return [summarise(runs[variant.name]) for variant in variants], unequal
