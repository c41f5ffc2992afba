"""A review as the desk works on it: read once for each deed."""

from __future__ import annotations

import msgspec

from app.domain.authority import Matter
from app.domain.events import ReviewRequested
from app.domain.gold import masked
from app.domain.review import Review
from app.domain.terms import Terms
from app.review_queue.values import Entry, Lease


class ReviewCase(msgspec.Struct, frozen=True, kw_only=True):
    """``terms`` are those of the policy in force, ``None`` when the type has left it."""

    entry: Entry
    event: ReviewRequested | None
    """``None`` once the person whom it is about was erased: nobody can read the request any more."""
    matter: Matter
    terms: Terms | None
    erased: str = ""
    """When, by whom and why the person was erased."""

    @property
    def review(self) -> Review:
        """Its state when it was read; the queue has the last word."""
        return self.entry.review

    @property
    def package(self) -> dict[str, object]:
        """The context package; decoded anew each time. Of an erased person it has no more than the id."""
        if self.event is None:
            return {"erased": self.erased, "decision_required": {"decision_id": self.review.decision_id}}
        return msgspec.json.decode(self.event.request.package, type=dict[str, object])


def discreet(review: Review) -> Review:
    """What others voted is nobody's business before all have: independent answers only. An item with known
    truth looks like any other."""
    hidden = tuple(msgspec.structs.replace(vote, verdict="") for vote in review.votes)
    return masked(msgspec.structs.replace(review, votes=hidden) if hidden else review)


def leased(lease: Lease) -> Lease:
    """A lease as others may see it."""
    return msgspec.structs.replace(lease, review=discreet(lease.review))
