"""Looking at reviews: one, or a page of a queue."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import msgspec

from app.desk.authority import Authority
from app.desk.case import ReviewCase, discreet
from app.desk.errors import NotAllowedError
from app.desk.matter import actions_of, not_in_pool
from app.domain import context_package
from app.domain.answers import answering
from app.domain.authority import Deed, Denial, action_refused
from app.domain.events import Answer, ReviewKind, ReviewRequested
from app.domain.people import Profile, Role
from app.domain.review import Review, ReviewState, review_id_of, wordless
from app.review_queue.errors import UnknownReview
from app.review_queue.values import PoolStats

_UNDOABLE = 200
"""Answers of a pool that are looked through for one's own: more than a window lets through."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a person may see of a review. ``withheld`` is there once a blind first answer was given."""

    review: Review
    event: ReviewRequested | None
    """``None`` once the person whom it is about was erased."""
    package: dict[str, object]
    answer: Answer | None
    taken_back: Answer | None
    """What this person answered before taking it back, as long as nobody has answered."""
    withheld: dict[str, object] | None
    actions: tuple[str, ...]
    """What this person may answer; what hands the case on has its own verbs."""
    denial: Denial | None
    """Why this person may not decide it, if so: said before any work goes into it."""
    erased: str = ""
    """When, by whom and why the person was erased; then there are no facts, and no words of anybody."""
    may_withdraw: bool = False
    """Whether this person may end a case that nobody can decide any more."""

    @property
    def decision_type(self) -> str:
        """Empty when nobody can read it any more."""
        return self.event.routed.scored.decision.decision_type if self.event else ""

    @property
    def subject(self) -> str:
        """Whom it is about."""
        return self.event.routed.scored.decision.subject if self.event else "somebody who was erased"


class Looking(Authority):
    """What a person may see."""

    def look(self, who: Profile, review_id: str) -> Look:
        """What this person may see of a review. That it was shown goes on the record."""
        look = self.read(who, review_id)
        self._queue.seen(review_id, who.name, look.review.digest)
        return look

    def read(self, who: Profile, review_id: str) -> Look:
        """As ``look``, where nobody knows yet that the person asked for it: nothing is recorded."""
        look = self.glance(who, review_id)
        self._keep_second_look_blind(who, look)
        return look

    def _keep_second_look_blind(self, who: Profile, look: Look) -> None:
        """Whoever may still be asked for the independent second answer must not read the first case."""
        review = look.review
        if look.event is None:
            return  # there is nothing to read
        route = look.event.routed.route
        if (
            (ReviewKind.SECOND_LOOK not in route.review_kinds and not route.evidence)
            or review.kind is ReviewKind.SECOND_LOOK
            or review.holder == who.name
            or review.pool not in self.pools_of(who)
            or Role.AUDITOR in who.roles
        ):
            return
        with contextlib.suppress(UnknownReview):
            name = review_id_of(review.pool, review.decision_id, ReviewKind.SECOND_LOOK)
            second = self._queue.get(name).review
            if not second.over:
                raise NotAllowedError(
                    Denial(
                        "second_look_open",
                        "an independent second answer to this decision is still open",
                        "take this case to work on it, or look again when the other is answered",
                    )
                )

    def glance(self, who: Profile, review_id: str) -> Look:
        """As ``look``, for a line of a list: nobody has read the case by it, so nothing is recorded."""
        case = self._case(review_id)
        self._allow(who, Deed.LOOK, case)
        if case.event is None:
            return Look(
                review=wordless(discreet(case.review)),
                event=None,
                package=case.package,
                answer=None,
                taken_back=None,
                withheld=None,
                actions=(),
                denial=self._refused(who, Deed.DECIDE, case),
                erased=case.erased,
                may_withdraw=not case.review.over and self._refused(who, Deed.CANCEL, case) is None,
            )
        package = case.package
        capacities = self._fit(who, Deed.DECIDE, case) or self._capacities(who)
        offered = answering(actions_of(package))
        actions = tuple(action for action in offered if action_refused(capacities, action) is None)
        revealed = who.name in case.review.first_answers
        taken_back = case.entry.taken_back
        return Look(
            review=discreet(case.review),
            event=case.event,
            package=package,
            answer=case.entry.answer,
            taken_back=taken_back if taken_back and taken_back.reviewer == who.name else None,
            withheld=withheld(case) if revealed else None,
            actions=actions,
            denial=self._refused(who, Deed.DECIDE, case),
        )

    def list(
        self,
        who: Profile,
        pool: str,
        state: ReviewState = ReviewState.OPEN,
        offset: int = 0,
        limit: int = 50,
        *,
        escalated: bool = False,
        offered_to: str | None = None,
    ) -> Sequence[Review]:
        """A page of a pool's reviews in the order of their queue."""
        if pool not in self.pools_of(who):
            raise NotAllowedError(not_in_pool(who, pool, self.pools_of(who)))
        found = self._queue.list(pool, state, offset, limit, escalated=escalated, offered_to=offered_to)
        return [discreet(review) for review in found]

    def undoable(self, who: Profile, pool: str) -> Sequence[Review]:
        """What this person answered in a pool and may still take back."""
        if pool not in self.pools_of(who):
            return ()
        now = self._clock()
        found = self._queue.undoable(pool, limit=_UNDOABLE)
        return [discreet(one) for one in found if one.holder == who.name and one.undo_until > now]

    def stats(self, who: Profile) -> Sequence[PoolStats]:
        """The pools that this person may see, at this moment."""
        mine = frozenset(self.pools_of(who))
        return [pool for pool in self._queue.stats() if pool.pool in mine]


def withheld(case: ReviewCase) -> dict[str, object]:
    """What a blind case does not show before the first answer."""
    if case.terms is None or case.event is None:
        return {}
    text = context_package.reveal(case.event.routed, case.terms, kind=case.event.request.kind).text
    return msgspec.json.decode(text, type=dict[str, object])
