"""Calibration sessions, onboarding sets and bursts: past cases that several people answer for themselves.

What happens in a session is a row of events (``sessions.recorded``); the session is their fold. The first
answer of a person to an item stands. Nothing of it touches a decision, a label or a metric of the AI.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence

import msgspec

from app.domain.events import ReviewDecided, SessionRecorded
from app.domain.ids import derived_id
from app.domain.quality.agreement import agreeing, agreement
from app.domain.quality.session_figures import (
    SessionAnswer,
    SessionFigures,
    SessionItem,
    SessionKind,
    SessionScore,
)
from app.errors import HitlError

OPENED, ANSWERED, CLOSED = "opened", "answered", "closed"
MOST_ITEMS = 50
KEPT = 200
"""Sessions that are remembered; the oldest closed one goes first."""
_AI_PARTS = ("ai_recommendation", "confidence", "alternatives", "involvement", "withheld", "task")


class SessionRefusedError(HitlError):
    """Something that can not be done to a session."""


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """What a session is opened with."""

    kind: SessionKind
    title: str
    invited: tuple[str, ...]
    items: tuple[SessionItem, ...]


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to an item."""

    item_id: str
    action: str
    reasoning: str = ""


def opened(session_id: str, opening: Opening, by: str, at: int) -> SessionRecorded:
    """The event that opens a session. Raises ``SessionRefusedError`` for one without items or people."""
    if not 0 < len(opening.items) <= MOST_ITEMS:
        raise SessionRefusedError(
            f"a session has 1 to {MOST_ITEMS} items, not {len(opening.items)}",
            hint="choose from the cases on which people disagreed, or from teaching examples",
        )
    fewest = 2 if opening.kind is SessionKind.CALIBRATION else 1
    if len(set(opening.invited)) < fewest:
        raise SessionRefusedError(
            f"a session of this kind needs {fewest} or more people, not {len(set(opening.invited))}",
            hint="invite whoever works on these cases",
        )
    return _event(session_id, OPENED, by, at, msgspec.json.encode(opening).decode())


def answered(session: SessionFigures, given: Given, by: str, at: int) -> SessionRecorded:
    """The event of an answer. Raises ``SessionRefusedError`` saying why it can not be given."""
    item = next((one for one in session.items if one.item_id == given.item_id), None)
    if session.closed_at is not None:
        raise SessionRefusedError("this session is closed", hint="ask its lead to open another one")
    if by not in session.invited:
        raise SessionRefusedError(f"{by} is not invited to this session", hint="ask its lead")
    if item is None:
        raise SessionRefusedError("this session has no such item", hint="go back to the session's page")
    if any(one.reviewer == by and one.item_id == given.item_id for one in session.answers):
        raise SessionRefusedError(
            "you have answered this item; the first answer stands", hint="go on to the next"
        )
    if given.action not in item.actions:
        raise SessionRefusedError(
            f"'{given.action}' is not among the actions of this case",
            hint=f"choose from {', '.join(item.actions)}",
        )
    detail = msgspec.json.encode(given).decode()
    return _event(session.session_id, ANSWERED, by, at, detail, f"{by}\n{given.item_id}")


def closed(session: SessionFigures, by: str, at: int) -> SessionRecorded:
    """The event that ends a session."""
    return _event(session.session_id, CLOSED, by, at, "{}")


def item_of(decided: ReviewDecided, actions: Sequence[str], source: str, truth: str | None) -> SessionItem:
    """A past case as an item: its package without anything that the AI said."""
    decision = decided.requested.routed.scored.decision
    return SessionItem(
        item_id=item_id_of(decision.decision_id),
        decision_type=decision.decision_type,
        package=without_ai(decided.requested.request.package),
        actions=tuple(actions),
        truth=truth,
        recommended=decision.recommendation.action,
        source=source,
        answered=(decided.answer.action,),
        pool=decided.requested.request.pool,
        subject=decision.subject,
        submitted_by=decision.submitted_by,
    )


def people_of(item: SessionItem) -> tuple[str, str]:
    """Whom a case is about, and who submitted it. An item of an earlier version says so in its package only.

    >>> old = '{"decision_required": {"subject": "emp-3", "submitted_by": "svc"}}'
    >>> people_of(SessionItem(item_id="i", decision_type="t", package=old, actions=()))
    ('emp-3', 'svc')
    """
    if item.pool:
        return item.subject, item.submitted_by
    try:
        told = msgspec.json.decode(item.package, type=_Package).decision_required
    except msgspec.MsgspecError:
        return "", ""
    return told.subject, told.submitted_by


class _People(msgspec.Struct):
    subject: str = ""
    submitted_by: str = ""


class _Package(msgspec.Struct):
    decision_required: _People = msgspec.field(default_factory=_People)


def item_id_of(decision_id: str) -> str:
    """The id of a decision as an item: others' answers can not be looked up by it."""
    return derived_id(decision_id, "session")


