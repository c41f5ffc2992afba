"""Plots as coordinates: the templates draw them as SVG beside a table that says the same. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from app.domain.quality.figures import Funnel, FunnelPoint

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 48, 16, 16, 40
GRID = 6
"""Names are kept apart by cells of a grid, this wide and high."""


class Tick(msgspec.Struct, frozen=True):
    """A mark of an axis: where, and what it says."""

    at: float
    text: str


class Label(msgspec.Struct, frozen=True):
    """Where a name is written: ``anchor`` is which part of it stands at ``x`` (as SVG's text-anchor)."""

    x: float
    y: float
    anchor: str


class Dot(msgspec.Struct, frozen=True):
    """A point with its name, and where there is room to write it (``None``: nowhere; the table has it)."""

    x: float
    y: float
    name: str
    outside: bool
    label: Label | None = None


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
        dots=_labelled(
            [Dot(_x(p.expected, most), _y(_ratio(p), top), p.reviewer, p.flagged) for p in points]
        ),
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


def _labelled(dots: Sequence[Dot]) -> list[Dot]:
    """Names beside their dots, none across another name or dot: those outside the limits first, then those
    farthest from what is expected. Who finds no room has no name in the picture.

    >>> [dot.label for dot in _labelled([Dot(300, 100, "ann", False), Dot(310, 102, "bob", True)])]
    [Label(x=291, y=104, anchor='end'), Label(x=319, y=106, anchor='start')]
    """
    taken = {cell for dot in dots for cell in _cells(dot.x - 5, dot.x + 5, dot.y - 5, dot.y + 5)}
    middle = (HEIGHT - TOP - BOTTOM) / 2
    labels: dict[str, Label] = {}
    for dot in sorted(dots, key=lambda dot: (not dot.outside, -abs(dot.y - middle))):
        # On a phone only names outside the limits are shown, nearly twice as large.
        letter, height = (13.0, 22.0) if dot.outside else (7.0, 12.0)
        for label in _places(dot, height):
            left = label.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor] * letter * len(dot.name)
            right = left + letter * len(dot.name)
            cells = _cells(left, right, label.y - height * 0.75, label.y)
            if left >= LEFT and right <= WIDTH and label.y > TOP and taken.isdisjoint(cells):
                labels[dot.name] = label
                taken |= cells
                break
    return [msgspec.structs.replace(dot, label=labels.get(dot.name)) for dot in dots]


def _places(dot: Dot, height: float) -> list[Label]:
    """Where the name of a dot may stand, the best place first."""
    high, low = dot.y - 8, dot.y + height * 0.75 + 8
    return [
        Label(dot.x + 9, dot.y + 4, "start"),
        Label(dot.x - 9, dot.y + 4, "end"),
        Label(dot.x, high, "middle"),
        Label(dot.x, low, "middle"),
        Label(dot.x + 6, high, "start"),
        Label(dot.x - 6, high, "end"),
        Label(dot.x + 6, low, "start"),
        Label(dot.x - 6, low, "end"),
    ]


def _cells(left: float, right: float, top: float, bottom: float) -> set[tuple[int, int]]:
    """The cells of the grid that a box touches."""
    columns = range(int(left // GRID), int(right // GRID) + 1)
    rows = range(int(top // GRID), int(bottom // GRID) + 1)
    return {(x, y) for x in columns for y in rows}


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
