"""Curves over the decisions of a run as coordinates; the page draws them as SVG. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

WIDTH, HEIGHT = 640, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 30
COLOURS = 6
"""Colours that the page has for curves of one plot; further keys are told in the table alone."""


class Tick(msgspec.Struct, frozen=True):
    """A mark of an axis."""

    at: float
    text: str


class Curve(msgspec.Struct, frozen=True):
    """A line with gaps where nothing is known. ``style`` is its colour's number, or ``limit``."""

    name: str
    style: str
    path: str
    end: tuple[float, float] | None
    """Where it ends; one dot there shows a curve of a single point."""
    last: str


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """A plot with its words."""

    title: str
    note: str
    curves: Sequence[Curve]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


class Series(msgspec.Struct, frozen=True):
    """Values at the decisions of ``xs``; ``limit`` marks a line to compare with."""

    name: str
    values: Sequence[float | None]
    limit: bool = False
    steps: bool = False


def plot(
    title: str,
    note: str,
    xs: Sequence[int],
    series: Sequence[Series],
    *,
    lowest: float = 0.0,
    highest: float | None = None,
    said: Callable[[float], str] | None = None,
) -> Plot:
    """One plot; ``xs`` are decisions, from 0. Without ``highest`` the axis ends above the largest value."""
    words = said or share
    most = max((x for x in xs), default=1) or 1
    largest = max((v for s in series for v in s.values if v is not None), default=0.0)
    top = highest if highest is not None else rounded_up(largest * 1.1 or 0.01)
    curves, colour = [], 0
    for one in series:
        style = "limit" if one.limit else str(colour)
        colour += not one.limit
        curves.append(_curve(one, style, xs, most, lowest, top, words))
    steps = [lowest + (top - lowest) * i / 4 for i in range(5)]
    return Plot(
        title=title,
        note=note,
        curves=curves,
        x_ticks=[Tick(_x(most * i / 4, most), f"{round(most * i / 4):,}") for i in range(5)],
        y_ticks=[Tick(_y(step, lowest, top), words(step)) for step in steps],
    )


def _curve(
    one: Series,
    style: str,
    xs: Sequence[int],
    most: int,
    lowest: float,
    top: float,
    words: Callable[[float], str],
) -> Curve:
    parts: list[str] = []
    end: tuple[float, float] | None = None
    last: float | None = None
    pen = False
    for x, value in zip(xs, one.values, strict=True):
        if value is None:
            pen = False
            continue
        at = _x(x, most), _y(value, lowest, top)
        if pen and one.steps and end is not None:
            parts.append(f"L{at[0]:.1f},{end[1]:.1f}")
        parts.append(f"{'L' if pen else 'M'}{at[0]:.1f},{at[1]:.1f}")
        pen, end, last = True, at, value
    return Curve(one.name, style, "".join(parts), end, "-" if last is None else words(last))


def rounded_up(value: float) -> float:
    """The next of 1, 2, 4, 6, 8 or 10 times a power of ten, so that quarters are round.

    >>> rounded_up(0.013), rounded_up(0.3), rounded_up(1.0)
    (0.02, 0.4, 1.0)
    """
    power = 10.0 ** math.floor(math.log10(value))
    return next(round(step * power, 10) for step in (1, 2, 4, 6, 8, 10) if step * power >= value - 1e-9)


def share(value: float) -> str:
    """In percent, with three digits that count.

    >>> share(0.06849), share(1.0), share(0.0)
    ('6.85 %', '100 %', '0 %')
    """
    return f"{value * 100:.3g} %"


def score(value: float) -> str:
    """A threshold."""
    return f"{value:.3f}"


def whole(value: float) -> str:
    """A count."""
    return f"{round(value):,}"


def _x(value: float, most: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * value / most, 1)


def _y(value: float, lowest: float, top: float) -> float:
    inside = (min(max(value, lowest), top) - lowest) / (top - lowest)
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * inside, 1)
