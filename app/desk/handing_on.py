"""Handing work on to others, and taking it away."""

from __future__ import annotations

import msgspec

from app.desk.authority import Authority
from app.desk.case import ReviewCase, discreet
from app.desk.errors import NotAllowedError
from app.domain.authority import Deed, Denial
from app.domain.people import Profile
from app.domain.review import Review, Reviewer


class HandingOn(Authority):
    """To supervisors, to one person, to nobody."""

    def escalate(self, who: Profile, review_id: str, epoch: int | None, reason: str = "") -> Review:
        """Hand it to the pool's supervisors."""
        return discreet(
            self._queue.escalate(review_id, self._admit(who, Deed.ESCALATE, review_id), epoch, reason=reason)
        )

    def delegate(self, who: Profile, review_id: str, to: str, epoch: int | None, reason: str = "") -> Review:
        """Offer it to one person, who must have the authority to decide it."""
        case = self._case(review_id)
        self._allow(who, Deed.DELEGATE, case)
        fit = self._fit(who, Deed.DELEGATE, case)
        if not any(c.delegates_to is None or to in c.delegates_to for c in fit):
            raise NotAllowedError(
                Denial(
                    "not_your_delegate", f"you may not hand work on to {to}", "see delegates_to in the policy"
                )
            )
        receiver = self._receiver(case, to)
        return discreet(
            self._queue.delegate(
                review_id, self._reviewer(who, case.review.pool), receiver, epoch, reason=reason
            )
        )

    def reassign(self, who: Profile, review_id: str, to: str, reason: str = "") -> Review:
        """A lead gives it to one person, also out of somebody's hands."""
        case = self._case(review_id)
        self._allow(who, Deed.REASSIGN, case)
        receiver = self._receiver(case, to)
        return discreet(
            self._queue.reassign(review_id, self._reviewer(who, case.review.pool), receiver, reason=reason)
        )

    def cancel(self, who: Profile, review_id: str, reason: str = "") -> Review:
        """Nobody needs the answer any more."""
        case = self._case(review_id)
        self._allow(who, Deed.CANCEL, case)
        reviewer = self._reviewer(who, case.review.pool)
        # An admin withdraws in every pool, and works in none of them by that.
        acting = msgspec.structs.replace(reviewer, pools=reviewer.pools | {case.review.pool})
        return discreet(self._queue.cancel(review_id, acting, reason=reason))

    def _receiver(self, case: ReviewCase, name: str) -> Reviewer:
        receiver = self.person(name)
        denial = self._refused(receiver, Deed.CLAIM, case)
        if denial is not None:
            raise NotAllowedError(Denial("not_for_them", f"{name} may not decide it: {denial.text}"))
        return self._reviewer(receiver, case.review.pool)
