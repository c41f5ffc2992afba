"""How the clients of a transactional source are set up: each setting with its reason."""

from __future__ import annotations

import warnings
from typing import Any

from app.stream.connection import MAX_MESSAGE_BYTES, PARTITIONER
from app.stream.lag import INTERVAL_MS

# Closed while the broker is away: nobody has to act on it, as whoever has its id next ends what is open.
warnings.filterwarnings("ignore", "Producer abort_transaction failed during close", RuntimeWarning)


def consumer_settings(
    *, group: str, member: str, session_timeout_ms: int, max_poll_interval_ms: int
) -> dict[str, Any]:
    """Of a static member that reads what is committed and leaves offsets to the producer."""
    return {
        "statistics.interval.ms": INTERVAL_MS,
        "group.id": group,
        "group.instance.id": member,
        "group.protocol": "classic",  # with the new protocol a static member got stuck for ever
        # Whole assignments only: with the incremental one, a static member that was killed between
        # the two halves of a rebalance left partitions that nobody owned (docs/decisions/019).
        "partition.assignment.strategy": "roundrobin",
        "session.timeout.ms": session_timeout_ms,
        "heartbeat.interval.ms": min(1500, session_timeout_ms // 3),
        "max.poll.interval.ms": max(max_poll_interval_ms, session_timeout_ms),
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "fetch.wait.max.ms": 10,
        "fetch.queue.backoff.ms": 2,
        # Read ahead by a few batches, not by the default 64 MiB: a worker has several sources,
        # and one that lags must not grow.
        "queued.max.messages.kbytes": 8192,
    }


def producer_settings(*, member: str, transaction_timeout_ms: int) -> dict[str, Any]:
    """Of a transactional producer whose id is its member's, so that it ends what its predecessor began."""
    return {
        "transactional.id": member,
        "transaction.timeout.ms": transaction_timeout_ms,
        "message.timeout.ms": transaction_timeout_ms,
        "message.max.bytes": MAX_MESSAGE_BYTES,
        # The next transaction's first call meets CONCURRENT_TRANSACTIONS while the last one's
        # markers are written, and sleeps this long: 2 ms instead of 100.
        "retry.backoff.ms": 2,
        # Few large requests cost the broker and the client half of what many small ones do. A small batch is
        # sent by its commit, a round trip later than with 1: no difference in the p99 of `make bench`.
        "linger.ms": 50,
        # What was delivered is known from the commit: a report for each record costs only time.
        "delivery.report.only.error": True,
        "partitioner": PARTITIONER,
    }
