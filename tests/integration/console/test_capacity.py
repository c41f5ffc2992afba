"""The capacity page: what is expected, and whether the people who are named are enough."""

from __future__ import annotations

import re
from types import SimpleNamespace

import msgspec
import pytest

from app.console.app import create_console
from app.domain.quality.figures import HourCount, VolumeFigures
from app.domain.quality.forecast import HOUR
from app.domain.quality.snapshot import Snapshot


@pytest.fixture
def page(house):
    """``page(n)``: with so many decisions an hour, half of them for people."""

    def read(decisions: int) -> str:
        now = house.clock()
        first = now - now % HOUR - 336 * HOUR
        hours = tuple(
            HourCount(hour=first + i * HOUR, routed=decisions, automated=decisions // 2) for i in range(336)
        )
        volume = VolumeFigures(decision_type="expense.approval", hours=hours, automation_rate=0.5)
        snapshot = Snapshot(caught_up=True, volumes={"expense.approval": volume})
        house.parts = msgspec.structs.replace(house.parts, ledger=SimpleNamespace(snapshot=lambda: snapshot))
        house.app = create_console(house.parts)
        text = house.signed_in("cleo").get("/capacity", headers={"Accept": "text/html"}).text
        return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))

    return read


def test_a_pool_has_enough_people_or_it_says_how_many_are_missing(house, page):
    there = sum("finance" in who.pools for who in house.parts.directory.people.values())
    quiet, busy = page(2), page(1_000)
    assert re.search(rf"Finance team \S+ \S+ 1 {there} ✓ enough", quiet), quiet
    needed, missing = map(
        int, re.search(rf"Finance team \S+ \S+ (\d+) {there} ⚠ (\d+) too few", busy).groups()
    )
    assert missing == needed - there > 0
    assert f"{needed} people in the busiest hour" in busy
