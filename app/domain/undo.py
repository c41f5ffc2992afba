"""An answer that may be taken back for a moment: it is held, then settled, or undone. Pure.

While it is held the review is answered for everybody: nobody else can take it, the SLA clock is silent, and
the moment of the answer is what counts. Only what acts on the answer waits. Exactly one of the two happens
to a held answer: ``undo`` before ``Review.undo_until``, ``settle`` from then on. The Lua scripts ``undo.lua``
and ``settle.lua`` do the same inside the store. Times are milliseconds UTC.
"""

from __future__ import annotations

from app.domain.review import ENDED, Refusal, Review, ReviewState
from app.domain.review_steps import after

LONGEST = 300_000
"""The longest time in which an answer may be taken back: whoever acts on it waits as long."""

HELD = "answer_held"
"""What the log calls the step that gives such an answer; its detail is the answer."""
UNDONE = "answer_undone"
"""What the log calls the step that takes it back; its detail names the answer."""


def undo(review: Review, who: str, epoch: int, now: int, lease: int) -> Review | Refusal:
    """Take the own answer back: the review is in the same hands again, under a new epoch. It was claimed
    when it was claimed: what the person has read is read."""
    if review.state is not ReviewState.DECIDED:
        return ENDED.get(review.state, Refusal.NOT_ANSWERED)
    if review.holder != who:
        return Refusal.ALREADY_DECIDED
    if review.epoch != epoch:
        return Refusal.STALE_LEASE
    if now >= review.undo_until:
        return Refusal.UNDO_OVER
    return after(
        review,
        state=ReviewState.CLAIMED,
        epoch=review.epoch + 1,
        lease_until=now + lease,
        answer_id="",
        decided_at=0,
        undo_until=0,
    )


def settle(review: Review) -> Review:
    """The answer is final; who acts on it may know."""
    return after(review, undo_until=0)
