"""Metrics that change over made-up time, written down as a scrape would have found them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

import numpy as np
import numpy.typing as npt

from app.telemetry.catalogue import METRICS, Kind, Metric

Key = tuple[str, str]
Labels = Mapping[str, str]


class Ledger:
    """The state of all metrics, and its samples so far. Only metrics and labels of the catalogue fit in."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._values: dict[str, dict[str, float]] = {name: {} for name in METRICS}
        self._buckets: dict[str, dict[str, npt.NDArray[np.int64]]] = {name: {} for name in METRICS}
        self._sums: dict[Key, float] = {}
        self._samples: dict[str, list[str]] = {name: [] for name in METRICS}
        self._own: dict[str, float] = {}
        self._own_samples: list[str] = []

    def add(self, metric: Metric, amount: float, instance: str, **labels: str) -> None:
        """A counter goes up; with 0 it begins to exist."""
        key = self._key(metric, instance, labels)
        held = self._values[metric.name]
        held[key] = held.get(key, 0) + amount

    def set(self, metric: Metric, value: float, instance: str, **labels: str) -> None:
        """A gauge stands at ``value``."""
        self._values[metric.name][self._key(metric, instance, labels)] = value

    def remark(self, series: str, value: float) -> None:
        """A series of Prometheus' own, such as ``ALERTS``, stands at ``value``; below 0 it is not there."""
        self._own[series] = value

    def drop(self, metric: Metric, instance: str, **labels: str) -> None:
        """A series ends."""
        self._values[metric.name].pop(self._key(metric, instance, labels), None)

    def observe(self, metric: Metric, seen: npt.NDArray[np.float64], instance: str, **labels: str) -> None:
        """A histogram gets these observations."""
        key = self._key(metric, instance, labels)
        counts = np.searchsorted(np.array(metric.buckets), seen, side="left")
        found = np.bincount(counts, minlength=len(metric.buckets) + 1)
        held = self._buckets[metric.name]
        held[key] = held.get(key, np.zeros(len(metric.buckets) + 1, dtype=np.int64)) + found
        self._sums[metric.name, key] = self._sums.get((metric.name, key), 0.0) + float(seen.sum())

    def scrape(self, at: int) -> None:
        """All series get a sample at ``at``, seconds."""
        self._own_samples += [
            f"{series} {value:.12g} {at}" for series, value in self._own.items() if value >= 0
        ]
        for name, held in self._values.items():
            family = self._samples[name]
            family.extend(f"{name}{{{key}}} {value:g} {at}" for key, value in held.items())
        for name, counts in self._buckets.items():
            for key, found in counts.items():
                self._scrape_histogram(METRICS[name], key, found, at)

    def write(self, out: TextIO) -> None:
        """As OpenMetrics."""
        for name, lines in self._samples.items():
            metric = METRICS[name]
            family = name.removesuffix("_total") if metric.kind is Kind.COUNTER else name
            out.write(f"# TYPE {family} {metric.kind}\n")
            out.writelines(f"{line}\n" for line in lines)
        out.writelines(f"{line}\n" for line in self._own_samples)
        out.write("# EOF\n")

    def names(self) -> frozenset[str]:
        """The metrics that have at least one sample."""
        return frozenset(name for name, lines in self._samples.items() if lines)

    def _scrape_histogram(self, metric: Metric, key: str, found: npt.NDArray[np.int64], at: int) -> None:
        family = self._samples[metric.name]
        edges = [*(f"{float(edge)}" for edge in metric.buckets), "+Inf"]
        total = found.cumsum()
        family.extend(
            f'{metric.name}_bucket{{{key},le="{edge}"}} {count} {at}'
            for edge, count in zip(edges, total, strict=True)
        )
        family.append(f"{metric.name}_count{{{key}}} {total[-1]} {at}")
        family.append(f"{metric.name}_sum{{{key}}} {self._sums[metric.name, key]:g} {at}")

    def _key(self, metric: Metric, instance: str, labels: Labels) -> str:
        if set(labels) != set(metric.labels):
            raise KeyError(f"{metric.name} has the labels {metric.labels}, not {tuple(labels)}")
        own = ",".join(f'{name}="{labels[name]}"' for name in metric.labels)
        place = f'job="{self._job}",instance="{instance}"'
        return f"{place},{own}" if own else place
