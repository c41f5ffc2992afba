"""Sessions: several people answer the same past cases for themselves, then talk about the differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from app.console.errors import NotFoundError
from app.console.identity import Visitor, parts_of
from app.console.pages import reading
from app.console.pages.answer_form import Mistake
from app.console.pages.frame import Form, Who, leads, text_of
from app.console.pages.notices import notice_of
from app.console.pages.numbers import snapshot_of
from app.console.parts import ConsoleParts
from app.console.rendering import render
from app.console.session_room import SessionRoom
from app.desk.errors import NotAllowedError
from app.domain.authority import Denial
from app.domain.people import Profile, Role
from app.domain.quality.session_figures import SessionAnswer, SessionFigures, SessionItem, SessionKind
from app.domain.quality.sessions import Given, Opening, SessionRefusedError

router = APIRouter(include_in_schema=False)

_CANDIDATES = 50
KINDS = {
    SessionKind.CALIBRATION: "Calibration: everybody answers real disagreements alone, then we talk",
    SessionKind.ONBOARDING: "Onboarding: a newcomer answers teaching examples and is told the truth",
    SessionKind.BURST: "Burst: known errors in a short time, to keep eyes open for rare ones",
}
SOURCES = {
    "disagreement": "people or AI disagreed",
    "teaching_example": "teaching example",
    "gold": "known truth",
    "ground_truth": "turned out later",
}


_UNFIT = {
    "not_your_pool": "does not work in the pool of every chosen case",
    "own_case": "a chosen case is about, or from, this person",
    "conflict_of_interest": "has a conflict of interest in a chosen case",
}


class ItemResult(msgspec.Struct, frozen=True):
    """One item after the session: what everybody said, and where to talk."""

    number: int
    item: SessionItem
    page: reading.CasePage
    agreeing: float | None
    answers: Sequence[SessionAnswer]


@router.get("/sessions")
def sessions_page(request: Request, visitor: Who, notice: str = "") -> Response:
    """The sessions of this person, and for leads what new ones can be made of."""
    return _overview(request, visitor, notice=notice)


@router.post("/sessions")
def open_session(request: Request, visitor: Who, form: Form) -> Response:
    """Open one."""
    _lead_only(visitor.profile)
    parts = parts_of(request)
    chosen = set(form.getlist("items"))
    kind = text_of(form, "kind")
    opening = Opening(
        kind=SessionKind(kind) if kind in set(SessionKind) else SessionKind.CALIBRATION,
        title=text_of(form, "title")[:200] or "Calibration",
        invited=tuple(sorted({name for name in form.getlist("invited") if isinstance(name, str)})),
        items=tuple(item for item in _candidates(parts, visitor.profile) if item.item_id in chosen),
    )
    try:
        _fit_only(parts, opening)
        session = _room(parts).open(visitor.name, opening)
    except SessionRefusedError as error:
        wrong = [Mistake("session-title", f"{error}. {error.hint}".strip())]
        return _overview(request, visitor, mistakes=wrong, status_code=422)
    return RedirectResponse(f"/sessions/{session.session_id}?notice=opened", 303)


@router.get("/sessions/{session_id}")
def session_page(request: Request, visitor: Who, session_id: str, notice: str = "") -> Response:
    """The next item, or how it went."""
    return _session(request, visitor, session_id, notice=notice)


@router.post("/sessions/{session_id}/answer")
def answer(request: Request, visitor: Who, session_id: str, form: Form) -> Response:
    """Answer an item, once."""
    parts = parts_of(request)
    _visible(parts, visitor, session_id)
    given = Given(
        item_id=text_of(form, "item_id"),
        action=text_of(form, "action"),
        reasoning=text_of(form, "reasoning")[:4000],
    )
    if not given.action or not given.reasoning:
        wrong = [
            *([] if given.action else [Mistake("action-1", "Choose what you would do")]),
            *([] if given.reasoning else [Mistake("reasoning", "Write in a sentence why")]),
        ]
        return _session(request, visitor, session_id, given=given, mistakes=wrong, status_code=422)
    try:
        _room(parts).answer(visitor.name, session_id, given)
    except SessionRefusedError as error:
        wrong = [Mistake("action-1", f"{error}. {error.hint}".strip())]
        return _session(request, visitor, session_id, given=given, mistakes=wrong, status_code=409)
    return RedirectResponse(f"/sessions/{session_id}?notice=kept", 303)


@router.post("/sessions/{session_id}/close")
def close(request: Request, visitor: Who, session_id: str) -> Response:
    """End it; everybody in it sees everything."""
    parts = parts_of(request)
    session = _visible(parts, visitor, session_id)
    if not _may_close(parts, visitor.profile, session):
        raise NotAllowedError(
            Denial("not_lead", "a session is closed by who opened it, or a lead of its pools")
        )
    _room(parts).close(visitor.name, session_id)
    return RedirectResponse(f"/sessions/{session_id}?notice=closed", 303)


def _candidates(parts: ConsoleParts, who: Profile) -> list[SessionItem]:
    """What this lead can make sessions of: cases of the own pools that a look would show, too."""
    return [
        item
        for item in snapshot_of(parts).candidates
        if _leads(parts, who, (item,)) and parts.desk.unfit_items(who, (item,)) is None
    ]


def _fit_only(parts: ConsoleParts, opening: Opening) -> None:
    """Only people who may see all of the cases are invited. Raises ``SessionRefusedError``."""
    refusals = [said for name in opening.invited if (said := _unfit(parts, name, opening.items))]
    if refusals:
        raise SessionRefusedError("; ".join(refusals), hint="leave out these people, or such cases")


def _unfit(parts: ConsoleParts, name: str, items: Sequence[SessionItem]) -> str:
    """Why somebody can not be invited, in words that do not tell which of the cases it is."""
    who = parts.directory.find(name)
    if who is None:
        return f"{name} can not be invited: nobody of this name is in the policy"
    denial = parts.desk.unfit_items(who, items)
    return f"{name} can not be invited: {_UNFIT.get(denial.code, denial.text)}" if denial else ""


def _read(parts: ConsoleParts, item: SessionItem) -> reading.CasePage:
    return reading.read(_package(item), terms=parts.policy.terms.get(item.decision_type))


def _leads(parts: ConsoleParts, who: Profile, items: Sequence[SessionItem]) -> bool:
    """Whether all of these cases are of pools that this person leads. A case of which nobody knows the pool
    may be of any."""
    pools = {item.pool for item in items}
    return bool(pools) and who.supervises.issuperset(parts.policy.pool_names if "" in pools else pools)


def _lead_only(who: Profile) -> None:
    if not who.supervises:
        raise NotAllowedError(Denial("not_lead", "sessions are opened and closed by leads of a pool"))


def _room(parts: ConsoleParts) -> SessionRoom:
    if parts.room is None:
        raise NotFoundError("sessions are not available here", hint="the console needs its broker for them")
    return parts.room


def _visible(parts: ConsoleParts, visitor: Visitor, session_id: str) -> SessionFigures:
    """The session, for who is invited, leads of its pools and auditors; for others there is none. Raises
    ``NotAllowedError`` for who was invited and may not see all of its cases (any more)."""
    who = visitor.profile
    session = _room(parts).session(session_id) if parts.room and session_id.isascii() else None
    if session is not None and _sees(parts, who, session):
        return session
    if session is not None and who.name in session.invited:
        text = "this session has a case that you may not see"
        raise NotAllowedError(Denial("not_your_cases", text, "ask its lead for one without it"))
    raise NotFoundError("there is no such session for you", hint="see the list of sessions")


def _sees(parts: ConsoleParts, who: Profile, session: SessionFigures) -> bool:
    """Whether it is this person's to see, and each of its cases, too."""
    belongs = who.name in session.invited or _may_close(parts, who, session) or Role.AUDITOR in who.roles
    return belongs and parts.desk.unfit_items(who, session.items) is None


