"""How a review stands against its deadline, in words and a mark. Pure; times are ms UTC."""

from __future__ import annotations

import msgspec

from app.domain import words
from app.domain.review import OVER, Review, ReviewState

_MINUTE = 60_000


class Standing(msgspec.Struct, frozen=True):
    """``mark`` names look and icon: ``late``, ``risk``, ``time``, ``paused`` or ``none``. ``until`` is the
    moment that is counted down to and ``risk_from`` when the risk begins, for the page to go on counting."""

    mark: str
    text: str
    until: int | None = None
    risk_from: int | None = None

    @property
    def urgent(self) -> bool:
        """Late, or soon to be."""
        return self.mark in ("late", "risk")


def standing(review: Review, now: int) -> Standing:
    """Where the review stands at ``now``. At risk begins with the first step of its SLA ladder."""
    if review.state in OVER:
        return Standing("none", "answered" if review.state is ReviewState.DECIDED else "over")
    if review.state is ReviewState.WAITING:
        return Standing("paused", "clock stopped: waiting for information")
    if review.deadline is None:
        return Standing("none", "no deadline")
    risk_from = (review.ladder[0] or None) if review.ladder else None
    left = review.deadline - now
    if left <= 0:
        return Standing("late", f"late by {spoken(left)}", review.deadline, risk_from)
    mark = "risk" if risk_from is not None and now >= risk_from else "time"
    return Standing(mark, f"{spoken(left)} left", review.deadline, risk_from)


def spoken(milliseconds: int) -> str:
    """A duration as one says it: minutes, not seconds, unless that is all there is.

    >>> spoken(12 * 60_000 + 700), spoken(45_000), spoken(3_600_000 * 26), spoken(-61_000)
    ('12 minutes', '45 seconds', '1 day 2 hours', '1 minute')
    """
    size = abs(milliseconds)
    return words.duration(size - size % _MINUTE if size >= _MINUTE else size)
