"""What a transaction is about: a batch of records, its end, and who keeps state beside it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import msgspec

from app.stream.records import Incoming, Partition

MOST = 2500
"""Records of a batch at most: what a transaction costs is shared by them, and they have to fit into memory
several times over (`python -m bench --only fused`)."""


class Batch(msgspec.Struct):
    """Records of one transaction with what is needed to commit them or to go back."""

    records: list[Incoming]
    first: dict[Partition, int]
    """Offset of the first record, for each partition."""
    next: dict[Partition, int]
    """Offset after the last record: what gets committed."""
    group: object
    """The consumer's group metadata right after these records were consumed: proof of membership."""
    assignment: int
    """Number of the assignment under which they were consumed."""


class Aborted(msgspec.Struct, frozen=True):
    """The transaction was aborted and the consumer has gone back; ``reason`` in few words."""

    reason: str


class Listener(Protocol):
    """Whoever keeps state beside a source. All calls come from the source's Kafka thread, while no
    batch is with the agents; what a handler computed counts only after ``committed``."""

    def assigned(self, partitions: Collection[Partition]) -> None:
        """These partitions are ours from now on: restore their state."""

    def revoked(self, partitions: Collection[Partition]) -> None:
        """These are no longer ours, given back or lost: drop their state."""

    def committed(self) -> None:
        """The batch's transaction is committed: pending state is now the state."""

    def aborted(self) -> None:
        """The batch counts for nothing, it will be read or asked again: drop pending state."""
