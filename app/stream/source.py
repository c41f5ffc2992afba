"""A batch of records from Kafka, through agents, back to Kafka, in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar

import structlog
from mode import Service

from app.stream.backoff import Backoff
from app.stream.batch import MOST, Batch, Listener
from app.stream.bisection import isolate
from app.stream.connection import Connection
from app.stream.dead_letters import DeadLetters
from app.stream.errors import FatalStreamError, StoppedError, TransientError
from app.stream.kafka_thread import KafkaThread
from app.stream.records import Incoming, Outgoing, Output
from app.stream.tracing import Tracing
from app.stream.transactions import TransactionalClient
from app.stream.work import Channel, StageError, Work

log = structlog.get_logger("hitl.stream")

R = TypeVar("R")


class Observer(Protocol):
    """Told what a source does; for metrics. Called on the event loop, except ``paused`` and
    ``resumed``, which an outage of the broker calls from the Kafka thread."""

    def batch_committed(self, records: int, seconds: float, events: Sequence[object]) -> None:
        """A transaction with so many input records took so long, agents included; this happened."""

    def batch_begun(self, topics: Collection[str]) -> None:
        """The agents have a batch with records of these topics."""

    def batch_ended(self) -> None:
        """They have it no more, whatever became of it."""

    def batch_aborted(self, reason: str) -> None:
        """A transaction was aborted; its records are read again."""

    def paused(self, reason: str) -> None:
        """Nothing can go on until an outage is over."""

    def resumed(self) -> None:
        """The outage is over."""

    def dead_letter(self, stage: str, reason: str) -> None:
        """A record was dead-lettered, committed."""

    def behind(self, lag: Mapping[str, tuple[int, float]]) -> None:
        """By topic, how many records wait and since when the oldest one does (s). From the Kafka thread."""


class NoObserver:
    """Nobody is told."""

    def batch_committed(self, records: int, seconds: float, events: Sequence[object]) -> None:
        """Nothing."""

    def batch_begun(self, topics: Collection[str]) -> None:
        """Nothing."""

    def batch_ended(self) -> None:
        """Nothing."""

    def batch_aborted(self, reason: str) -> None:
        """Nothing."""

    def paused(self, reason: str) -> None:
        """Nothing."""

    def resumed(self) -> None:
        """Nothing."""

    def dead_letter(self, stage: str, reason: str) -> None:
        """Nothing."""

    def behind(self, lag: Mapping[str, tuple[int, float]]) -> None:
        """Nothing."""


class _TooLarge(Exception):  # noqa: N818 - never leaves this module: the cause of a dead letter
    reason = "too_large"


class TransactionalSource(Service):
    """Feeds ``channel`` with one batch at a time as ``Work`` and commits what its ``done`` resolves to.

    Kafka's blocking calls run in one thread of the source's own, so that the event loop stays free and
    nothing is called from two threads. At most one batch is in flight. See docs/delivery.md for what is
    promised.

    Parameters beyond ``TransactionalClient``'s: ``channel`` of the first agent; ``dead_letters`` builds
    the records of topic ``deadletter``; ``observer`` for metrics; ``tracing`` for traces; ``rest`` is how
    long it waits after a batch that was not full, so that more records share the next transaction (0 where
    somebody waits for what comes out); ``drain_seconds`` is how long a stop waits for the batch in flight;
    ``patience_seconds`` how long a client's call may hang before the process is given up; ``draw`` gives the
    jitter of retries.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        app: str,
        name: str,
        slot: str,
        topics: Sequence[str],
        channel: Channel,
        dead_letters: DeadLetters,
        listener: Listener | None = None,
        observer: Observer | None = None,
        tracing: Tracing | None = None,
        backoff: Backoff | None = None,
        max_batch: int = MOST,
        rest: float = 0.0,
        session_timeout_ms: int = 10_000,
        transaction_timeout_ms: int = 15_000,
        max_poll_interval_ms: int = 60_000,
        drain_seconds: float = 5.0,
        patience_seconds: float = 20.0,
        draw: Callable[[], float] = random.random,
    ) -> None:
        super().__init__()
        self.client = TransactionalClient(
            connection,
            app=app,
            name=name,
            slot=slot,
            topics=topics,
            listener=listener,
            max_batch=max_batch,
            session_timeout_ms=session_timeout_ms,
            transaction_timeout_ms=transaction_timeout_ms,
            max_poll_interval_ms=max_poll_interval_ms,
            on_stall=self._on_stall,
            on_lag=self._on_lag,
        )
        self.name = name
        self._channel = channel
        self._dead_letters = dead_letters
        self._listener = listener
        self._observer = observer or NoObserver()
        self._tracing = tracing
        self._backoff = backoff or Backoff()
        self._max_batch = max_batch
        self._rest = rest
        self._drain_seconds = drain_seconds
        self._patience_seconds = patience_seconds
        self._draw = draw
        self._attempt = 0
        self._drained = asyncio.Event()
        self._kafka = KafkaThread(f"kafka-{name}")
        self._waiting: asyncio.Future[Output] | None = None

    @property
    def label(self) -> str:
        """Name in the service tree."""
        return f"source {self.name}"

    def fence(self) -> None:
        """Ahead of the start, and without waiting for it: end what older incarnations of this slot left."""
        self._kafka.begin(self.client.fence)

    def abandon(self) -> None:
        """End what ``fence`` began, where no start follows it; does not wait."""
        self.client.patience.stop_by(0.0)
        self._kafka.end()

    async def on_start(self) -> None:
        """Join the group once the agents are there to answer."""
        self._kafka.start()
        self.add_future(self._run())
        self.add_future(self._watch())

    async def on_stop(self) -> None:
        """Finish and commit the batch in flight, if it can be done in time; then leave the group."""
        self.client.patience.stop_by(self._drain_seconds)
        if self._hung():
            self._kafka.end()
            return
        try:
            async with asyncio.timeout(self._drain_seconds):
                await self._drained.wait()
        except TimeoutError:
            log.warning("stopped with a batch in flight; it will be read again", source=self.name)
            if self._waiting is not None:
                self._waiting.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._drain_seconds):
                await self._drained.wait()
        self._kafka.end()

    async def _run(self) -> None:
        try:
            await self._kafka.call(self.client.open)
            while not self.should_stop:
                taken = await self._next()
                if self._rest and 0 < taken < self._max_batch:
                    await self.sleep(self._rest)
        except StoppedError as stopped:
            log.warning("stopped during an outage; the batch will be read again", why=str(stopped))
        finally:
            # Even when this task is being cancelled: leave the group, unless the thread is lost.
            if not self._hung():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._drain_seconds):
                        await asyncio.shield(self._kafka.call(self.client.close))
            self._drained.set()

    async def _watch(self) -> None:
        """End the process when a call of the client hangs: nothing was committed, a new one goes on."""
        while not self.should_stop:
            await self.sleep(1.0)
            if not self._hung():
                continue
            await self.sleep(1.0)  # where the whole machine stood still, the call returns now
            if self._hung():
                raise FatalStreamError(
                    f"source {self.name}: a call did not return in {self._patience_seconds:g} s",
                    hint="the process must be restarted; records of the open transaction are read again",
                )

    def _hung(self) -> bool:
        return self.client.patience.hung_for() > self._patience_seconds

    async def _next(self) -> int:
        """How many records were taken. A frame of its own: nothing of a batch is left in memory while the
        next one is waited for."""
        batch = await self._kafka.call(self.client.next_batch)
        if batch is None:
            return 0
        self._observer.batch_begun({topic for topic, _ in batch.first})
        try:
            await self._process(batch)
        finally:
            self._observer.batch_ended()
        return len(batch.records)

    async def _process(self, batch: Batch) -> None:
        started = self.loop.time()
        trace = None if self._tracing is None else self._tracing.batch()
        output = await self._answered(batch)
        if output is None:
            return
        outgoing = output.outgoing if trace is None else trace.outgoing(output.outgoing)
        too_large = self.client.limits.too_large
        letters = [self._dead_letters.outgoing(letter, too_large=too_large) for letter in output.dead]
        aborted = await self._kafka.call(self.client.commit, batch, [*outgoing, *letters])
        if aborted is not None:
            log.info("transaction aborted, its records are read again", source=self.name, why=aborted.reason)
            self._observer.batch_aborted(aborted.reason)
            return
        # Only now: what was aborted counts nothing.
        self._observer.batch_committed(len(batch.records), self.loop.time() - started, output.events)
        if trace is not None:
            trace.committed()
        for letter in output.dead:
            log.error(
                "dead letter",
                position=letter.record.position,
                stage=letter.stage,
                reason=letter.reason,
                message=letter.message,
            )
            self._observer.dead_letter(letter.stage, letter.reason)

    async def _answered(self, batch: Batch) -> Output | None:
        """What the agents made of it, outages waited out; ``None`` when the batch had to be given up."""
        while True:
            try:
                output = await isolate(batch.records, self._ask)
            except TransientError as outage:
                if self._listener is not None:
                    await self._kafka.call(self._listener.aborted)
                if not await self._wait_out(outage) or self.should_stop:
                    await self._kafka.call(self.client.rewind, batch)
                    await self._kafka.call(self.client.release)
                    return None
            except asyncio.CancelledError:
                if self._waiting is None or not self._waiting.cancelled():
                    raise
                return None  # gave up at the end of the drain: nothing was begun
            else:
                await self._recovered()
                return output

    async def _ask(self, records: list[Incoming]) -> Output:
        done: asyncio.Future[Output] = self.loop.create_future()
        self._waiting = done
        await self._channel.put(Work(records, done))
        output = await done
        self._waiting = None
        for record in output.outgoing:
            if self.client.limits.too_large(record):
                raise StageError("publish", _TooLarge(_size_message(record)))
        return output

    async def _wait_out(self, outage: TransientError) -> bool:
        """One delay; after a few quick attempts with partitions paused, said once. False: batch lost."""
        self._attempt += 1
        delay = self._backoff.delay(self._attempt, self._draw)
        if self._attempt == self._backoff.quick + 1:
            log.warning("paused until it is over", source=self.name, outage=str(outage), hint=outage.hint)
            self._observer.paused(str(outage))
        return await self._kafka.call(self.client.hold, delay)

    async def _recovered(self) -> None:
        if not self._attempt:
            return
        attempts, self._attempt = self._attempt, 0
        await self._kafka.call(self.client.release)
        if attempts > self._backoff.quick:
            log.warning("resumed", source=self.name, attempts=attempts)
            self._observer.resumed()

    def _on_lag(self, lag: Mapping[str, tuple[int, float]]) -> None:
        self._observer.behind(lag)

    def _on_stall(self, reason: str | None) -> None:
        if reason is not None:
            log.warning("the broker does not answer; repeating until it does", source=self.name, why=reason)
            self._observer.paused(reason)
        else:
            log.warning("the broker answers again", source=self.name)
            self._observer.resumed()


def _size_message(record: Outgoing) -> str:
    return f"the record for {record.topic} has {len(record.value or b'')} bytes, more than the broker takes"
