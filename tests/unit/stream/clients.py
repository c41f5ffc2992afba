"""Sources in tests that need no broker, and a client of Kafka for them: everything is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from app.stream.batch import Batch
from app.stream.connection import Connection
from app.stream.dead_letters import DeadLetters
from app.stream.faust_app import HitlApp
from app.stream.records import Outgoing
from app.stream.source import TransactionalSource
from app.stream.work import Channel


class WillingClient:
    """All but ``next_batch``, which says what a test is about."""

    def __init__(self) -> None:
        self.limits = SimpleNamespace(too_large=lambda _record: False)
        self.patience = SimpleNamespace(hung_for=lambda: 0.0, stop_by=lambda _seconds: None)

    def open(self) -> None: ...

    def close(self) -> None: ...

    def commit(self, _batch: Batch, _outgoing: Sequence[Outgoing]) -> None: ...


class EndingClient(WillingClient):
    """Says when it has nothing more to hand out."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def end(self) -> None:
        """From the Kafka thread."""
        self._loop.call_soon_threadsafe(self.ended.set)


async def run_until_ended(app: HitlApp, client: EndingClient) -> None:
    """All that the client hands out."""
    await app.start()
    try:
        async with asyncio.timeout(180):
            await client.ended.wait()
    finally:
        await app.stop()


def source_with(client: object, channel: Channel, name: str = "decide", **more: Any) -> TransactionalSource:
    """A source that asks ``client`` instead of a broker."""
    source = TransactionalSource(
        Connection(bootstrap_servers="nowhere"),
        app="t",
        name=name,
        slot="0",
        topics=["in"],
        channel=channel,
        dead_letters=DeadLetters(lambda: 0, "0"),
        **more,
    )
    source.client = client  # type: ignore[assignment]
    return source
