"""What a token may be used for. A scope only narrows: authority comes from the owner's profile."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """A part of the API."""

    READ = "read"
    """Look: queues, reviews, decisions, oneself."""
    REVIEW = "review"
    """Work on reviews: claim, answer, hand on."""
    LEAD = "lead"
    """Reassign, and see how others do."""
    SUBMIT = "submit"
    """Submit decisions, follow and withdraw them, report outcomes."""
    ADMIN = "admin"
    """Withdraw reviews."""


OF_PEOPLE = frozenset({Scope.READ, Scope.REVIEW, Scope.LEAD, Scope.ADMIN})
"""What somebody who signed in may use. Decisions come from programs, with a token."""
