"""Work on reviews: take, look, answer, hand on. Every rule is the desk's."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi import Path as InPath

from app.console.api.models import (
    Answering,
    Asking,
    Batch,
    BatchItem,
    BatchOut,
    BatchResult,
    ClaimingNext,
    DecidedOut,
    HandingOn,
    HandingUp,
    Holding,
    Informing,
    LeaseOut,
    LookOut,
    Reassigning,
    Releasing,
    RevealedOut,
    Revealing,
    ReviewId,
    ReviewOut,
    UndoneOut,
    Withdrawing,
)
from app.console.api.route import Admin, ApiRoute, Lead, Parts, Reader, Worker
from app.console.api.shapes import decided_out, finite, lease_out, look_out, review_out, undone_out
from app.console.errors import UnacceptableError
from app.console.idempotency import unfinished
from app.console.identity import asked_here
from app.console.parts import ConsoleParts
from app.console.problems import problem
from app.domain.answers import Verdict
from app.domain.people import Profile
from app.errors import HitlError, ServiceUnreachableError

router = APIRouter(prefix="/v1/reviews", route_class=ApiRoute, tags=["reviews"])
This = Annotated[ReviewId, InPath()]


@router.post("/claim-next", responses={204: {"description": "There is nothing for you now."}})
def claim_next(parts: Parts, visitor: Worker, body: ClaimingNext, response: Response) -> LeaseOut | None:
    """Take the most urgent review that you may decide."""
    lease = parts.desk.claim_next(visitor.profile, body.pool)
    if lease is None:
        response.status_code = 204
        return None
    return lease_out(lease, visitor.name)


@router.get("/{review_id}")
def show(parts: Parts, visitor: Reader, review_id: This, request: Request) -> LookOut:
    """A review with everything that you may see of it."""
    show_it = parts.desk.look if asked_here(request) else parts.desk.read
    return look_out(show_it(visitor.profile, review_id), visitor.name)


@router.post("/{review_id}/claim")
def claim(parts: Parts, visitor: Worker, review_id: This) -> LeaseOut:
    """Take this review. Claimed again, it gets a new epoch, which ends the older one."""
    return lease_out(parts.desk.claim(visitor.profile, review_id), visitor.name)


@router.post("/{review_id}/extend")
def extend(parts: Parts, visitor: Worker, review_id: This, body: Holding) -> ReviewOut:
    """A heartbeat: the lease lasts from now again."""
    return review_out(parts.desk.extend(visitor.profile, review_id, body.epoch), visitor.name)


@router.post("/{review_id}/release")
def release(parts: Parts, visitor: Worker, review_id: This, body: Releasing) -> ReviewOut:
    """Give it back unanswered."""
    review = parts.desk.release(visitor.profile, review_id, body.epoch, body.reason)
    return review_out(review, visitor.name)


@router.post("/{review_id}/reveal")
def reveal(parts: Parts, visitor: Worker, review_id: This, body: Revealing) -> RevealedOut:
    """Blind reviews: give your first answer, then see what was withheld. It stays on record."""
    revealed = parts.desk.reveal(visitor.profile, review_id, body.epoch, body.action)
    return RevealedOut(review=review_out(revealed.review, visitor.name), withheld=finite(revealed.withheld))


@router.post("/{review_id}/decide")
def decide(parts: Parts, visitor: Worker, review_id: This, body: Answering) -> DecidedOut:
    """Answer. Safe to repeat; a second, other answer is refused with the first one."""
    return _decide(parts, visitor.profile, review_id, body)


@router.post("/{review_id}/undo")
def undo(parts: Parts, visitor: Worker, review_id: This, body: Holding) -> UndoneOut:
    """Take your answer back, which you gave under this epoch, until `undo_until`: the policy says for which
    types, and for how long. The review is yours again, under a new epoch."""
    return undone_out(parts.desk.undo(visitor.profile, review_id, body.epoch), visitor.name)


@router.post("/decide")
def decide_batch(parts: Parts, visitor: Worker, body: Batch, request: Request) -> BatchOut:
    """Answer like items together, one after the other. Each is checked and recorded by itself; when one
    is refused, the others still count. An outage ends the batch: what follows was not tried, and a repeat,
    under the same key, too, does the rest."""
    results: list[BatchResult] = []
    out: HitlError | None = None
    for item in body.answers:
        try:
            if out is not None:
                raise out
            decided = _decide(parts, visitor.profile, item.review_id, item)
        except HitlError as error:
            if isinstance(error, ServiceUnreachableError):
                out = error
                unfinished(request)
            results.append(_refused(parts, item, error, request))
        else:
            results.append(BatchResult(review_id=item.review_id, status=200, decided=decided))
    return BatchOut(results=results)


@router.post("/{review_id}/request-info")
def request_info(parts: Parts, visitor: Worker, review_id: This, body: Asking) -> ReviewOut:
    """Ask for information: the lease ends and the SLA clock stands still until it is there."""
    review = parts.desk.request_info(visitor.profile, review_id, body.epoch, body.question)
    return review_out(review, visitor.name)


@router.post("/{review_id}/answer-info")
def answer_info(parts: Parts, visitor: Worker, review_id: This, body: Informing) -> ReviewOut:
    """Give the information; the review goes on with its deadline later by the pause."""
    return review_out(parts.desk.answer_info(visitor.profile, review_id, body.information), visitor.name)


@router.post("/{review_id}/escalate")
def escalate(parts: Parts, visitor: Worker, review_id: This, body: HandingUp) -> ReviewOut:
    """Hand it to the pool's supervisors."""
    return review_out(parts.desk.escalate(visitor.profile, review_id, body.epoch, body.reason), visitor.name)


