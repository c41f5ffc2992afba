"""Counters and histograms of one process: a batch's increments are added at once, when it is committed."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from typing import TypeVar

from prometheus_client import Metric as Family
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from app.policy.compiled import CompiledPolicy
from app.telemetry.catalogue import Kind, Metric
from app.telemetry.labels import values

LONGEST_ID = 100
"""Characters of a decision id in an exemplar; OpenMetrics takes 128 with the label's name."""

F = TypeVar("F")
Key = tuple[str, ...]
"""Name of the metric, then the values of its labels."""


class Increments:
    """What one batch adds; ``at`` is when it was committed, ms UTC. Cheap to fill: no other thread has it."""

    __slots__ = ("at", "counts", "examples", "observed")

    def __init__(self, at: int) -> None:
        self.at = at
        self.counts: dict[Key, float] = {}
        self.observed: dict[Key, list[float]] = {}
        self.examples: dict[Key, str] = {}
        """By series of a histogram, the decision with its last value."""

    def count(self, key: Key, by: float = 1) -> None:
        """Add to a counter."""
        self.counts[key] = self.counts.get(key, 0) + by

    def observe(self, key: Key, value: float, decision_id: str = "") -> None:
        """A value for a histogram, and which decision it is about, if it is about one."""
        found = self.observed.get(key)
        if found is None:
            self.observed[key] = [value]
        else:
            found.append(value)
        self.examples[key] = decision_id


def bucket_of(edges: tuple[float, ...], value: float) -> int:
    """Which bucket a value falls into; an edge belongs to the bucket below it.

    >>> [bucket_of((1.0, 5.0), value) for value in (0.5, 1.0, 1.1, 9.0)]
    [0, 0, 1, 2]
    """
    return bisect_left(edges, value)


class Histogram:
    """One series: how many values fell into each bucket, their sum, and one example a bucket."""

    __slots__ = ("buckets", "edges", "examples", "sum")

    def __init__(self, edges: tuple[float, ...]) -> None:
        self.edges = edges
        self.buckets = [0] * (len(edges) + 1)
        self.sum = 0.0
        self.examples: list[Exemplar | None] = [None] * (len(edges) + 1)

    def add(self, observed: Iterable[float], decision_id: str, at: float) -> None:
        """Values of a batch; the last one is about ``decision_id``."""
        bucket, value = 0, 0.0
        for value in observed:
            bucket = bucket_of(self.edges, value)
            self.buckets[bucket] += 1
            self.sum += value
        if 0 < len(decision_id) <= LONGEST_ID:
            self.examples[bucket] = Exemplar({"decision_id": decision_id}, value, at)

    def cumulative(self) -> Iterator[tuple[str, float, Exemplar | None]]:
        """Upper edge, how many values up to it, an example."""
        total = 0
        names = (*(str(float(edge)) for edge in self.edges), "+Inf")
        for name, count, example in zip(names, self.buckets, self.examples, strict=True):
            total += count
            yield name, total, example


class Counts(Collector):
    """Adds up increments and shows them to Prometheus. May be used from several threads."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics: Mapping[str, Metric] = {metric.name: metric for metric in metrics}
        self._lock = threading.Lock()
        self._counts: dict[Key, float] = {}
        self._histograms: dict[Key, Histogram] = {}

    def prepare(self, policy: CompiledPolicy) -> None:
        """Every combination of labels that the policy allows, at zero: so the first event is an increase."""
        for metric in self._metrics.values():
            found = [values(metric, label, policy) for label in metric.labels]
            for combination in product(*found):
                self.start(metric, *combination)

    def start(self, metric: Metric, *labels: str) -> None:
        """One series at zero, if it is not there yet."""
        key = (metric.name, *labels)
        with self._lock:
            if metric.kind is Kind.HISTOGRAM:
                self._histograms.setdefault(key, Histogram(metric.buckets))
            else:
                self._counts.setdefault(key, 0.0)

    def add(self, increments: Increments) -> None:
        """A batch that is committed: a scrape sees all of it or nothing."""
        with self._lock:
            for key, by in increments.counts.items():
                self._counts[key] = self._counts.get(key, 0.0) + by
            for key, observed in increments.observed.items():
                series = self._histograms.get(key)
                if series is None:
                    series = self._histograms[key] = Histogram(self._metrics[key[0]].buckets)
                series.add(observed, increments.examples[key], increments.at / 1000)

    def value(self, metric: Metric, **labels: str) -> float:
        """Sum of a counter over its series with these labels."""
        at = {metric.labels.index(name) + 1: value for name, value in labels.items()}
        with self._lock:
            found = [(key, value) for key, value in self._counts.items() if key[0] == metric.name]
        return sum(value for key, value in found if all(key[index] == name for index, name in at.items()))

    def collect(self) -> Iterator[Family]:
        """Everything, as one moment saw it."""
        with self._lock:
            counts = list(self._counts.items())
            histograms = [(key, list(one.cumulative()), one.sum) for key, one in self._histograms.items()]
        counters = self._families(Kind.COUNTER, CounterMetricFamily)
        for key, value in counts:
            counters[key[0]].add_metric(key[1:], value)
        series = self._families(Kind.HISTOGRAM, HistogramMetricFamily)
        for key, buckets, total in histograms:
            series[key[0]].add_metric(key[1:], buckets, total)  # type: ignore[arg-type]  # no exemplar is fine
        yield from (*counters.values(), *series.values())

    def _families(self, kind: Kind, family: Callable[..., F]) -> dict[str, F]:
        return {
            name: family(name, metric.help, labels=metric.labels)
            for name, metric in self._metrics.items()
            if metric.kind is kind
        }
