"""How the 14 targets stand, computed from kept sums: the same formulas as the recording rules. Pure.

Sums are kept by hour for a day and by UTC day for two months; a window of days is so many whole days, today's
part among them. Prometheus slides its windows and extrapolates to their edges: the two agree up to that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from statistics import median

import msgspec

from app.telemetry.catalogue import METRICS, Metric
from app.telemetry.counts import Increments, Key, bucket_of
from app.telemetry.formulas import (
    Before,
    Formula,
    Gain,
    Increase,
    Quantile,
    Select,
    Share,
    Total,
    Usual,
    Worst,
)
from app.telemetry.targets import TARGETS, Target

HOUR, DAY = 3_600_000, 86_400_000
HOURS, DAYS = 24, 61
"""How many are kept: the longest window, and as long before it."""

Sums = Mapping[str, float]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Sums by number of the hour and of the day since 1970, and gauges (``None``: nobody reads them)."""

    hours: Mapping[int, Sums]
    days: Mapping[int, Sums]
    gauges: Sums | None


class Verdict(StrEnum):
    """Whether a target is met."""

    MET = "met"
    BELOW = "below"
    ABOVE = "above"
    UNKNOWN = "unknown"
    """Nothing happened in the window, it is not over yet, or there is nothing to compare with."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One target now: its number, and the one its band is about where that is another."""

    target: Target
    value: float | None
    judged: float | None
    verdict: Verdict


# --- what is kept -----------------------------------------------------------------------------------


def field_of(select: Select) -> str:
    """Under which name a sum is kept.

    >>> from app.telemetry.catalogue import AUDITS
    >>> field_of(Select(AUDITS, {"result": ("finding",)}))
    'hitl_audits_total{result=finding}'
    """
    chosen = ",".join(f"{label}={'|'.join(found)}" for label, found in select.where.items())
    return f"{select.metric.name}{{{chosen}}}"


def _bucket_field(metric: Metric, bucket: int) -> str:
    return f"{metric.name}/{bucket}"


def _parts(formula: Formula) -> Iterator[Select | Metric]:
    match formula:
        case Share(part, whole, _):
            yield from (part, whole)
        case Quantile(metric, _, _):
            yield metric
        case Increase(of, _):
            yield of
        case Worst(quantile, _):
            yield quantile.metric
        case Gain(shares, _):
            for share in shares:
                yield from _parts(share)


_WANTED = [part for target in TARGETS for part in _parts(target.formula)]
_SELECTS = {field_of(part): part for part in _WANTED if isinstance(part, Select)}
_HISTOGRAMS = {part.name for part in _WANTED if isinstance(part, Metric)}


class TargetSums:
    """Increments -> what they add to the kept sums. Remembers which series goes where."""

    def __init__(self) -> None:
        self._fields: dict[Key, tuple[str, ...]] = {}

    def __call__(self, increments: Increments) -> dict[str, float]:
        """Fields and what to add to them."""
        found: dict[str, float] = {}
        for key, by in increments.counts.items():
            for field in self._of(key):
                found[field] = found.get(field, 0.0) + by
        for key, observed in increments.observed.items():
            if key[0] in _HISTOGRAMS:
                metric = METRICS[key[0]]
                for value in observed:
                    field = _bucket_field(metric, bucket_of(metric.buckets, value))
                    found[field] = found.get(field, 0.0) + 1
        return found

    def _of(self, key: Key) -> tuple[str, ...]:
        fields = self._fields.get(key)
        if fields is None:
            labels = dict(zip(METRICS[key[0]].labels, key[1:], strict=True))
            fields = self._fields[key] = tuple(
                field
                for field, select in _SELECTS.items()
                if select.metric.name == key[0]
                and all(labels[label] in wanted for label, wanted in select.where.items())
            )
        return fields


# --- what it says -----------------------------------------------------------------------------------


def standings(kept: Kept, now: int) -> list[Standing]:
    """Every target at this moment (ms UTC)."""
    return [_standing(target, kept, now) for target in TARGETS]


