"""What the log has when the queues can not be read."""

import asyncio
from types import SimpleNamespace

from app.agents import shared_figures
from app.agents.shared_figures import SharedFigures
from app.review_queue.errors import StoreUnavailableError
from app.telemetry.gauges import Gauges


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
