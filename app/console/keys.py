"""Every key of the console in the store: what it is, how long it lives and why.

Each key has a hash tag of its own kind; a Lua call of the console touches the keys of one tag only.
"""

from __future__ import annotations

import hashlib

SESSION = "session:"
"""+ SHA-256 of the session id, hash: who, since when, CSRF token. TTL: the idle timeout, renewed by each
request, never beyond the absolute one. The id itself is only in the browser: whoever reads the store
can not take over a session."""
SESSIONS_OF = "sessions-of:"
"""+ person, set of the hashes above: to end all of them at once. TTL: as long as the
longest of them may still run."""
BUCKET = "bucket:"
"""+ SHA-256 of whom it limits, hash: a token bucket. TTL: the time in which it is full again, and a full
bucket is as good as none."""
IDEMPOTENT = "idempotent:"
"""+ SHA-256 of who and key, hash: a request's fingerprint and its answer. TTL: the policy's
`answers_kept`; a minute while the request is worked on."""
PENDING = "sign-in:"
"""+ SHA-256 of the state, string: a sign-in under way at the identity provider. TTL: the policy's
`sign_in_time`; read once."""
SUBMISSION = "submission:"
"""+ SHA-256 of the decision id, hash: who handed it in by the API, what (``app.domain.progress.Submission``),
and whether it is in the log. TTL: the policy's memory of decisions."""

DUE = "due:"
"""+ receiver, sorted set of messages to a webhook, by the time of the next attempt. Bounded by the policy's
`most_waiting`. No TTL: at least once."""
DELIVERY = "delivery:"
"""+ delivery id, hash: such a message. Goes when it was delivered or given up."""
RECEIVERS = "receivers"
"""Set of the receivers that ever had a message; a handful. One that left the policy goes with its last."""
RECEIVER = "receiver:"
"""+ receiver, hash: failures in a row, until when it rests, why, and what arrived or was given up."""
DEAD = "dead"
"""List of messages that were given up, newest first, bounded; for `hitl doctor` and whoever repairs."""


def hashed(secret: str) -> str:
    """What stands in a key instead of a secret.

    >>> hashed("abc")[:12]
    'ba7816bf8f01'
    """
    return hashlib.sha256(secret.encode()).hexdigest()


class ConsoleKeys:
    """Key names under one prefix, the topic prefix."""

    def __init__(self, prefix: str = "") -> None:
        self._root = f"{prefix}hitl:"

    def sessions(self, name: str = "", item: str = "") -> str:
        """A key of the sessions; without a name, what all of them begin with (KEYS[1] of their scripts)."""
        return f"{self._root}{{sessions}}:{name}{item}"

    def bucket(self, kind: str, whom: str) -> str:
        """The bucket of whoever is limited."""
        digest = hashed(f"{kind}\n{whom}")
        return f"{self._root}{{{digest[:16]}}}:{BUCKET}{digest}"

    def idempotent(self, whom: str, key: str) -> str:
        """Where the answer to an idempotency key is kept; ``whom`` keeps people apart."""
        digest = hashed(f"{whom}\n{key}")
        return f"{self._root}{{{digest[:16]}}}:{IDEMPOTENT}{digest}"

    def submission(self, decision_id: str) -> str:
        """Who handed a decision in."""
        digest = hashed(decision_id)
        return f"{self._root}{{{digest[:16]}}}:{SUBMISSION}{digest}"

    def pending(self, state: str) -> str:
        """A sign-in under way."""
        return f"{self._root}{{sign-in}}:{PENDING}{hashed(state)}"

    def presence(self, review_id: str) -> str:
        """Who has a case open, sorted set by when they were last seen. TTL: under a minute."""
        digest = hashed(review_id)
        return f"{self._root}{{{digest[:16]}}}:open:{digest}"

    def deliveries(self, name: str = "") -> str:
        """A key of the webhooks; without a name, what all of them begin with."""
        return f"{self._root}{{webhooks}}:{name}"
