"""From what the desk knows to what the API says."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from app.console.api.models import (
    AnswerOut,
    DecidedOut,
    DenialOut,
    LeaseOut,
    LookOut,
    PersonOut,
    ReviewOut,
    UndoneOut,
)
from app.desk.looking import Look
from app.domain.events import Answer
from app.domain.people import Profile
from app.domain.review import Review
from app.domain.words import moment
from app.review_queue.values import Decided, Lease, Undone


def review_out(review: Review, who: str) -> ReviewOut:
    """A review as ``who`` may see it.

    Before the answer, kind and class of a blind review stay in confidence: the kind tells how sure the
    AI is, and under some policies the class tells what it recommends."""
    told = not review.blind or review.over or who in review.first_answers
    return ReviewOut(
        review_id=review.review_id,
        decision_id=review.decision_id,
        pool=review.pool,
        state=review.state,
        kind=review.kind if told else None,
        consequence_class=review.consequence_class if told else None,
        sla_class=review.sla_class,
        requested_at=moment(review.requested_at),
        deadline=_at(review.deadline),
        blind=review.blind,
        approvals=review.approvals,
        answers=len(review.votes),
        epoch=review.epoch,
        digest=review.digest,
        holder=review.holder or None,
        lease_until=_at(review.lease_until),
        offered_to=review.offered_to or None,
        reserved_until=_at(review.reserved_until),
        tier=review.tier,
        delegations=review.delegations,
        question=review.question or None,
        information=review.information or None,
        informed_by=review.informed_by or None,
        decided_at=_at(review.decided_at),
        undo_until=_at(review.undo_until),
    )


def lease_out(lease: Lease, who: str) -> LeaseOut:
    """A claimed review."""
    return LeaseOut(review=review_out(lease.review, who))


def look_out(look: Look, who: str) -> LookOut:
    """A review with its package."""
    denial = look.denial
    return LookOut(
        review=review_out(look.review, who),
        package=finite(look.package),
        withheld=None if look.withheld is None else finite(look.withheld),
        actions=list(look.actions),
        denial=None if denial is None else DenialOut(code=denial.code, text=denial.text, hint=denial.hint),
        answer=None if look.answer is None else answer_out(look.answer),
        taken_back=None if look.taken_back is None else answer_out(look.taken_back),
    )


def answer_out(answer: Answer) -> AnswerOut:
    """An answer that somebody gave."""
    return AnswerOut(
        review_id=answer.review_id,
        reviewer=answer.reviewer,
        action=answer.action,
        changes=None if answer.changes is None else msgspec.json.decode(answer.changes),
        reasoning=answer.reasoning,
        reason_code=answer.reason_code,
        category=answer.category,
        note=answer.note,
        tags=answer.tags,
        first_action=answer.first_action,
        decided_at=moment(answer.decided_at),
    )


def decided_out(decided: Decided, who: str) -> DecidedOut:
    """What became of an answer."""
    return DecidedOut(
        review=review_out(decided.review, who),
        final=decided.review.over,
        answer=None if decided.answer is None else answer_out(decided.answer),
        durable=decided.durable,
    )


def undone_out(undone: Undone, who: str) -> UndoneOut:
    """An answer that was taken back."""
    return UndoneOut(
        review=review_out(undone.review, who), answer=answer_out(undone.answer), durable=undone.durable
    )


def person_out(profile: Profile, now: int) -> PersonOut:
    """A profile, without the conflicts and identities that are a person's own business."""
    return PersonOut(
        name=profile.name,
        title=profile.title,
        pools=sorted(profile.pools),
        supervises=sorted(profile.supervises),
        roles=sorted(profile.roles),
        decision_types=None if profile.decision_types is None else sorted(profile.decision_types),
        max_class=profile.max_class,
        max_amount=profile.max_amount,
        actions=None if profile.actions is None else sorted(profile.actions),
        away=profile.absent(now) is not None,
    )


def finite(value: Any) -> Any:  # noqa: ANN401 - whatever JSON can be
    """The same with ``null`` for what is no number in JSON."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [finite(part) for part in value]
    return value


def _at(at: int | None) -> str | None:
    return moment(at) if at else None
