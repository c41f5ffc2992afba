"""What a number is, in metrics: written once, recorded by Prometheus and computed by the console.

Windows and offsets are durations as Prometheus writes them (``1d``, ``7d``).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from app.telemetry.catalogue import Metric


class Select(msgspec.Struct, frozen=True):
    """Series of a metric: those whose labels have one of these values."""

    metric: Metric
    where: Mapping[str, tuple[str, ...]] = {}


class Share(msgspec.Struct, frozen=True):
    """How much of ``whole`` is ``part``, over the last ``window``."""

    part: Select
    whole: Select
    window: str


class Quantile(msgspec.Struct, frozen=True):
    """A quantile of a histogram over the last ``window``."""

    metric: Metric
    quantile: float
    window: str


class Increase(msgspec.Struct, frozen=True):
    """How many in the last ``window``."""

    of: Select
    window: str


class Total(msgspec.Struct, frozen=True):
    """The sum of a gauge now."""

    of: Select


class Worst(msgspec.Struct, frozen=True):
    """The larger of a quantile and the largest value of a gauge."""

    quantile: Quantile
    gauge: Metric


class Before(msgspec.Struct, frozen=True):
    """A share divided by what it was one ``offset`` ago."""

    formula: Share
    offset: str


class Usual(msgspec.Struct, frozen=True):
    """A quantile divided by its own median over the last ``window``."""

    formula: Quantile
    window: str


class Gain(msgspec.Struct, frozen=True):
    """By how much the better of two shares rose over ``offset``."""

    shares: tuple[Share, Share]
    offset: str


Formula = Share | Quantile | Increase | Total | Worst | Before | Usual | Gain


def where(metric: Metric, **labels: str | tuple[str, ...]) -> Select:
    """Series of a metric by label values."""
    return Select(metric, {name: (v,) if isinstance(v, str) else v for name, v in labels.items()})
