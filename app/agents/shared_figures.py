"""What all workers share - queues, pending feedback, the store - as metrics of the one that reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import structlog
from mode import Service

from app.agents.store import ask_store
from app.domain.pending_feedback import PendingFeedback
from app.domain.working_time import worked
from app.policy.compiled import CompiledPolicy
from app.review_queue.figures import FiguresReader, StoreFigures
from app.review_queue.tallies import Tallies
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.errors import DecodeError, TransientError
from app.stream.follower import Follower
from app.stream.records import Incoming
from app.stream.topics import Topic
from app.telemetry import catalogue as c
from app.telemetry.gauges import Gauges, Reading

log = structlog.get_logger("hitl.figures")

SECONDS = 5.0
"""Between two looks; Prometheus asks less often."""
FEEDBACK = (
    Topic.FEEDBACK_EXCEPTION_RULES,
    Topic.FEEDBACK_POLICY_UPDATES,
    Topic.FEEDBACK_COACHING,
    Topic.LEARNINGS_CHANGED,
)


class SharedFigures(Service):
    """Every worker runs one; all but one show nothing, so that no queue is counted twice."""

    def __init__(
        self,
        reader: FiguresReader,
        gauges: Gauges,
        tallies: Tallies,
        policy: Callable[[], CompiledPolicy],
        connection: Connection,
        codec: Codec,
        clock: Callable[[], int],
    ) -> None:
        super().__init__()
        self._reader = reader
        self._gauges = gauges
        self._tallies = tallies
        self._policy = policy
        self._codec = codec
        self._clock = clock
        self._pending = PendingFeedback()
        self._follower = Follower(connection, FEEDBACK, self._hear, lambda: None)

    @property
    def label(self) -> str:
        """Its name in the log."""
        return "figures"

    async def on_start(self) -> None:
        """Begin."""
        self._follower.start()
        self.add_future(self._run())

    async def on_stop(self) -> None:
        """End; another worker reads as soon as the lease is over."""
        self._gauges.replace(())
        self._follower.stop()

    async def _run(self) -> None:
        away = False
        while not self.should_stop:
            try:
                found = await ask_store(self._reader.read)
                readings = list(self._readings(found)) if found is not None else []
                self._gauges.replace(readings)
                if readings:
                    await ask_store(self._tallies.show, _for_targets(readings))
                if away:
                    log.warning("the queues can be read again")
                away = False
            except TransientError as outage:
                self._gauges.replace(())  # no figure is better than an old one
                if not away:
                    log.warning("the queues can not be read until this is over", outage=str(outage))
                away = True
            await self.sleep(SECONDS)

    def _hear(self, record: Incoming) -> None:
        try:
            self._pending.add(self._codec.decode(record.value))
        except DecodeError as error:
            log.debug("not counted", position=record.position, error=str(error))

    def _readings(self, found: StoreFigures) -> Iterator[Reading]:
        yield Reading(c.STORE_SECONDS, (), found.seconds)
        if found.memory is not None:
            yield Reading(c.STORE_MEMORY, (), found.memory)
        if found.clients is not None:
            yield Reading(c.STORE_CLIENTS, (), found.clients)
        now, calendars = self._clock(), self._policy().calendars
        for queue in found.queues:
            for (sla_class, state), depth in queue.depth.items():
                yield Reading(c.QUEUE_DEPTH, (queue.pool, sla_class, state), depth)
            for sla_class, age in queue.oldest.items():
                aged = worked(calendars.get(sla_class), now - age, now)
                yield Reading(c.QUEUE_OLDEST, (queue.pool, sla_class), aged / 1000)
            yield Reading(c.QUEUE_OVERDUE, (queue.pool,), queue.overdue)
            yield Reading(c.QUEUE_UNPUBLISHED, (queue.pool,), queue.unpublished)
            yield Reading(c.QUEUE_BROKEN, (queue.pool,), queue.broken)
            yield Reading(c.REVIEWERS, (queue.pool,), queue.reviewers)
        if self._follower.caught_up:
            oldest = self._pending.oldest()
            for decision_type in self._policy().terms:
                since = oldest.get(decision_type, now)
                yield Reading(c.FEEDBACK_OLDEST, (decision_type,), max(0, now - since) / 1000)


def _for_targets(readings: Iterable[Reading]) -> dict[str, float]:
    """The gauges that targets speak of: how many wait in all, and how long the oldest feedback has."""
    depth = sum(reading.value for reading in readings if reading.metric is c.QUEUE_DEPTH)
    ages = [reading.value for reading in readings if reading.metric is c.FEEDBACK_OLDEST]
    return {c.QUEUE_DEPTH.name: depth} | ({c.FEEDBACK_OLDEST.name: max(ages)} if ages else {})
