"""Who is given a review in a pool that hands its work out, instead of letting people take it. Pure.

An assignment is an offer to one person that ends: it is reserved for that person until a moment, and then
anybody's who may take it. A review is handed out once; what its person left lying is not given to the next
one to leave lying. Times are milliseconds UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from app.domain.authority import Deed, Matter, refused
from app.domain.people import Profile
from app.domain.review import ENDED, Refusal, Review, ReviewState
from app.domain.review_steps import after, takes_part


class PushTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How a pool hands its work out. ``reserve`` (ms): how long a review is kept for the person.
    ``most_reserved``: nobody has more waiting for them."""

    reserve: int
    most_reserved: int


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """What a person has in one pool: reviews in hand, reviews that wait for this person alone, when the
    person was last given one of the decision type (0: never), and until when a break lasts."""

    held: int = 0
    reserved: int = 0
    last_of_type: int = 0
    rests_until: int = 0


class Colleague(msgspec.Struct, frozen=True):
    """Somebody who may be asked, in every capacity that the person has (the own authority first)."""

    capacities: tuple[Profile, ...]
    work: Workload

    @property
    def name(self) -> str:
        """The account's name."""
        return self.capacities[0].name


def candidates(matter: Matter, people: Iterable[Colleague], terms: PushTerms, now: int) -> Sequence[str]:
    """Who may be given a review, the first choice first.

    Everybody who works in the pool, may decide the case, is not away, needs no break and has room. The
    least loaded comes first; among those, who has gone longest without a case of this type, so that
    nobody loses the skill; then the name, so that all workers choose alike.
    """
    fit = [one for one in people if _may_be_asked(one, matter, terms, now)]
    fit.sort(key=lambda one: (one.work.held + one.work.reserved, one.work.last_of_type, one.name))
    return [one.name for one in fit]


def _may_be_asked(one: Colleague, matter: Matter, terms: PushTerms, now: int) -> bool:
    return (
        any(matter.pool in capacity.pools for capacity in one.capacities)
        and one.work.reserved < terms.most_reserved
        and one.work.rests_until <= now
        and refused(one.capacities, Deed.CLAIM, matter, now) is None
    )


def assign(
    review: Review, to: str, until: int, *, reserved: int, most: int, siblings: Iterable[Review]
) -> Review | Refusal:
    """Reserve an open review for one person, who has ``reserved`` others waiting and may have ``most``."""
    refusal = _not_to_hand_out(review)
    if refusal:
        return refusal
    if reserved >= most:
        return Refusal.RESERVED_ENOUGH
    if takes_part(to, siblings, besides=review.review_id):
        return Refusal.NOT_DISTINCT
    return after(review, offered_to=to, reserved_until=until, assigned=True)


def _not_to_hand_out(review: Review) -> Refusal | None:
    if review.state in ENDED:
        return ENDED[review.state]
    if review.state is ReviewState.WAITING:
        return Refusal.WAITING
    if review.state is ReviewState.CLAIMED:
        return Refusal.ALREADY_CLAIMED
    if review.offered_to:
        return Refusal.OFFERED
    if review.tier:
        return Refusal.NOT_SUPERVISOR
    return Refusal.ASSIGNED_BEFORE if review.assigned else None


def unassign(review: Review) -> Review:
    """The time is over: anybody may take it, in its old place of the queue."""
    return after(review, offered_to="", reserved_until=0)
