"""One case: everything that a person needs to decide it, who holds it and who looks at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse, Response

from app.console.identity import Visitor, asked_here, parts_of
from app.console.pages import reading
from app.console.pages.answer_form import (
    CATEGORIES,
    TAG_WORDS,
    Mistake,
    Typed,
    at_first,
    changeable,
    input_label,
    kind_of,
    typed_from,
)
from app.console.pages.frame import Form, Who, epoch_of, unnoticed
from app.console.pages.notices import notice_of
from app.console.pages.presence import Presence
from app.console.pages.refusals import Refused, lost_words, refused_words
from app.console.pages.shelves import TASKS, task_of
from app.console.pages.standing import spoken, standing
from app.console.parts import ConsoleParts
from app.console.rendering import render
from app.desk.errors import NotAllowedError
from app.desk.looking import Look
from app.domain import words
from app.domain.answers import MAX_TEXT
from app.domain.people import Profile
from app.domain.review import Review, ReviewState
from app.review_queue.errors import QueueError

router = APIRouter(include_in_schema=False)


class Change(msgspec.Struct, frozen=True):
    """A fact as a field of the form."""

    name: str
    label: str
    kind: str
    first: str


@router.get("/reviews/{review_id}")
def show(request: Request, visitor: Who, review_id: str, notice: str = "") -> Response:
    """The case; or why it stays closed until one takes it, with the button to do so."""
    try:
        return case_response(request, visitor, review_id, notice=notice)
    except NotAllowedError as error:
        if error.code != "second_look_open":
            raise
        review = parts_of(request).desk.glance(visitor.profile, review_id).review
        return render(
            request,
            "error.html",
            status_code=403,
            heading="Two people answer this, each alone",
            text=str(error),
            hint=error.hint,
            safe=False,
            again="",
            take=review_id if review.state is ReviewState.OPEN else "",
        )


@router.post("/reviews/{review_id}/seen", status_code=204)
def seen(request: Request, visitor: Who, review_id: str) -> None:
    """The page came by another site's link, and somebody is there and uses it: that is a look."""
    parts_of(request).desk.look(visitor.profile, review_id)


@router.post("/reviews/{review_id}/claim")
def claim(request: Request, visitor: Who, review_id: str) -> Response:
    """Take this very case. Whoever is too late is told who was faster."""
    try:
        parts_of(request).desk.claim(visitor.profile, review_id)
    except QueueError as error:
        refused = refused_words(error, visitor.name)
        return case_response(request, visitor, review_id, refused=refused, status_code=409)
    return RedirectResponse(f"/reviews/{review_id}", 303)


@router.post("/reviews/{review_id}/heartbeat")
def heartbeat(request: Request, visitor: Who, review_id: str, form: Form) -> Response:
    """The page is being used: the lease goes on. 409 with the words when it is lost."""
    parts = parts_of(request)
    try:
        review = parts.desk.extend(visitor.profile, review_id, epoch_of(form))
    except QueueError as error:
        now_held = error.review
        return hold_response(request, parts, now_held, lost_words(error, visitor.name), status_code=409)
    return hold_response(request, parts, review, "")


@router.get("/reviews/{review_id}/presence", dependencies=[Depends(unnoticed)])
def presence(request: Request, visitor: Who, review_id: str) -> Response:
    """Who else has this page open. Nobody is told who may not see the case."""
    parts = parts_of(request)
    parts.desk.glance(visitor.profile, review_id)
    others = Presence(parts.client, parts.keys, parts.clock).report(review_id, visitor.name)
    return render(request, "presence.html", others=titled(parts, others))


def hold_response(
    request: Request, parts: ConsoleParts, review: Review | None, lost: str, *, status_code: int = 200
) -> Response:
    """The lines that say who holds the case."""
    return render(
        request,
        "hold.html",
        status_code=status_code,
        review=review,
        holding=not lost,
        lost=lost,
        can_take=review is not None and review.state is not ReviewState.DECIDED,
        lease_left=_left(review, parts.clock()) if review else "",
    )


def case_response(
    request: Request,
    visitor: Visitor,
    review_id: str,
    *,
    typed: Typed | None = None,
    mistakes: Sequence[Mistake] = (),
    refused: Refused | None = None,
    lost: str = "",
    confirm: str = "",
    notice: str = "",
    status_code: int = 200,
) -> Response:
    """The whole page, with what was typed when an answer was not taken."""
    parts = parts_of(request)
    here = asked_here(request)
    look = (parts.desk.look if here else parts.desk.read)(visitor.profile, review_id)
    return render(
        request,
        "case.html",
        status_code=status_code,
        typed=typed or _so_far(look, visitor.name),
        mistakes=mistakes,
        refused=refused,
        lost=lost,
        confirm=confirm,
        notice=notice_of(notice),
        unseen=not here,
        **_case(parts, visitor, look),
    )


