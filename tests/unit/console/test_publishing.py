"""What the console publishes while the broker is away: one at a time finds out, and the others are told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from app.console.publishing import REST, EventPublisher
from app.domain.events import Record
from app.errors import HitlError
from app.stream.errors import BrokerUnreachableError
from tests.unit.domain import cases

EVENT = cases.routed(cases.decision(0.8)).scored


class Broker:
    """Counts who asks it; ``error`` is what it says."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: HitlError | None = None

    @contextmanager
    def connect(self) -> Iterator[Broker]:
        self.asked += 1
        yield self

    def write(self, _topic: str, _key: str, _event: Record, _trace: str = "") -> None:
        if self.error is not None:
            raise self.error

    def flush(self) -> None: ...


def test_after_a_failure_the_next_ones_are_told_at_once_and_soon_it_is_tried_again() -> None:
    broker, now = Broker(), [100.0]
    publisher = EventPublisher(broker.connect, timer=lambda: now[0])
    broker.error = BrokerUnreachableError("away")
    for _ in range(3):
        with pytest.raises(BrokerUnreachableError):
            publisher.publish("t", "k", EVENT)
    assert broker.asked == 1
    broker.error = None
    now[0] += REST
    publisher.publish("t", "k", EVENT)
    publisher.publish("t", "k", EVENT)
    assert broker.asked == 2


def test_a_record_that_can_not_be_written_keeps_nobody_else_waiting() -> None:
    broker = Broker()
    publisher = EventPublisher(broker.connect, timer=lambda: 100.0)
    broker.error = HitlError("no such field")
    with pytest.raises(HitlError):
        publisher.publish("t", "k", EVENT)
    broker.error = None
    publisher.publish("t", "k", EVENT)
    assert broker.asked == 2
