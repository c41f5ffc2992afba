"""How the console guards its door: every number, with its reason. Durations in ms."""

from __future__ import annotations

import msgspec

MINUTE = 60_000
HOUR = 60 * MINUTE


class Allowance(msgspec.Struct, frozen=True):
    """A bucket of ``burst`` tokens that gains one every ``every`` ms."""

    burst: int
    every: int


class ConsoleTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The defaults suit an office; a test passes its own."""

    idle: int = 30 * MINUTE
    """A session ends after this long without a request. An open page sends heartbeats while it is used."""
    absolute: int = 12 * HOUR
    """A session ends this long after the sign-in, whatever happens: a working day."""
    pending_sign_in: int = 10 * MINUTE
    """How long a sign-in page, or a sign-in at the identity provider, may take."""
    sign_in_by_account: Allowance = Allowance(burst=10, every=30_000)
    """Password guesses against one account, from anywhere. A right password fills the bucket again."""
    sign_in_by_address: Allowance = Allowance(burst=30, every=2_000)
    """Password guesses from one address: an office behind one address signs in every morning."""
    writes: Allowance = Allowance(burst=120, every=250)
    """Changes by one session or token: far more than hands can do, far less than a runaway script."""
    max_body: int = 1024 * 1024
    """Largest request body in bytes. A decision may have 256 KiB, a batch of answers more."""
    idempotency: int = 24 * HOUR
    """How long the answer to an ``Idempotency-Key`` is kept."""
    idempotency_pending: int = MINUTE
    """How long a key counts as being worked on when no answer was stored: the process died."""
    heartbeat: int = 15_000
    """Pause after which a stream of events says that it is still there (proxies cut silent ones)."""
    look: int = 1_000
    """How often the revision of every pool is looked at while anybody listens."""
    streams: int = 8
    """Event streams that one session or token may have open at once: tabs."""
