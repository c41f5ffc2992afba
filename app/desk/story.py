"""One decision as far as one person may see it: what is remembered of it, and its reviews."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from app.desk.desk import ReviewDesk
from app.desk.errors import NotAllowedError, UnknownDecisionError
from app.desk.looking import Look
from app.domain.authority import Matter
from app.domain.events import ReviewKind
from app.domain.people import Profile, Role
from app.domain.review import review_id_of
from app.policy.compiled import CompiledPolicy
from app.review_queue.cases import Brief, Case, CaseFile
from app.review_queue.errors import UnknownReview


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """``open_book``: nothing has to be kept from this person. Closed while a review that they may
    answer is asked blind: then what the AI recommends, what became of the decision and what colleagues
    answered are not to be told."""

    decision_id: str
    decision_type: str
    subject: str
    received_at: int
    case: Case | None
    """``None`` when it is not remembered (any more)."""
    reviews: tuple[Look, ...]
    open_book: bool
    pools: frozenset[str]
    """Whose decision it is: where people are asked, or would be."""


def tell(desk: ReviewDesk, cases: CaseFile, policy: CompiledPolicy, who: Profile, decision_id: str) -> Story:
    """The story. Raises ``UnknownDecisionError``, or ``NotAllowedError`` for a decision of other pools."""
    case = cases.cases([decision_id])[0]
    looks = tuple(_looks(desk, who, decision_id))
    pools = frozenset(look.review.pool for look in looks)
    if looks:
        kind, subject = looks[0].decision_type, looks[0].subject
        event, review = looks[0].event, looks[0].review
        received_at = event.routed.scored.assessment.received_at if event else review.requested_at
    elif case is not None:
        kind, subject, received_at = case.brief.decision_type, case.brief.subject, case.brief.received_at
        pools = frozenset((_allow_without_review(desk, policy, who, case.brief),))
    else:
        raise UnknownDecisionError(decision_id)
    open_book = Role.AUDITOR in who.roles or not any(_asked_blind(look, who) for look in looks)
    return Story(
        decision_id=decision_id,
        decision_type=kind,
        subject=subject,
        received_at=received_at,
        case=case,
        reviews=looks if open_book else tuple(msgspec.structs.replace(look, answer=None) for look in looks),
        open_book=open_book,
        pools=pools,
    )


def _looks(desk: ReviewDesk, who: Profile, decision_id: str) -> Iterator[Look]:
    """Every review of the decision that this person may look at. No package is shown, so none is read.

    Raises ``NotAllowedError`` where there are reviews and none may be seen: then what is remembered of
    the decision is not to be told either."""
    denied: NotAllowedError | None = None
    seen = False
    for pool in desk.pools_of(who):
        for kind in ReviewKind:
            try:
                look = desk.glance(who, review_id_of(pool, decision_id, kind))
            except UnknownReview:
                continue
            except NotAllowedError as error:
                denied = error
                continue
            seen = True
            yield look
    if denied is not None and not seen:
        raise denied


def _allow_without_review(desk: ReviewDesk, policy: CompiledPolicy, who: Profile, brief: Brief) -> str:
    """What nobody was asked about is open to those who would be asked, unless it is about them; the pool."""
    terms = policy.terms.get(brief.decision_type)
    pool = brief.pool or (terms.pool if terms is not None else "")
    matter = Matter(
        review_id="",
        pool=pool,
        kind=ReviewKind.DECIDE,
        decision_type=brief.decision_type,
        consequence_class=brief.consequence_class,
        has_amount=False,
        amount=None,
        subject=brief.subject,
        submitted_by=brief.submitted_by,
    )
    desk.allow_look(who, matter)
    return pool


def _asked_blind(look: Look, who: Profile) -> bool:
    review = look.review
    return review.blind and not review.over and who.name not in review.first_answers
