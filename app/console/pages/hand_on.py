"""What can be done with a case other than answering it: ask, escalate, hand over, give back."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.console.identity import Visitor, parts_of
from app.console.pages.case import case_response
from app.console.pages.frame import Form, Who, epoch_of, text_of
from app.console.pages.refusals import not_allowed, refused_words
from app.desk.errors import NotAllowedError
from app.errors import UsageError
from app.review_queue.errors import QueueError

router = APIRouter(include_in_schema=False)


@router.post("/reviews/{review_id}/release")
def release(request: Request, visitor: Who, review_id: str, form: Form) -> Response:
    """Give it back unanswered."""
    desk = parts_of(request).desk
    return _done(
        request,
        visitor,
        review_id,
        "released",
        lambda: desk.release(visitor.profile, review_id, epoch_of(form)),
    )


@router.post("/reviews/{review_id}/ask")
def ask(request: Request, visitor: Who, review_id: str, form: Form) -> Response:
    """Ask for information; the deadline stands still."""
    desk, question = parts_of(request).desk, _said(form, "question", "what you need to know")
    return _done(
        request,
        visitor,
        review_id,
        "asked",
        lambda: desk.request_info(visitor.profile, review_id, epoch_of(form), question),
    )


@router.post("/reviews/{review_id}/information")
def information(request: Request, visitor: Who, review_id: str, form: Form) -> Response:
    """Give the information that was asked for."""
    desk, text = parts_of(request).desk, _said(form, "information", "the information")
    return _done(
        request,
        visitor,
        review_id,
        "informed",
        lambda: desk.answer_info(visitor.profile, review_id, text),
        then=f"/reviews/{review_id}",
    )


@router.post("/reviews/{review_id}/escalate")
def escalate(request: Request, visitor: Who, review_id: str, form: Form) -> Response:
    """Hand it to the supervisors."""
    desk, reason = parts_of(request).desk, _said(form, "reason", "why")
    epoch = epoch_of(form) or None
    return _done(
        request,
        visitor,
        review_id,
        "escalated",
        lambda: desk.escalate(visitor.profile, review_id, epoch, reason),
    )


@router.post("/reviews/{review_id}/delegate")
def delegate(request: Request, visitor: Who, review_id: str, form: Form) -> Response:
    """Offer it to one colleague."""
    desk, reason, to = parts_of(request).desk, _said(form, "reason", "why"), _said(form, "to", "to whom")
    epoch = epoch_of(form) or None
    return _done(
        request,
        visitor,
        review_id,
        "delegated",
        lambda: desk.delegate(visitor.profile, review_id, to, epoch, reason),
    )


@router.post("/reviews/{review_id}/withdraw")
def withdraw(request: Request, visitor: Who, review_id: str, form: Form) -> Response:
    """Nobody needs the answer any more."""
    desk, reason = parts_of(request).desk, _said(form, "reason", "why")
    return _done(
        request, visitor, review_id, "withdrawn", lambda: desk.cancel(visitor.profile, review_id, reason)
    )


def _said(form: Form, name: str, what: str) -> str:
    text = text_of(form, name)
    if not text:
        raise UsageError(f"please say {what}", hint="go back: your text is still in the form")
    return text


def _done(
    request: Request,
    visitor: Visitor,
    review_id: str,
    notice: str,
    step: Callable[[], object],
    then: str = "/",
) -> Response:
    """Take the step; back to the work with a word about it, or to the case with the reason why not."""
    try:
        step()
    except QueueError as error:
        refused = refused_words(error, visitor.name)
        return case_response(request, visitor, review_id, refused=refused, status_code=409)
    except NotAllowedError as error:
        refused = not_allowed(error)
        return case_response(request, visitor, review_id, refused=refused, status_code=403)
    return RedirectResponse(f"{then}?notice={notice}", 303)