def undo_left(review: Review, name: str, now: int) -> str:
    """For how long this person may still take the answer back, in words; empty when not at all."""
    mine = review.state is ReviewState.DECIDED and review.holder == name
    return spoken(review.undo_until - now) if mine and review.undo_until > now else ""


def needs_first_answer(look: Look, page: reading.CasePage, name: str) -> bool:
    """Whether this person must answer before the recommendation is shown."""
    return look.review.blind and not page.people_alone and name not in look.review.first_answers


def titled(parts: ConsoleParts, names: Sequence[str]) -> list[str]:
    """People as colleagues know them."""
    people = (parts.directory.find(name) for name in names)
    return [(who and who.title) or name for who, name in zip(people, names, strict=True)]


def _so_far(look: Look, name: str) -> Typed:
    """What the form holds at first: an answer that was taken back, or nothing; after a reveal the first
    answer is chosen, to be kept or changed."""
    if look.taken_back is not None:
        return typed_from(look.taken_back)
    return Typed(action=look.review.first_answers.get(name, ""))


def _case(parts: ConsoleParts, visitor: Visitor, look: Look) -> dict[str, Any]:
    review, now, who = look.review, parts.clock(), visitor.profile
    terms = parts.policy.terms.get(look.decision_type)
    page = reading.read(look.package, look.withheld, terms)
    holding = review.state is ReviewState.CLAIMED and review.holder == who.name
    titles = parts.policy.pool_titles
    codes = {reason.code: reason.text for reason in terms.reason_codes} if terms else {}
    return {
        "page": page,
        "review": review,
        "erased": look.erased,
        "pool_title": titles.get(review.pool, review.pool),
        "task": (not page.withheld and page.task) or TASKS[task_of(review, who.name)],
        "standing": standing(review, now),
        "may_withdraw": look.may_withdraw,
        "holding": holding,
        "can_take": review.state is ReviewState.OPEN,
        "can_answer": holding and look.denial is None,
        "first_answer_needed": needs_first_answer(look, page, who.name),
        "first_answer": review.first_answers.get(who.name, ""),
        "revealed": bool(look.withheld),
        "waiting": review.state is ReviewState.WAITING,
        "denial": look.denial and f"{look.denial.text}. {look.denial.hint}".strip(),
        "lease_left": _left(review, now),
        "lease_ms": parts.policy.lease,
        "others": [],
        "actions": look.actions,
        "changeable": [
            Change(fact.name, input_label(fact, terms), kind_of(fact, terms), at_first(fact))
            for fact in changeable(page.facts, terms)
        ],
        "reasons": terms.reason_codes if terms else (),
        "categories": CATEGORIES,
        "tags": TAG_WORDS,
        "max_text": MAX_TEXT,
        "note_needed": page.decision_type in who.must_document,
        "colleagues": _colleagues(parts, who, review.pool),
        "answer": look.answer,
        "undo_left": undo_left(review, who.name, now),
        "decided_at": words.moment(review.decided_at) if review.decided_at else "",
        "reason_words": codes,
        "reason_text": look.answer and codes.get(look.answer.reason_code, look.answer.reason_code),
        **_confidence(page.confidence),
    }


def _confidence(confidence: Mapping[str, Any] | None) -> dict[str, object]:
    probability = (confidence or {}).get("probability")
    known = isinstance(probability, int | float) and (confidence or {}).get("band") != "unknown"
    interval = (confidence or {}).get("interval")
    uncertain = isinstance(interval, list) and len(interval) == 2
    return {
        "confidence_number": words.number(float(probability))
        if known and probability is not None
        else "unknown",
        "confidence_share": round(100 * float(probability)) if known and probability is not None else 0,
        "uncertainty": f"Between {interval[0]:.2f} and {interval[1]:.2f}." if uncertain and interval else "",
    }


def _left(review: Review, now: int) -> str:
    return spoken(max(0, review.lease_until - now))


def _colleagues(parts: ConsoleParts, who: Profile, pool: str) -> list[Profile]:
    """To whom this person may hand a case of the pool. In an open house nobody knows who there is."""
    return sorted(
        (
            other
            for other in parts.directory.people.values()
            if other.name != who.name
            and pool in other.all_pools
            and (who.delegates_to is None or other.name in who.delegates_to)
        ),
        key=lambda other: other.title or other.name,
    )
