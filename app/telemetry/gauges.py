"""Gauges of one process: set as things change, or read when Prometheus asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec
from prometheus_client import Metric as Family
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.telemetry.catalogue import Metric


class Reading(msgspec.Struct, frozen=True):
    """A value of one series."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


Read = Callable[[], Iterable[Reading]]


class Gauges(Collector):
    """May be used from several threads. A series that is not set does not exist."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics: Mapping[str, Metric] = {metric.name: metric for metric in metrics}
        self._lock = threading.Lock()
        self._values: dict[tuple[str, ...], float] = {}
        self._reads: list[Read] = []

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """The value of one series from now on."""
        with self._lock:
            self._values[(metric.name, *labels)] = value

    def replace(self, readings: Iterable[Reading]) -> None:
        """These series and no others; nothing takes all of them away."""
        values = {(reading.metric.name, *reading.labels): reading.value for reading in readings}
        with self._lock:
            self._values = values

    def read(self, readings: Read) -> None:
        """Ask for these at each scrape. Must be quick, and must not fail."""
        self._reads.append(readings)

    def collect(self) -> Iterator[Family]:
        """Everything that is set, and what is read now."""
        with self._lock:
            found = dict(self._values)
        for read in self._reads:
            found.update({(reading.metric.name, *reading.labels): reading.value for reading in read()})
        families = {
            name: GaugeMetricFamily(name, metric.help, labels=metric.labels)
            for name, metric in self._metrics.items()
        }
        for key, value in found.items():
            families[key[0]].add_metric(key[1:], value)
        yield from families.values()
