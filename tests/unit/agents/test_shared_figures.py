"""What the log has when the queues can not be read."""

import asyncio
from types import SimpleNamespace

from app.agents import shared_figures
from app.agents.shared_figures import SharedFigures
from app.domain.working_time import Calendar
from app.review_queue.errors import StoreUnavailableError
from app.review_queue.figures import QueueFigures, StoreFigures
from app.telemetry import catalogue as c
from app.telemetry.gauges import Gauges

HOUR = 3_600_000
OFFICE = Calendar(zone="UTC", week=5 * (((540, 1020),),) + 2 * ((),))  # 9 to 17, Monday to Friday
MONDAY_8 = 1_772_438_400_000  # 2026-03-02T08:00:00Z


def test_an_outage_is_said_once_and_its_end_too(monkeypatch):
    said, looks = [], [None, "away", "away", "away", None, None, "away"]

    def read():
        if looks and looks.pop(0) == "away":
            raise StoreUnavailableError("away")

    def warning(text, **fields):
        said.append((text, fields))

    async def look():
        figures = SharedFigures(
            SimpleNamespace(read=read), Gauges([]), None, lambda: None, None, None, lambda: 0
        )
        await figures.start()
        while looks:
            await asyncio.sleep(0)
        await figures.stop()

    nobody = SimpleNamespace(start=lambda: None, stop=lambda: None, caught_up=False)
    monkeypatch.setattr(shared_figures, "Follower", lambda *_: nobody)
    monkeypatch.setattr(shared_figures, "SECONDS", 0)
    monkeypatch.setattr(shared_figures, "log", SimpleNamespace(warning=warning))
    asyncio.run(look())
    away, back = "the queues can not be read until this is over", "the queues can be read again"
    assert [text for text, _ in said][:3] == [away, back, away]
    assert [fields for _, fields in said][:2] == [{"outage": "away"}, {}]


def test_an_age_is_in_the_time_in_which_the_promise_is_made(monkeypatch):
    """What came on Friday afternoon, with eight hours of office time, is not late on Saturday."""
    shown = []
    queue = QueueFigures(
        pool="finance", depth={}, oldest={"office": 64 * HOUR, "always": 64 * HOUR, "none": 0},
        overdue=0, unpublished=0, broken=0, reviewers=0,
    )  # fmt: skip
    found = StoreFigures(queues=[queue], seconds=0.0, memory=None, clients=None)
    policy = SimpleNamespace(calendars={"office": OFFICE, "none": OFFICE}, terms={})

    async def look():
        gauges = SimpleNamespace(replace=shown.append)
        figures = SharedFigures(
            SimpleNamespace(read=lambda: found), gauges, SimpleNamespace(show=lambda _figures: None),
            lambda: policy, None, None, lambda: MONDAY_8,
        )  # fmt: skip
        await figures.start()
        while not shown:
            await asyncio.sleep(0)
        await figures.stop()

    nobody = SimpleNamespace(start=lambda: None, stop=lambda: None, caught_up=False)
    monkeypatch.setattr(shared_figures, "Follower", lambda *_: nobody)
    asyncio.run(look())
    ages = {one.labels: one.value for one in shown[0] if one.metric is c.QUEUE_OLDEST}
    hour = HOUR / 1000
    assert ages == {
        ("finance", "office"): hour,  # of the 64 since Friday, 16:00
        ("finance", "always"): 64 * hour,
        ("finance", "none"): 0,
    }
