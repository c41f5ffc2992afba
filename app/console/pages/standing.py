"""How a review stands against its deadline, in words and a mark. Pure; times are ms UTC."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from app.domain import words
from app.domain.review import Review, ReviewState
from app.policy.sla import SlaTerms

_MINUTE = 60_000


class Standing(msgspec.Struct, frozen=True):
    """``mark`` names look and icon: ``late``, ``risk``, ``time``, ``paused`` or ``none``. ``until`` is the
    moment that is counted down to, for the page to go on counting."""

    mark: str
    text: str
    until: int | None = None
    risk_from: int | None = None

    @property
    def urgent(self) -> bool:
        """Late, or soon to be."""
        return self.mark in ("late", "risk")


def standing(review: Review, now: int, sla_classes: Mapping[str, SlaTerms]) -> Standing:
    """Where the review stands at ``now``.

    At risk begins where the share of the time that the policy gives is used up, counted back from the
    deadline, so that pauses are left out."""
    if review.state is ReviewState.DECIDED:
        return Standing("none", "answered")
    if review.state is ReviewState.WAITING:
        return Standing("paused", "clock stopped: waiting for information")
    if review.deadline is None:
        return Standing("none", "no deadline")
    risk_from = _risk_from(review, sla_classes.get(review.sla_class))
    left = review.deadline - now
    if left <= 0:
        return Standing("late", f"late by {spoken(left)}", review.deadline, risk_from)
    mark = "risk" if risk_from is not None and now >= risk_from else "time"
    return Standing(mark, f"{spoken(left)} left", review.deadline, risk_from)


def _risk_from(review: Review, terms: SlaTerms | None) -> int | None:
    if terms is None or review.deadline is None:
        return None
    return review.deadline - (terms.duration - terms.at_risk_after)


def spoken(milliseconds: int) -> str:
    """A duration as one says it: minutes, not seconds, unless that is all there is.

    >>> spoken(12 * 60_000 + 700), spoken(45_000), spoken(3_600_000 * 26), spoken(-61_000)
    ('12 minutes', '45 seconds', '1 day 2 hours', '1 minute')
    """
    size = abs(milliseconds)
    return words.duration(size - size % _MINUTE if size >= _MINUTE else size)
