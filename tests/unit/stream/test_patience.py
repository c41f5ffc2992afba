"""A call of a client that never returns is seen from outside, whatever the call."""

from __future__ import annotations

import time
from typing import Any

import pytest

from app.stream.connection import Connection
from app.stream.patience import Patience
from app.stream.transactions import TransactionalClient


class Clock:
    """Seconds that pass only when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def test_a_call_counts_as_hung_from_when_it_should_have_returned(clock: Clock) -> None:
    patience = Patience("m", lambda _reason: None)
    with patience.watched():
        clock.now += 0.9
        assert patience.hung_for() == 0.0
        clock.now += 21.1
        assert patience.hung_for() == pytest.approx(21.0)
    assert patience.hung_for() == 0.0


@pytest.mark.parametrize("name", ["_consumer", "_producer"])
def test_leaving_is_watched(clock: Clock, name: str) -> None:
    client = TransactionalClient(
        Connection(bootstrap_servers="nowhere"), app="t", name="copy", slot="0", topics=["in"]
    )
    seen: list[float] = []

    class Hanging:
        def close(self) -> None:
            clock.now += 31.0
            seen.append(client.patience.hung_for())

    hanging: Any = Hanging()
    setattr(client, name, hanging)
    client.close()
    assert seen == [30.0]