def _standing(target: Target, kept: Kept, now: int) -> Standing:
    value = evaluate(target.formula, kept, now)
    judged = evaluate(target.judged, kept, now) if target.judged else value
    found = verdict(target, judged)
    if found is Verdict.BELOW and isinstance(target.formula, Increase):
        found = found if _lasted(kept, now, target.formula.window) else Verdict.UNKNOWN  # it may still come
    return Standing(target=target, value=value, judged=judged, verdict=found)


def verdict(target: Target, judged: float | None) -> Verdict:
    """Where a number is in the target's band; its edges belong to it."""
    if judged is None:
        return Verdict.UNKNOWN
    if target.low is not None and judged < target.low:
        return Verdict.BELOW
    if target.high is not None and judged > target.high:
        return Verdict.ABOVE
    return Verdict.MET


def evaluate(formula: Formula, kept: Kept, now: int) -> float | None:  # noqa: PLR0911 - one a kind
    """A formula's number; ``None`` where nothing happened."""
    match formula:
        case Share(part, whole, window):
            sums = _window(kept, now, window)
            total = sums.get(field_of(whole), 0.0)
            return sums.get(field_of(part), 0.0) / total if total else None
        case Quantile(metric, quantile, window):
            return _quantile(metric, quantile, _window(kept, now, window))
        case Increase(of, window):
            return _window(kept, now, window).get(field_of(of), 0.0)
        case Total(of):
            return None if kept.gauges is None else kept.gauges.get(of.metric.name, 0.0)
        case Worst(quantile, gauge):
            pending = None if kept.gauges is None else kept.gauges.get(gauge.name)
            return _largest((evaluate(quantile, kept, now), pending))
        case Before(share, offset):
            return _ratio(evaluate(share, kept, now), _earlier(share, kept, now, offset))
        case Usual(quantile, window):
            days = (_quantile(quantile.metric, quantile.quantile, sums) for sums in _days(kept, now, window))
            known = [value for value in days if value is not None]
            return _ratio(evaluate(quantile, kept, now), median(known)) if known else None
        case Gain(shares, offset):
            return _largest(_gain(share, kept, now, offset) for share in shares)


def _gain(share: Share, kept: Kept, now: int, offset: str) -> float | None:
    value, before = evaluate(share, kept, now), _earlier(share, kept, now, offset)
    return None if value is None or before is None else value - before


def _ratio(value: float | None, before: float | None) -> float | None:
    return value / before if value is not None and before else None


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _earlier(share: Share, kept: Kept, now: int, offset: str) -> float | None:
    return evaluate(share, msgspec.structs.replace(kept, hours={}), now - _days_of(offset) * DAY)


def _days_of(window: str) -> int:
    """
    >>> _days_of("30d")
    30
    """
    return int(window.removesuffix("d"))


def _lasted(kept: Kept, now: int, window: str) -> bool:
    """Whether there was anything to count when the window began."""
    first = now // DAY - _days_of(window) + 1
    return any(sums and day <= first for day, sums in kept.days.items())


def _window(kept: Kept, now: int, window: str) -> Sums:
    if window == "1d" and kept.hours:
        hour = now // HOUR
        return _added(kept.hours.get(one, {}) for one in range(hour - HOURS + 1, hour + 1))
    return _added(_days(kept, now, window))


def _days(kept: Kept, now: int, window: str) -> list[Sums]:
    day = now // DAY
    return [kept.days.get(one, {}) for one in range(day - _days_of(window) + 1, day + 1)]


def _added(parts: Iterable[Sums]) -> Sums:
    total: dict[str, float] = {}
    for part in parts:
        for field, value in part.items():
            total[field] = total.get(field, 0.0) + value
    return total


def _quantile(metric: Metric, quantile: float, sums: Sums) -> float | None:
    """As Prometheus' ``histogram_quantile``: evenly spread within a bucket, from 0 in the first; the last
    edge where it lies beyond."""
    counts = [sums.get(_bucket_field(metric, bucket), 0.0) for bucket in range(len(metric.buckets) + 1)]
    rank, below, lower = quantile * sum(counts), 0.0, 0.0
    if not rank:
        return None
    for edge, count in zip(metric.buckets, counts, strict=False):
        if below + count >= rank and count:
            return lower + (edge - lower) * (rank - below) / count
        below, lower = below + count, edge
    return float(metric.buckets[-1])
