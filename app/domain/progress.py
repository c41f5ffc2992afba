"""What whoever submitted a decision is told of it: where it stands, and the answer. Pure."""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

from app.domain.events import Resolution


class Status(StrEnum):
    """Where a decision stands."""

    SUBMITTED = "submitted"
    """In the log; not routed yet."""
    OPEN = "open"
    """A person has to decide and nobody has taken it."""
    CLAIMED = "claimed"
    """Somebody works on it."""
    WAITING = "waiting"
    """A reviewer asked for information; the SLA clock stands still."""
    ANSWERED = "answered"
    """Answered, and not final: the answer may still be taken back, or is on its way."""
    RESOLVED = "resolved"
    """There is a final answer."""
    WITHDRAWN = "withdrawn"
    """Taken back before anybody answered."""


FINAL = frozenset({Status.RESOLVED, Status.WITHDRAWN})
"""Nothing follows."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a reviewer asked. ``review_id`` and ``lease_epoch`` say which question an answer is for."""

    review_id: str
    lease_epoch: int
    text: str


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """A decision as its producer sees it. Times in ms UTC; ``level`` is there once it was routed."""

    decision_id: str
    status: Status
    received_at: int | None = None
    level: int | None = None
    deadline: int | None = None
    question: Question | None = None
    resolution: Resolution | None = None
    withdrawn_by: str = ""
    withdrawal_reason: str = ""

    @property
    def final(self) -> bool:
        """Whether nothing follows."""
        return self.status in FINAL


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """Who handed a decision in (``owner``), and what makes it that one; nothing says whom it is about.
    ``digest`` is of the whole content, ``at`` in ms UTC."""

    owner: str
    identity: str
    digest: str
    at: int


class Routed(msgspec.Struct, frozen=True, kw_only=True):
    """The decision that was routed under an id: who submitted it, and which one it is."""

    submitted_by: str
    identity: str


def identity_of(decision_id: str, decision_type: str, subject: str, submitted_by: str) -> str:
    """Tells two decisions apart that somebody gave the same id."""
    parts = "\x1f".join((decision_id, decision_type, subject, submitted_by))
    return hashlib.sha256(parts.encode()).hexdigest()
