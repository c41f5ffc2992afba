"""The SLA ladder: what happens to a review while its time runs out. Pure.

At risk, a higher priority, the backup pools, a supervisor, the missed deadline, the deadline rule: each
once, in this order, and never before its time. The Lua script ``sla.lua`` takes the same steps inside
the store. Times are milliseconds UTC.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec

from app.domain.events import OnDeadline
from app.domain.review import QueueTerms, Review, ReviewState
from app.domain.review_steps import after, raised
from app.domain.working_time import Calendar, due, worked

CLOCK = "sla"
"""Who takes these steps, as the log names it."""


class Rung(IntEnum):
    """The steps of the ladder; ``Review.rung`` counts those that are done."""

    AT_RISK = 0
    """A share of the time is over. Only said."""
    RAISED = 1
    """It ranks earlier."""
    BACKUPS = 2
    """The people of the pool's backup pools may take it as well; whoever claims first has it."""
    SUPERVISOR = 3
    """It is the supervisors' now; who holds it may still answer."""
    MISSED = 4
    """The deadline passed. Counted then, not when somebody answers."""
    RULE = 5
    """The deadline rule: escalate, take the safe default, or hold."""


EVENTS = {
    Rung.AT_RISK: "sla_at_risk",
    Rung.RAISED: "sla_raised",
    Rung.BACKUPS: "offered_to_backups",
    Rung.SUPERVISOR: "sla_escalated",
    Rung.MISSED: "sla_missed",
    Rung.RULE: "deadline_rule",
}
"""What the log calls each step."""


class Ladder(msgspec.Struct, frozen=True):
    """Shares of the working time between request and deadline after which each step is due."""

    at_risk: float
    raised: float
    backups: float
    supervisor: float


def climb(
    requested_at: int,
    deadline: int | None,
    ladder: Ladder,
    calendar: Calendar | None,
    *,
    backups: bool,
) -> tuple[int, ...]:
    """When the four steps before the deadline are due; 0 is no such step, nothing at all without time.

    >>> climb(0, 1000, Ladder(0.75, 0.8, 0.85, 0.9), None, backups=False)
    (750, 800, 0, 900)
    """
    budget = 0 if deadline is None else worked(calendar, requested_at, deadline)
    if budget <= 0:
        return ()
    shares = (ladder.at_risk, ladder.raised, ladder.backups if backups else 0.0, ladder.supervisor)
    return tuple(due(calendar, requested_at, round(budget * share)) if share else 0 for share in shares)


def next_step(review: Review) -> tuple[Rung, int] | None:
    """The next step and when it is due, or ``None`` while there is none.

    A safe default waits while a person holds the review: work in hand is not thrown away.
    """
    if review.deadline is None or review.state not in (ReviewState.OPEN, ReviewState.CLAIMED):
        return None
    rung = review.rung
    while rung < Rung.MISSED and (rung >= len(review.ladder) or not review.ladder[rung]):
        rung += 1
    if rung > Rung.RULE or (rung == Rung.RULE and _in_hand(review)):
        return None
    return Rung(rung), review.ladder[rung] if rung < Rung.MISSED else review.deadline


def _in_hand(review: Review) -> bool:
    return review.state is ReviewState.CLAIMED and review.on_deadline is OnDeadline.SAFE_DEFAULT


def take_step(review: Review, now: int, terms: QueueTerms) -> Review | None:
    """The review after its next step, or ``None`` when none is due by now."""
    step = next_step(review)
    if step is None or step[1] > now:
        return None
    rung = step[0]
    changes: dict[str, object] = {"rung": rung + 1}
    if rung is Rung.RAISED:
        changes["urgency"] = review.urgency - terms.raise_boost
    elif rung is Rung.BACKUPS:
        changes["backups"] = True
    elif rung is Rung.RULE and review.on_deadline is OnDeadline.SAFE_DEFAULT:
        changes.update(state=ReviewState.DEFAULTED, decided_at=now)
    if rung is Rung.SUPERVISOR or (rung is Rung.RULE and review.on_deadline is OnDeadline.ESCALATE):
        review = raised(review, terms)
    return after(review, **changes)
