"""Sources in tests that need no broker, and a client of Kafka for them: everything is committed."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from app.stream.batch import Batch
from app.stream.connection import Connection
from app.stream.dead_letters import DeadLetters
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