@router.post("/{review_id}/delegate")
def delegate(parts: Parts, visitor: Worker, review_id: This, body: HandingOn) -> ReviewOut:
    """Offer it to one person, who must have the authority to decide it."""
    review = parts.desk.delegate(visitor.profile, review_id, body.to, body.epoch, body.reason)
    return review_out(review, visitor.name)


@router.post("/{review_id}/reassign")
def reassign(parts: Parts, visitor: Lead, review_id: This, body: Reassigning) -> ReviewOut:
    """Take it from whoever has it and offer it to somebody else."""
    review = parts.desk.reassign(visitor.profile, review_id, body.to, body.reason)
    return review_out(review, visitor.name)


@router.post("/{review_id}/cancel")
def cancel(parts: Parts, visitor: Admin, review_id: This, body: Withdrawing) -> ReviewOut:
    """Withdraw it: nobody has to answer any more."""
    return review_out(parts.desk.cancel(visitor.profile, review_id, body.reason), visitor.name)


def _decide(parts: ConsoleParts, who: Profile, review_id: str, body: Answering) -> DecidedOut:
    verdict = Verdict(
        action=body.action,
        changes=_json(body.changes),
        reasoning=body.reasoning,
        reason_code=body.reason_code,
        category=body.category,
        note=body.note,
        tags=tuple(body.tags),
    )
    return decided_out(parts.desk.decide(who, review_id, body.epoch, body.digest, verdict), who.name)


def _json(changes: dict[str, object] | None) -> str | None:
    if changes is None:
        return None
    try:
        return msgspec.json.encode(changes, order="sorted").decode()
    except (ValueError, OverflowError, RecursionError) as error:
        raise UnacceptableError(f"the changes can not be kept: {error}") from error


def _refused(parts: ConsoleParts, item: BatchItem, error: HitlError, request: Request) -> BatchResult:
    told, _ = problem(error, base=parts.place.origin, request_id=request.state.request_id)
    return BatchResult(review_id=item.review_id, status=told.status, problem=msgspec.to_builtins(told))
