"""Deadlines in words and marks."""

import itertools
from types import SimpleNamespace

import msgspec
import pytest

from app.console.pages.plots import column_chart, funnel_plot
from app.console.pages.standing import standing
from app.domain.quality.figures import Funnel, FunnelPoint
from app.domain.review import ReviewState

HOUR = 3_600_000


def review(**changes):
    shape = {"state": ReviewState.OPEN, "deadline": 24 * HOUR, "ladder": (18 * HOUR, 0, 0, 0)}
    return SimpleNamespace(**{**shape, **changes})


@pytest.mark.parametrize(
    ("now", "mark", "text"),
    [
        (0, "time", "1 day left"),
        (18 * HOUR - 1, "time", "6 hours left"),
        (18 * HOUR, "risk", "6 hours left"),
        (24 * HOUR, "late", "late by 0 seconds"),
        (26 * HOUR, "late", "late by 2 hours"),
    ],
)
def test_a_deadline_comes_closer(now, mark, text):
    found = standing(review(), now)
    assert (found.mark, found.text) == (mark, text)


@pytest.mark.parametrize(
    ("changes", "mark"),
    [
        ({"deadline": None}, "none"),
        ({"state": ReviewState.WAITING}, "paused"),
        ({"state": ReviewState.DECIDED}, "none"),
        ({"state": ReviewState.WITHDRAWN}, "none"),
        ({"ladder": ()}, "time"),
    ],
)
def test_where_no_clock_runs_nothing_is_late(changes, mark):
    assert standing(review(**changes), 20 * HOUR).mark == mark


def test_a_dot_outside_the_funnel_is_marked_and_stays_on_the_plot():
    points = (
        FunnelPoint(
            reviewer="ann", answers=9, observed=5, expected=5, ratio=1, z=0, lower=0, upper=2, flagged=False
        ),
        FunnelPoint(
            reviewer="dan",
            answers=9,
            observed=99,
            expected=9,
            ratio=11,
            z=9,
            lower=0,
            upper=1.9,
            flagged=True,
        ),
    )
    plot = funnel_plot(Funnel(points=points))
    assert [(dot.name, dot.outside) for dot in plot.dots] == [("ann", False), ("dan", True)]
    assert all(0 < dot.x < 640 and 0 < dot.y < 320 for dot in plot.dots)
    assert funnel_plot(Funnel()) is None


def test_names_of_a_crowd_stand_apart():
    """Forty people who are nearly alike and one who is not: no name across another or across a dot."""
    points = [
        FunnelPoint(
            reviewer=f"person-{i:02}",
            answers=200,
            observed=30,
            expected=30 + i % 9,
            ratio=0.9 + i % 11 / 60,
            z=0,
            lower=0.5,
            upper=1.5,
            flagged=False,
        )
        for i in range(40)
    ]
    points.append(msgspec.structs.replace(points[0], reviewer="outsider", ratio=0.95, flagged=True))
    dots = funnel_plot(Funnel(points=tuple(points))).dots
    boxes = [(dot.name, *written(dot)) for dot in dots if dot.label]
    boxes += [(f"dot {dot.name}", dot.x - 4, dot.x + 4, dot.y - 4, dot.y + 4) for dot in dots]
    for (one, left, right, top, bottom), (other, *box) in itertools.combinations(boxes, 2):
        if not (one.startswith("dot") and other.startswith("dot")):
            apart = right <= box[0] or box[1] <= left or bottom <= box[2] or box[3] <= top
            assert apart, (one, other)
    named = {name for name, *_ in boxes if not name.startswith("dot")}
    assert "outsider" in named, "who is outside the limits is named before anybody else"
    assert len(named) > 5


def written(dot):
    """Left, right, top and bottom of a name, 6.5 wide for each letter."""
    width = 6.5 * len(dot.name)
    left = dot.label.x - {"start": 0, "middle": width / 2, "end": width}[dot.label.anchor]
    return left, left + width, dot.label.y - 9, dot.label.y


def test_columns_fill_the_width():
    chart = column_chart([("a", 1.0), ("b", 4.0)])
    assert chart.columns[1].height == 4 * chart.columns[0].height
    assert column_chart([]) is None
