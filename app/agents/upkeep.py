"""What runs beside the agents: answers on their way to Kafka, leases that have run out, the SLA clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog
from mode import Service

from app.agents.store import ask_store
from app.errors import ServiceUnreachableError
from app.policy.compiled import CompiledPolicy
from app.review_queue.errors import RefusedRecordsError
from app.review_queue.keys import Keys
from app.review_queue.outbox import OutboxRecord, OutboxRelay, Seal
from app.review_queue.store import Client
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.errors import TransientError
from app.stream.headers import answer_headers
from app.stream.producer import Publisher
from app.stream.records import Outgoing
from app.stream.tracing import Tracing

log = structlog.get_logger("hitl.upkeep")

LOOK_SECONDS = 0.05  # between two looks at an empty outbox: what an answer waits at most
OUTAGE_SECONDS = 1.0
LEASE_SECONDS = 1.0
SLA_SECONDS = 1.0  # how late a step of the ladder may be
ASSIGNMENT_SECONDS = 1.0  # how long a new review waits for its person
SETTLE_SECONDS = 0.5  # how much longer than the policy says an answer may be held


class RelayService(Service):
    """Publishes what the queue wrote to its outboxes. Several may run: each takes entries of its own."""

    def __init__(
        self,
        client: Client,
        keys: Keys,
        codec: Codec,
        policy: Callable[[], CompiledPolicy],
        connection: Connection,
        *,
        slot: str,
        clock: Callable[[], int],
        seal: Seal | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        super().__init__()
        self._seal = seal
        self._tracing = tracing
        self._client = client
        self._keys = keys
        self._codec = codec
        self._policy = policy
        self._connection = connection
        self._name = f"relay-{slot}"
        self._clock = clock
        self._ended = asyncio.Event()

    async def on_start(self) -> None:
        """Begin."""
        self.add_future(self._run())

    async def on_stop(self) -> None:
        """Finish the batch in hand; what is not acknowledged is published again by the next relay."""
        await asyncio.wait_for(self._ended.wait(), 10)

    async def _run(self) -> None:
        publisher = Publisher(self._connection, client_id=self._name)
        pools = self._policy().pool_names
        relay = self._relay(publisher, pools)
        away = False
        try:
            while not self.should_stop:
                if (named := self._policy().pool_names) != pools:
                    pools = named
                    relay = self._relay(publisher, pools)
                try:
                    relayed = await ask_store(relay.run_once)
                except (TransientError, ServiceUnreachableError) as outage:
                    if not away:
                        log.warning("answers wait in the outbox until this is over", outage=str(outage))
                    away = True
                    await asyncio.sleep(OUTAGE_SECONDS)
                    continue
                if away:
                    log.warning("answers are published again")
                    away = False
                if not relayed:
                    await asyncio.sleep(LOOK_SECONDS)
        finally:
            publisher.close()
            self._ended.set()

    def _relay(self, publisher: Publisher, pools: Sequence[str]) -> OutboxRelay:
        def publish(records: Sequence[OutboxRecord]) -> None:
            outgoing = [Outgoing(r.topic, r.key, r.value, r.headers, r.partition) for r in records]
            trace = None if self._tracing is None else self._tracing.batch()
            if trace is not None:
                outgoing = trace.outgoing(outgoing)
            failed = publisher.send(outgoing)
            if waiting := [one for one in failed if one.retriable]:
                raise TransientError(f"{len(waiting)} of {len(outgoing)} not delivered: {waiting[0].reason}")
            if failed:
                raise RefusedRecordsError({one.index: one.reason for one in failed})
            if trace is not None:
                trace.committed()

        return OutboxRelay(
            self._client,
            self._keys,
            pools,
            self._codec,
            publish,
            name=self._name,
            clock=self._clock,
            heading=answer_headers,
            seal=self._seal,
            encrypts=lambda: self._policy().encrypts,
            transient=(ServiceUnreachableError, TransientError),
        )


class PoolService(Service):
    """Takes what is due in each pool, a few steps at a time: the store serves others in between. Any
    number of workers may run one: a step is taken by whoever comes first, once.

    ``step`` is given a pool and returns what it did; it is called again until that is nothing."""

    def __init__(
        self,
        name: str,
        step: Callable[[str], Sequence[object]],
        policy: Callable[[], CompiledPolicy],
        *,
        seconds: float,
    ) -> None:
        super().__init__()
        self._name = name
        self._step = step
        self._policy = policy
        self._seconds = seconds

    @property
    def label(self) -> str:
        """Its name in the log."""
        return self._name

    async def on_start(self) -> None:
        """Begin."""
        self.add_future(self._run())

    async def _run(self) -> None:
        while not self.should_stop:
            try:
                for pool in self._policy().pool_names:
                    while await ask_store(self._step, pool) and not self.should_stop:
                        pass  # after an outage much is due
            except TransientError as outage:
                log.debug("goes on later", service=self._name, outage=str(outage))
            await self.sleep(self._seconds)
