"""What the console keeps to whatever the policy says: how its parts talk, each with its reason. In ms."""

from __future__ import annotations

import msgspec


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """Nobody decides otherwise because of these; a test passes its own."""

    max_body: int = 1024 * 1024
    """Largest request body in bytes. A decision may have 256 KiB, a batch of answers more."""
    answer_pending: int = 60_000
    """How long an Idempotency-Key counts as being worked on when no answer was stored: the process died."""
    heartbeat: int = 15_000
    """Pause after which a stream of events says that it is still there (proxies cut silent ones)."""
    look: int = 1_000
    """How often the revision of every pool is looked at while anybody listens."""
    follow: int = 250
    """How often the decisions that anybody waits for are looked at, in one round trip for all."""
    longest_wait: int = 60_000
    """Longest answer to a long-poll: proxies cut what is silent for longer."""
