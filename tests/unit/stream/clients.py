"""A client of Kafka for sources in tests that need no broker: everything is committed."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from app.stream.batch import Batch
from app.stream.records import Outgoing


class WillingClient:
    """All but ``next_batch``, which says what a test is about."""

    def __init__(self) -> None:
        self.limits = SimpleNamespace(too_large=lambda _record: False)
        self.patience = SimpleNamespace(hung_for=lambda: 0.0, stop_by=lambda _seconds: None)

    def open(self) -> None: ...

    def close(self) -> None: ...

    def commit(self, _batch: Batch, _outgoing: Sequence[Outgoing]) -> None: ...
