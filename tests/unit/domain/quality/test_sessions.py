"""Sessions: the first answer stands, others' answers stay hidden until one's own are given."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from app.domain.quality.session_figures import SessionItem, SessionKind
from app.domain.quality.sessions import (
    KEPT,
    Given,
    Opening,
    SessionBook,
    SessionRefusedError,
    answered,
    closed,
    opened,
    without_ai,
)


def item(name, truth=None):
    return SessionItem(
        item_id=name, decision_type="t", package="{}", actions=("approve", "reject"), truth=truth
    )


def opening(kind=SessionKind.CALIBRATION, invited=("ann", "bob"), items=None):
    items = items or (item("i1", "reject"), item("i2"))
    return Opening(kind=kind, title="March", invited=invited, items=items)


class Room:
    def __init__(self, given=None):
        self.book = SessionBook()
        self.book.add(opened("s1", given or opening(), "lee", 1))

    @property
    def session(self):
        return self.book.get("s1")

    def answer(self, who, item_id, action, at=2):
        return self.book.add(answered(self.session, Given(item_id=item_id, action=action), who, at))


def test_everybody_answers_and_agreement_is_measured():
    room = Room()
    assert room.session.next_item("ann").item_id == "i1"
    assert room.answer("ann", "i1", "reject") == "ann"
    assert not room.session.may_see("ann")
    room.answer("bob", "i1", "approve")
    room.answer("ann", "i2", "approve")
    room.answer("bob", "i2", "approve")
    found = room.session
    assert found.may_see("ann")
    emptied = msgspec.structs.replace(found, items=())
    assert emptied.may_see("bob") and not emptied.may_see("lee"), "who only opened it looks over no shoulder"
    assert found.by_item == {"i1": 0.0, "i2": 1.0}
    assert found.agreement.observed == 0.5
    assert [(one.reviewer, one.answered, one.right, one.judged) for one in found.scores] == [
        ("ann", 2, 1, 1),
        ("bob", 2, 0, 1),
    ]


def test_closing_shows_everything_to_everybody_and_ends_it():
    room = Room()
    room.answer("ann", "i1", "reject")
    room.book.add(closed(room.session, "lee", 9))
    assert room.session.may_see("bob")
    with pytest.raises(SessionRefusedError, match="closed"):
        room.answer("bob", "i1", "approve")


@pytest.mark.parametrize(
    ("who", "item_id", "action", "words"),
    [
        ("eve", "i1", "approve", "not invited"),
        ("ann", "i9", "approve", "no such item"),
        ("ann", "i1", "shrug", "not among the actions"),
    ],
)
def test_what_can_not_be_answered_is_said(who, item_id, action, words):
    with pytest.raises(SessionRefusedError, match=words):
        Room().answer(who, item_id, action)


def test_the_first_answer_stands_also_when_two_processes_took_one_each():
    room = Room()
    one = answered(room.session, Given(item_id="i1", action="reject"), "ann", 2)
    two = answered(room.session, Given(item_id="i1", action="approve"), "ann", 3)
    assert room.book.add(one) == "ann"
    assert room.book.add(two) is None
    assert room.book.add(one) is None
    assert [answer.action for answer in room.session.answers] == ["reject"]


def test_processes_that_hear_of_it_in_another_order_agree_in_the_end():
    room = Room()
    events = [
        answered(room.session, Given(item_id="i1", action="reject"), "ann", 4),
        answered(room.session, Given(item_id="i1", action="approve"), "ann", 3),
        answered(room.session, Given(item_id="i1", action="approve"), "bob", 5),
        answered(room.session, Given(item_id="i2", action="approve"), "bob", 9),
        closed(room.session, "lee", 6),
    ]
    ends = set()
    for order in itertools.permutations(events):
        book = Room().book
        for event in order:
            book.add(event)
        ends.add(tuple((one.reviewer, one.item_id, one.action) for one in book.get("s1").answers))
    assert ends == {(("ann", "i1", "approve"), ("bob", "i1", "approve"))}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (opening(items=tuple(item(f"i{n}") for n in range(51))), "1 to 50 items"),
        (opening(invited=("ann",)), "2 or more people"),
        (opening(SessionKind.BURST, invited=()), "1 or more people"),
    ],
)
def test_a_session_without_people_or_with_too_many_items_is_refused(given, words):
    with pytest.raises(SessionRefusedError, match=words):
        opened("s", given, "lee", 1)


def test_unreadable_and_unknown_events_change_nothing():
    room = Room()
    before = room.session
    strange = opened("s2", opening(), "lee", 1)
    for event in (
        type(strange)(event_id="x", session_id="s1", event="answered", actor="ann", at=1, detail="{"),
        type(strange)(event_id="x", session_id="s7", event="closed", actor="ann", at=1, detail="{}"),
        type(strange)(event_id="x", session_id="s8", event="opened", actor="ann", at=1, detail="[]"),
        type(strange)(event_id="x", session_id="s1", event="danced", actor="ann", at=1, detail="{}"),
    ):
        assert room.book.add(event) is None
    assert room.session == before
    assert list(room.book.figures()) == ["s1"]


def test_memory_is_bounded_and_closed_ones_go_first():
    room = Room()
    for n in range(KEPT + 5):
        room.book.add(opened(f"x{n}", opening(), "lee", 100 + n))
        if n == 3:
            room.book.add(closed(room.book.get("x3"), "lee", 200))
    assert len(room.book.figures()) == KEPT
    assert room.book.get("x3") is None


def test_an_item_shows_nothing_that_the_ai_said():
    package = (
        '{"key_facts":{"a":1},"ai_recommendation":{},"confidence":{},"alternatives":[],"involvement":{}}'
    )
    assert without_ai(package) == '{"key_facts":{"a":1}}'
    assert without_ai("not json") == without_ai("[]") == "{}"
