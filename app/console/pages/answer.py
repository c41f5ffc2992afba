"""Answering a case: first answers, answers, and the page that says it is done."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.console.identity import Visitor, parts_of
from app.console.pages import reading
from app.console.pages.answer_form import Mistake, Typed, mistakes_of, typed_of, verdict_of
from app.console.pages.case import case_response, needs_first_answer, undo_left
from app.console.pages.frame import Form, Who, epoch_of, text_of
from app.console.pages.reading import action_label
from app.console.pages.refusals import lost_words, not_allowed, not_undone, refused_words
from app.console.rendering import render
from app.desk.errors import IncompleteAnswerError, NotAllowedError
from app.desk.looking import Look
from app.domain.answers import Verdict
from app.domain.events import ConsequenceClass
from app.review_queue.errors import AlreadyDecided, QueueError, StaleLease

router = APIRouter(include_in_schema=False)

_SERIOUS = (ConsequenceClass.HIGH, ConsequenceClass.CRITICAL)


@router.post("/reviews/{review_id}/first")
def first(request: Request, visitor: Who, review_id: str, form: Form) -> Response:
    """Keep the blind first answer, then show what was withheld."""
    desk, action = parts_of(request).desk, text_of(form, "action")
    try:
        desk.reveal(visitor.profile, review_id, epoch_of(form), action)
    except IncompleteAnswerError:
        wrong = [Mistake("action-1", "Choose what you would do")]
        return case_response(request, visitor, review_id, mistakes=wrong, status_code=422)
    except QueueError as error:
        return _not_taken(request, visitor, review_id, error, Typed(action=action))
    return RedirectResponse(f"/reviews/{review_id}?notice=kept", 303)


@router.post("/reviews/{review_id}/answer")
def answer(request: Request, visitor: Who, review_id: str, form: Form) -> Response:
    """The answer. Whatever is wrong, the page comes back with the text in it."""
    parts = parts_of(request)
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    typed = typed_of(fields, [tag for tag in form.getlist("tags") if isinstance(tag, str)])
    look = parts.desk.glance(visitor.profile, review_id)
    page = reading.read(look.package, look.withheld)
    if needs_first_answer(look, page, visitor.name) and look.answer is None:
        return case_response(request, visitor, review_id, status_code=409)
    terms = parts.policy.terms.get(page.decision_type)
    verdict, mistakes = verdict_of(typed, look.actions, terms, page.facts)
    if verdict is None:
        return case_response(request, visitor, review_id, typed=typed, mistakes=mistakes, status_code=422)
    question = _to_confirm(look, page, typed)
    if question and not typed.confirmed:
        return case_response(request, visitor, review_id, typed=typed, confirm=question, status_code=422)
    return _decide(request, visitor, review_id, form, typed, verdict)


@router.post("/reviews/{review_id}/undo")
def undo(request: Request, visitor: Who, review_id: str, form: Form) -> Response:
    """Take the answer back; the case comes with the form filled as it was."""
    try:
        parts_of(request).desk.undo(visitor.profile, review_id, epoch_of(form))
    except QueueError as error:
        return case_response(request, visitor, review_id, refused=not_undone(error), status_code=409)
    return RedirectResponse(f"/reviews/{review_id}?notice=undone", 303)


@router.get("/reviews/{review_id}/done")
def done(request: Request, visitor: Who, review_id: str, how: str = "", durable: str = "") -> Response:
    """Done, and the next one."""
    parts = parts_of(request)
    review = parts.desk.glance(visitor.profile, review_id).review
    if how == "voted":
        heading, text = (
            "Your answer is kept",
            "Others have to agree before it is final. They do not see yours.",
        )
    else:
        heading, text = "Done", "Your answer is recorded with your reason."
    if durable == "False":
        text += " The store has not confirmed that it is on disk yet; that usually takes a moment."
    left = undo_left(review, visitor.name, parts.clock())
    return render(request, "done.html", heading=heading, text=text, review=review, undo_left=left)


def _decide(
    request: Request, visitor: Visitor, review_id: str, form: Form, typed: Typed, verdict: Verdict
) -> Response:
    desk, digest = parts_of(request).desk, text_of(form, "digest")
    try:
        decided = desk.decide(visitor.profile, review_id, epoch_of(form), digest, verdict)
    except IncompleteAnswerError as error:
        mistakes = mistakes_of(error.fields)
        return case_response(request, visitor, review_id, typed=typed, mistakes=mistakes, status_code=422)
    except NotAllowedError as error:
        refused = not_allowed(error, heading="You may not answer like this", safe=True)
        return case_response(request, visitor, review_id, typed=typed, refused=refused, status_code=403)
    except QueueError as error:
        return _not_taken(request, visitor, review_id, error, typed)
    final = "answered" if decided.answer else "voted"
    return RedirectResponse(f"/reviews/{review_id}/done?how={final}&durable={decided.durable}", 303)


def _to_confirm(look: Look, page: reading.CasePage, typed: Typed) -> str:
    """Only where a slip would do serious harm: an answer other than the recommended one."""
    recommended = (page.recommendation or {}).get("action")
    if look.review.consequence_class not in _SERIOUS or recommended in (None, typed.action):
        return ""
    return (
        f"An error here would do serious harm, and you decide otherwise than the AI: "
        f"{action_label(typed.action)} instead of {action_label(str(recommended))}."
    )


def _not_taken(
    request: Request, visitor: Visitor, review_id: str, error: QueueError, typed: Typed
) -> Response:
    lost = lost_words(error, visitor.name) if isinstance(error, StaleLease | AlreadyDecided) else ""
    refused = None if lost else refused_words(error, visitor.name, safe=True)
    return case_response(
        request, visitor, review_id, typed=typed, refused=refused, lost=lost, status_code=409
    )