def _may_close(parts: ConsoleParts, who: Profile, session: SessionFigures) -> bool:
    return session.opened_by == who.name or (bool(who.supervises) and _leads(parts, who, session.items))


def _overview(
    request: Request,
    visitor: Visitor,
    *,
    notice: str = "",
    mistakes: Sequence[Mistake] = (),
    status_code: int = 200,
) -> Response:
    parts, who = parts_of(request), visitor.profile
    snapshot = snapshot_of(parts)
    mine = [session for session in snapshot.sessions.values() if _sees(parts, who, session)]
    people = sorted(parts.directory.people) or sorted({*snapshot.reviewers, who.name})
    return render(
        request,
        "sessions.html",
        status_code=status_code,
        notice=notice_of(notice),
        mistakes=mistakes,
        sessions=sorted(mine, key=lambda session: (session.closed_at is not None, -session.opened_at)),
        kinds=[(kind.value, text) for kind, text in KINDS.items()],
        candidates=[
            (item, _read(parts, item), SOURCES.get(item.source, item.source))
            for item in _candidates(parts, who)[:_CANDIDATES]
        ],
        people=[(name, ((p := parts.directory.find(name)) and p.title) or name) for name in people],
        may_open=bool(who.supervises) and parts.room is not None,
        snapshot=snapshot,
        lead=leads(who),
    )


def _session(
    request: Request,
    visitor: Visitor,
    session_id: str,
    *,
    notice: str = "",
    given: Given | None = None,
    mistakes: Sequence[Mistake] = (),
    status_code: int = 200,
) -> Response:
    parts = parts_of(request)
    session = _visible(parts, visitor, session_id)
    item = session.next_item(visitor.name) if visitor.name in session.invited else None
    item = None if session.closed_at is not None else item
    return render(
        request,
        "session.html",
        status_code=status_code,
        notice=notice_of(notice),
        mistakes=mistakes,
        given=given or Given(item_id="", action=""),
        session=session,
        kind=KINDS[session.kind],
        item=item,
        page=item and _read(parts, item),
        done=sum(answer.reviewer == visitor.name for answer in session.answers),
        results=_results(parts, session) if session.may_see(visitor.name) else [],
        last=_last(session, visitor.name),
        may_close=session.closed_at is None and _may_close(parts, visitor.profile, session),
    )


def _results(parts: ConsoleParts, session: SessionFigures) -> list[ItemResult]:
    return [
        ItemResult(
            number,
            item,
            _read(parts, item),
            session.by_item.get(item.item_id),
            [answer for answer in session.answers if answer.item_id == item.item_id],
        )
        for number, item in enumerate(session.items, 1)
    ]


def _last(session: SessionFigures, name: str) -> tuple[SessionItem, SessionAnswer] | None:
    """The last own answer and its item, where the truth is told after each."""
    own = [answer for answer in session.answers if answer.reviewer == name and answer.right is not None]
    if session.kind is SessionKind.CALIBRATION or not own:
        return None
    answer = max(own, key=lambda given: given.answered_at)
    return next((item, answer) for item in session.items if item.item_id == answer.item_id)


def _package(item: SessionItem) -> dict[str, Any]:
    try:
        package = msgspec.json.decode(item.package)
    except msgspec.DecodeError:
        return {}
    return package if isinstance(package, dict) else {}
