"""A worker's clock beside the store's."""

import asyncio

import pytest
import redis

from app.agents import clock_watch
from app.agents.clock_watch import ClockWatch
from app.telemetry import catalogue as c
from app.telemetry.gauges import Gauges


class Store:
    """Knows the time for so many looks; then it is away."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.away = False

    def execute_command(self, *command):
        assert command == ("TIME",)
        if self.answers:
            return self.answers.pop(0)
        self.away = True
        raise redis.ConnectionError("away")


def shown(store, *moments):
    """The skew when the store has gone away. ``moments`` are what our clock says, the last one for ever."""
    gauges, times = Gauges([c.CLOCK_SKEW]), list(moments)

    async def look():
        watch = ClockWatch(store, gauges, lambda: times.pop(0) if len(times) > 1 else times[0])
        await watch.start()
        while not store.away:
            await asyncio.sleep(0)
        await watch.stop()

    asyncio.run(look())
    [family] = gauges.collect()
    return [sample.value for sample in family.samples]


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """One look after the other."""
    monkeypatch.setattr(clock_watch, "SECONDS", 0)


@pytest.mark.parametrize(
    ("asked_at", "told_at", "skew"), [(3_601_400, 3_601_600, 3600.0), (500, 700, -0.9), (1_400, 1_600, 0.0)]
)
def test_the_skew_is_measured_at_half_the_way_and_stays_while_the_store_is_away(asked_at, told_at, skew):
    assert shown(Store((1, 500_000)), asked_at, told_at) == [skew]


def test_before_the_first_answer_nothing_is_said():
    assert shown(Store(), 1_000) == []
