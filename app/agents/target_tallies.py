"""What a worker counted for the targets, on its way to the store every few seconds."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from mode import Service

from app.agents.store import ask_store
from app.review_queue.tallies import Tallies
from app.stream.errors import TransientError
from app.telemetry.metrics import WorkerMetrics

log = structlog.get_logger("hitl.figures")

SECONDS = 5.0


class TargetTallies(Service):
    """Every worker runs one. What waits when the process is killed is lost, a few seconds' worth: these are
    figures for people, not records."""

    def __init__(self, metrics: WorkerMetrics, tallies: Tallies, clock: Callable[[], int]) -> None:
        super().__init__()
        self._metrics = metrics
        self._tallies = tallies
        self._clock = clock

    @property
    def label(self) -> str:
        """Its name in the log."""
        return "target tallies"

    async def on_start(self) -> None:
        """Begin."""
        self.add_future(self._run())

    async def on_stop(self) -> None:
        """The last few seconds."""
        await self._send()

    async def _run(self) -> None:
        while not self.should_stop:
            await self.sleep(SECONDS)
            await self._send()

    async def _send(self) -> None:
        sums = self._metrics.take_sums()
        if not sums:
            return
        try:
            await ask_store(self._tallies.add, sums, self._clock())
        except TransientError as outage:
            self._metrics.keep_sums(sums)
            log.debug("added later", outage=str(outage))