def without_ai(package: str) -> str:
    """A context package without AI content, so that people answer first.

    >>> without_ai('{"key_facts": {"amount": 1}, "ai_recommendation": {"action": "approve"}}')
    '{"key_facts":{"amount":1}}'
    """
    try:
        parts = msgspec.json.decode(package)
    except msgspec.DecodeError:
        return "{}"
    if not isinstance(parts, dict):
        return "{}"
    kept = {name: value for name, value in parts.items() if name not in _AI_PARTS}
    return msgspec.json.encode(kept, order="sorted").decode()


class SessionBook:
    """All sessions that are remembered."""

    def __init__(self) -> None:
        self._sessions: dict[str, SessionFigures] = {}
        self._opening = msgspec.json.Decoder(Opening)
        self._given = msgspec.json.Decoder(Given)

    def add(self, event: SessionRecorded) -> str | None:
        """Take an event; the name of whoever answered an item for the first time. A repeat changes nothing,
        and so does an event that does not fit or can not be read."""
        known = self._sessions.get(event.session_id)
        try:
            if event.event == OPENED and known is None:
                self._open(event, self._opening.decode(event.detail))
            elif event.event == ANSWERED and known is not None:
                return self._answer(known, event, self._given.decode(event.detail))
            elif event.event == CLOSED and known is not None and known.closed_at is None:
                in_time = tuple(one for one in known.answers if one.answered_at <= event.at)
                ended = msgspec.structs.replace(known, closed_at=event.at, answers=in_time)
                self._sessions[event.session_id] = _scored(ended)
        except msgspec.MsgspecError:
            return None
        return None

    def get(self, session_id: str) -> SessionFigures | None:
        """One session."""
        return self._sessions.get(session_id)

    def forget(self, gone: Container[str]) -> None:
        """Drop the items of keys that are gone, with the answers to them."""
        for session in self._sessions.values():
            items = tuple(item for item in session.items if item.key_id not in gone)
            if len(items) == len(session.items):
                continue
            left = {item.item_id for item in items}
            answers = tuple(one for one in session.answers if one.item_id in left)
            shorter = msgspec.structs.replace(session, items=items, answers=answers)
            self._sessions[session.session_id] = _scored(shorter)

    def figures(self) -> dict[str, SessionFigures]:
        """All of them, newest first."""
        newest = sorted(self._sessions.values(), key=lambda one: (-one.opened_at, one.session_id))
        return {one.session_id: one for one in newest}

    def _open(self, event: SessionRecorded, opening: Opening) -> None:
        while len(self._sessions) >= KEPT:
            oldest = min(self._sessions.values(), key=lambda one: (one.closed_at is None, one.opened_at))
            del self._sessions[oldest.session_id]
        self._sessions[event.session_id] = SessionFigures(
            session_id=event.session_id,
            kind=opening.kind,
            title=opening.title,
            opened_by=event.actor,
            opened_at=event.at,
            invited=opening.invited,
            items=opening.items,
        )

    def _answer(self, known: SessionFigures, event: SessionRecorded, given: Given) -> str | None:
        """Events may come in another order here than in another process: what counts follows from their
        times, so that all processes agree in the end."""
        item = next((one for one in known.items if one.item_id == given.item_id), None)
        late = known.closed_at is not None and event.at > known.closed_at
        if item is None or late or event.actor not in known.invited or given.action not in item.actions:
            return None
        answer = SessionAnswer(
            reviewer=event.actor,
            item_id=given.item_id,
            action=given.action,
            reasoning=given.reasoning,
            answered_at=event.at,
            right=None if item.truth is None else item.truth == given.action,
        )
        same = [one for one in known.answers if (one.reviewer, one.item_id) == (event.actor, given.item_id)]
        if same and (same[0].answered_at, same[0].action) <= (event.at, given.action):
            return None
        others = tuple(one for one in known.answers if one not in same)
        answers = sorted((*others, answer), key=lambda one: (one.answered_at, one.reviewer, one.item_id))
        with_answer = msgspec.structs.replace(known, answers=tuple(answers))
        self._sessions[event.session_id] = _scored(with_answer)
        return None if same else event.actor


def _scored(session: SessionFigures) -> SessionFigures:
    by_item: dict[str, Counter[str]] = {item.item_id: Counter() for item in session.items}
    for answer in session.answers:
        by_item[answer.item_id][answer.action] += 1
    rated = [list(counts.elements()) for counts in by_item.values()]
    return msgspec.structs.replace(
        session,
        agreement=agreement(rated),
        by_item={name: agreeing(counts) for name, counts in by_item.items() if counts.total() >= 2},
        scores=tuple(_score(name, session.answers) for name in session.invited),
    )


def _score(name: str, answers: Iterable[SessionAnswer]) -> SessionScore:
    own = [answer for answer in answers if answer.reviewer == name]
    judged = [answer.right for answer in own if answer.right is not None]
    return SessionScore(reviewer=name, answered=len(own), right=sum(judged), judged=len(judged))


def _event(session_id: str, what: str, by: str, at: int, detail: str, which: str = "") -> SessionRecorded:
    return SessionRecorded(
        event_id=derived_id(session_id, f"{what}\n{which}"),
        session_id=session_id,
        event=what,
        actor=by,
        at=at,
        detail=detail,
    )
