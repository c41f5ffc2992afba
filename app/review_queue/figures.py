"""How the queues stand, for metrics: read by one process at a time, a few commands a pool."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from app.domain.review import ReviewState
from app.review_queue import keys as names
from app.review_queue.keys import Keys
from app.review_queue.store import Client, Script, reachable

STATES = (ReviewState.OPEN, ReviewState.CLAIMED, ReviewState.WAITING)
LEASE_MS = 20_000
"""After so long another process reads, if the one that did is gone."""
MOST_HOLDERS = 1000
"""Claims a pool that are looked at to count people; nobody holds many."""


class QueueFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One pool at this moment. ``depth`` by SLA class and state; ``oldest`` by SLA class: for how many ms its
    oldest undecided review has been there, 0 without one; ``reviewers`` hold at least one review."""

    pool: str
    depth: Mapping[tuple[str, str], int]
    oldest: Mapping[str, int]
    overdue: int
    unpublished: int
    broken: int
    reviewers: int


class StoreFigures(msgspec.Struct, frozen=True, kw_only=True):
    """All pools, and the store itself. ``seconds`` is what one look took; what the store does not tell (its
    access rules may refuse) is ``None``."""

    queues: Sequence[QueueFigures]
    seconds: float
    memory: int | None
    clients: int | None


class FiguresReader:
    """Reads while it has the lease. ``name`` must be another one in each process; ``classes`` gives the SLA
    classes of the policy in force, ``clock`` ms UTC."""

    def __init__(
        self,
        client: Client,
        keys: Keys,
        pools: Callable[[], Sequence[str]],
        classes: Callable[[], Sequence[str]],
        *,
        name: str,
        clock: Callable[[], int],
    ) -> None:
        self._client = client
        self._keys = keys
        self._pools = pools
        self._classes = classes
        self._name = name
        self._clock = clock
        self._lease = Script("read_lease")

    def read(self) -> StoreFigures | None:
        """Every pool, or ``None`` while another process reads. O(log n) a pool, three round trips. Raises
        ``StoreUnavailableError``."""
        started = time.monotonic()
        with reachable:
            if not self._lease.run(self._client, self._keys.reader(), (self._name, LEASE_MS)):
                return None
            queues = [self._queue(pool) for pool in self._pools()]
            seconds = time.monotonic() - started
            pipe = self._client.pipeline(transaction=False)
            pipe.execute_command("INFO", "memory")
            pipe.execute_command("INFO", "clients")
            memory, clients = pipe.execute(raise_on_error=False)
        return StoreFigures(
            queues=queues,
            seconds=seconds,
            memory=_told(memory, "used_memory"),
            clients=_told(clients, "connected_clients"),
        )

    def _queue(self, pool: str) -> QueueFigures:
        key, now = self._keys.pool, self._clock()
        had = self._client.execute_command("SRANDMEMBER", key(pool, names.CLASSES), names.MOST_CLASSES)
        classes = sorted({*self._classes(), *(member.decode() for member in had)})
        shelves = [(name, state.value) for name in classes for state in STATES]
        pipe = self._client.pipeline(transaction=False)
        for name, state in shelves:
            shelf = key(pool, names.UNDECIDED, f"{name}:{state}")
            pipe.execute_command("ZCARD", shelf)
            pipe.execute_command("ZRANGE", shelf, 0, 0, "WITHSCORES")
        pipe.execute_command("ZCOUNT", key(pool, names.DEADLINES), "-inf", f"({now}")
        pipe.execute_command("XLEN", key(pool, names.OUTBOX))
        pipe.execute_command("XLEN", key(pool, names.BROKEN))
        pipe.execute_command("ZRANGE", key(pool, names.LEASES), 0, MOST_HOLDERS - 1)
        *shelved, overdue, unpublished, broken, claimed = pipe.execute()
        counts = dict(zip(shelves, shelved[0::2], strict=True))
        oldest = dict.fromkeys(classes, 0)
        for (name, _), first in zip(shelves, shelved[1::2], strict=True):
            if first:
                oldest[name] = max(oldest[name], now - int(first[1]))
        return QueueFigures(
            pool=pool,
            depth=counts,
            oldest=oldest,
            overdue=overdue,
            unpublished=unpublished,
            broken=broken,
            reviewers=self._holders(pool, claimed),
        )

    def _holders(self, pool: str, claimed: Sequence[bytes]) -> int:
        pipe = self._client.pipeline(transaction=False)
        for review in claimed:
            pipe.execute_command("HGET", self._keys.pool(pool, names.REVIEW, review.decode()), "holder")
        return len({holder for holder in pipe.execute() if holder}) if claimed else 0


def _told(answer: Any, field: str) -> int | None:  # noqa: ANN401 - an INFO, or the refusal of one
    return int(answer[field]) if isinstance(answer, dict) and field in answer else None
