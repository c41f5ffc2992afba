"""A review as authority sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from app.domain.authority import Denial, Matter
from app.domain.changes import amount_of
from app.domain.events import ConsequenceClass, ReviewKind, ReviewRequested
from app.domain.facts import parse_facts
from app.domain.people import Profile
from app.domain.quality.session_figures import SessionItem
from app.domain.quality.sessions import people_of
from app.domain.review import Review
from app.domain.terms import Terms


def matter_of(
    review: Review,
    event: ReviewRequested,
    terms: Terms | None,
    backups: Mapping[str, frozenset[str]],
) -> Matter:
    """What authority depends on; ``terms`` is ``None`` when the type has left the policy, ``backups``
    gives the backup pools of each pool."""
    decision = event.routed.scored.decision
    return Matter(
        review_id=review.review_id,
        pool=review.pool,
        kind=review.kind,
        decision_type=decision.decision_type,
        consequence_class=review.consequence_class,
        # A type that has left the policy: nobody knows which of its facts was the amount.
        has_amount=terms is None or terms.amount_fact is not None,
        amount=amount_of(parse_facts(decision.facts), terms),
        subject=decision.subject,
        submitted_by=decision.submitted_by,
        backup_pools=backups.get(review.pool, frozenset()) if review.backups else frozenset(),
    )


def erased_matter(review: Review, backups: Mapping[str, frozenset[str]]) -> Matter:
    """Of a review whose person was erased: what the queue knows is all that anybody knows."""
    return Matter(
        review_id=review.review_id,
        pool=review.pool,
        kind=review.kind,
        decision_type="",
        consequence_class=review.consequence_class,
        has_amount=False,
        amount=None,
        subject="",
        submitted_by="",
        backup_pools=backups.get(review.pool, frozenset()) if review.backups else frozenset(),
        erased=True,
    )


def item_matter(item: SessionItem, pool: str) -> Matter:
    """Of a past case in a session, of ``pool``, as far as a look depends on it."""
    subject, submitted_by = people_of(item)
    return Matter(
        review_id="",
        pool=pool,
        kind=ReviewKind.CALIBRATION,
        decision_type=item.decision_type,
        consequence_class=ConsequenceClass.CRITICAL,
        has_amount=True,
        amount=None,
        subject=subject,
        submitted_by=submitted_by,
    )


def not_in_pool(who: Profile, pool: str, theirs: Sequence[str]) -> Denial:
    """Why a person can take nothing from a pool, and from which they can."""
    hint = f"yours: {', '.join(theirs)}" if theirs else "see `people` in the policy"
    return Denial("not_your_pool", f"{who.name} does not work in pool '{pool}'", hint)


def actions_of(package: dict[str, object]) -> tuple[str, ...]:
    """What the context package offers: answers, and what hands the case on."""
    listed = package.get("available_actions")
    return tuple(str(action) for action in listed) if isinstance(listed, list) else ()
