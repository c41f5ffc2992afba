"""Plots as coordinates: the templates draw them as SVG beside a table that says the same. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from app.domain.quality.figures import Funnel, FunnelPoint

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 16, 40


class Tick(msgspec.Struct, frozen=True):
    """A mark of an axis: where, and what it says."""

    at: float
    text: str


class Dot(msgspec.Struct, frozen=True):
    """A point with its name."""

    x: float
    y: float
    name: str
    outside: bool


class FunnelPlot(msgspec.Struct, frozen=True, kw_only=True):
    """The funnel: x is the expected number of overrides, y observed over expected."""

    dots: Sequence[Dot]
    upper: str
    lower: str
    middle: float
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


class Column(msgspec.Struct, frozen=True):
    """A column of a column chart."""

    x: float
    y: float
    width: float
    height: float
    text: str


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """A column chart."""

    columns: Sequence[Column]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


def funnel_plot(funnel: Funnel) -> FunnelPlot | None:
    """``None`` while nobody has enough answers for a dot."""
    points = sorted(
        (point for point in funnel.points if point.ratio is not None and point.expected > 0),
        key=lambda point: point.expected,
    )
    if not points:
        return None
    most = _round_up(max(point.expected for point in points) * 1.08)
    top = _round_up(max(2.0, *(_ratio(p) for p in points), *(min(p.upper, 4.0) for p in points)))
    return FunnelPlot(
        dots=[Dot(_x(p.expected, most), _y(_ratio(p), top), p.reviewer, p.flagged) for p in points],
        upper=" ".join(f"{_x(p.expected, most):.1f},{_y(min(p.upper, top), top):.1f}" for p in points),
        lower=" ".join(f"{_x(p.expected, most):.1f},{_y(max(p.lower, 0), top):.1f}" for p in points),
        middle=_y(1.0, top),
        x_ticks=[Tick(_x(most * i / 4, most), f"{most * i / 4:g}") for i in range(5)],
        y_ticks=[Tick(_y(top * i / 4, top), f"{top * i / 4:g}") for i in range(5)],
    )


def column_chart(values: Sequence[tuple[str, float]], every: int = 1) -> Columns | None:
    """Columns from left to right; each ``every``-th has its name below."""
    if not values:
        return None
    top = _round_up(max(1.0, *(value for _, value in values)))
    room = (WIDTH - LEFT - RIGHT) / len(values)
    columns = []
    for i, (name, value) in enumerate(values):
        y = _y(value, top)
        columns.append(
            Column(
                round(LEFT + i * room + room * 0.1, 1), round(y, 1), round(room * 0.8, 1),
                round(HEIGHT - BOTTOM - y, 1), f"{name}: {value:.1f}",
            )
        )  # fmt: skip
    ticks = [
        Tick(round(LEFT + (i + 0.5) * room, 1), name) for i, (name, _) in enumerate(values) if i % every == 0
    ]
    return Columns(
        columns=columns,
        x_ticks=ticks,
        y_ticks=[Tick(_y(top * i / 4, top), f"{top * i / 4:g}") for i in range(5)],
    )


def _ratio(point: FunnelPoint) -> float:
    return point.ratio or 0.0


def _x(value: float, most: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * value / most, 1)


def _y(value: float, top: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(value, top) / top, 1)


def _round_up(value: float) -> float:
    """The next number of the form 1, 2, 4, 6, 8 or 10 times a power of ten, so that quarters are round.

    >>> _round_up(13), _round_up(2.0), _round_up(0.3), _round_up(61)
    (20.0, 2.0, 0.4, 80.0)
    """
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(round(step * power, 10) for step in (1, 2, 4, 6, 8, 10) if step * power >= value - 1e-9)
