"""Whether this worker's clock is right: compared with the store's, which all workers share."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from mode import Service

from app.agents.store import ask_store
from app.review_queue.store import Client, clock_of
from app.stream.errors import TransientError
from app.telemetry import catalogue as c
from app.telemetry.gauges import Gauges

log = structlog.get_logger("hitl.figures")

SECONDS = 5.0


class ClockWatch(Service):
    """Every worker runs one: leases and deadlines go by the clock of whoever looks at them. ``clock`` is ms
    UTC. During an outage the last skew stays: a clock does not change by that."""

    def __init__(self, client: Client, gauges: Gauges, clock: Callable[[], int]) -> None:
        super().__init__()
        self._client = client
        self._gauges = gauges
        self._clock = clock

    @property
    def label(self) -> str:
        """Its name in the log."""
        return "clock"

    async def on_start(self) -> None:
        """Begin."""
        self.add_future(self._run())

    async def _run(self) -> None:
        while not self.should_stop:
            try:
                self._gauges.set(c.CLOCK_SKEW, await ask_store(self._skew))
            except TransientError as outage:
                log.debug("compared again later", outage=str(outage))
            await self.sleep(SECONDS)

    def _skew(self) -> float:
        """Seconds ahead of the store, behind when negative; wrong by half the time of the answer at most."""
        before = self._clock()
        there = clock_of(self._client)
        return ((before + self._clock()) / 2 - there) / 1000
