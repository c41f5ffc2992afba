"""The 14 targets as panels: from the same table as the recording rules, the alerts and the console's page."""

from __future__ import annotations

from grafana_foundation_sdk.builders import stat, timeseries

from app.telemetry.formulas import Before, Quantile
from app.telemetry.targets import TARGETS, Target
from grafana import panels
from grafana.panels import Bands, Column, Query

BY_NAME = {target.name: target for target in TARGETS}


def bands_of(target: Target) -> Bands:
    """Green where the target is met; red beyond it; yellow where either side is only unusual."""
    if target.low is not None and target.high is not None:
        return panels.between(target.low, target.high)
    if target.low is not None:
        return panels.at_least(target.low)
    return Bands((("green", None), ("red", _above(target))))


def broken_down(target: Target, series: str = "") -> str:
    """The name of the series beside ``all:...`` that has ``target.by``."""
    return f"{target.by}:{(series or target.series).split(':', 1)[1]}"


def scoped(target: Target, series: str = "") -> str:
    """The same, for what the dashboard's variable picks."""
    return f"{broken_down(target, series)}{picked(target.by)}"


def picked(label: str) -> str:
    """A selector by a variable of the same name, where dashboards have one."""
    return f'{{{label}=~"${label}"}}' if label in ("decision_type", "queue") else ""


def at_a_glance(name: str) -> stat.Panel:
    """A target in one panel; where its band is about the change of a number, number and change."""
    target = BY_NAME[name]
    about = f"Target: {target.says}. Click for the details. Alert: {target.alert}."
    bands, leads_to = bands_of(target), target.dashboard
    if target.judged is None:
        number = Query(target.series, target.title)
        least = None if target.low == 0 else 0
        return panels.value(target.title, about, number, target.unit, bands, leads_to=leads_to, least=least)
    number, changed = (
        Query(target.series, _number_words(target)),
        Query(target.judged_series, _change_words(target)),
    )
    return panels.value_and_change(
        target.title, about, number, target.unit, changed, bands, leads_to=leads_to
    )


def course(name: str, *, most: float | None = None) -> timeseries.Panel:
    """A target over time, broken down, with its band."""
    target = BY_NAME[name]
    about = f"Target: {target.says}. Alert: {target.alert}."
    query = Query(scoped(target), f"{{{{{target.by}}}}}")
    if target.judged is not None:
        return panels.curves(target.title, about, [query], target.unit)
    return panels.curves(
        target.title,
        about,
        [query],
        target.unit,
        bands_of(target),
        least=None,
        most=most,
        shown=_around(target),
        area=True,
    )


def change(name: str, title: str) -> timeseries.Panel:
    """What the band is about, where that is a change: 1 is as before."""
    target = BY_NAME[name]
    about = f"1 is as before. Target: {target.says}. Alert: {target.alert}."
    query = Query(scoped(target, target.judged_series), f"{{{{{target.by}}}}}")
    shown = _around(target)
    return panels.curves(title, about, [query], "short", bands_of(target), least=None, shown=shown, area=True)


def column(name: str, title: str) -> Column:
    """A target as a column of a table with a row for each value of ``target.by``."""
    target = BY_NAME[name]
    if target.judged is not None:
        return Column(title, scoped(target, target.judged_series), "short", bands_of(target), 2)
    return Column(title, scoped(target), target.unit, bands_of(target), 1 if target.unit != "short" else 0)


def _around(target: Target) -> tuple[float | None, float | None]:
    """What an axis has to show for the band to be seen."""
    if target.low is not None and target.high is not None:
        return 0, 1.2 * target.high
    if target.high is not None:
        return 0, 1.2 * _above(target)
    if target.low is None:
        raise ValueError(f"the target '{target.name}' has no band")
    return (target.low - 0.02, None) if target.unit == "percentunit" else (0, 1.2 * target.low)


def _above(target: Target) -> float:
    """Thresholds hold from their value on, limits up to theirs; the difference matters for counts only."""
    if target.high is None:
        raise ValueError(f"the target '{target.name}' has no upper limit")
    return target.high + 1 if target.unit == "short" else target.high


def _number_words(target: Target) -> str:
    return "19 of 20 within" if isinstance(target.formula, Quantile) else "now"


def _change_words(target: Target) -> str:
    match target.judged:
        case Before(offset="7d"):
            return "of last week"
        case Before():
            return "of last month"
        case _:
            return "of usual"
