"""My numbers, day by day: how much was answered, and how much of it as the AI recommended."""

from __future__ import annotations

import re
from types import SimpleNamespace

import msgspec

from app.console.app import create_console
from app.domain.quality.figures import DayCount, ReviewerFigures
from app.domain.quality.snapshot import Snapshot

DAY = 86_400_000


def test_each_day_says_how_often_one_was_of_the_ais_opinion(house):
    first = house.clock() // DAY * DAY - 2 * DAY
    days = tuple(
        DayCount(day=first + i * DAY, answered=answered, agreed=agreed)
        for i, (answered, agreed) in enumerate(((8, 8), (0, 0), (10, 7)))
    )
    figures = ReviewerFigures(name="ann", answered=18, agreed=15, days=days)
    snapshot = Snapshot(caught_up=True, reviewers={"ann": figures})
    house.parts = msgspec.structs.replace(house.parts, ledger=SimpleNamespace(snapshot=lambda: snapshot))
    house.app = create_console(house.parts)
    text = house.signed_in("ann").get("/me", headers={"Accept": "text/html"}).text
    table = text[text.index("<caption>Answers by day") :]
    rows = re.findall(r"<tr><th scope=\"row\">[^<]*</th>(.*?)</tr>", table[: table.index("</table>")])
    assert [re.sub(r"<[^>]*>", " ", row).split() for row in rows] == [
        ["8", "8", "100", "%"],
        ["0", "0"],
        ["10", "7", "70", "%"],
    ]
