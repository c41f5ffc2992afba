"""Sessions by their pages: open, answer alone, see the others' answers only then."""

import itertools
from types import SimpleNamespace

import msgspec
import pytest

from app.console.app import create_console
from app.console.session_room import SessionRoom
from app.domain.people import Directory, Profile
from app.domain.quality.session_figures import SessionItem
from app.domain.quality.sessions import SessionBook
from app.domain.quality.snapshot import Snapshot
from tests.integration.console.conftest import PEOPLE, POOLS

HTML = {"Accept": "text/html"}
PACKAGE = '{"decision_required":{"question":"Approve?"},"key_facts":{"amount":320}}'
ITEMS = tuple(
    SessionItem(
        item_id=f"item-{i}",
        decision_type="expense.approval",
        package=PACKAGE,
        actions=("approve", "reject"),
        recommended="approve",
        source="disagreement",
    )
    for i in range(2)
)


@pytest.fixture
def school(house):
    """A house with sessions: what is written is known at once."""
    book, numbers = SessionBook(), itertools.count(1)
    ledger = SimpleNamespace(
        snapshot=lambda: Snapshot(caught_up=True, candidates=ITEMS, sessions=book.figures()),
        session=book.get,
        record=book.add,
    )
    room = SessionRoom(
        ledger,
        house.parts.publisher.writer,
        clock=lambda: house.clock.advance(1),
        new_id=lambda: f"s{next(numbers)}",
    )
    house.parts = msgspec.structs.replace(house.parts, ledger=ledger, room=room)
    house.app = create_console(house.parts)
    return house


def opened(school):
    cleo = school.signed_in("cleo")
    form = {"title": "Gifts", "kind": "calibration", "invited": ["ann", "bob"], "items": ["item-0", "item-1"]}
    answer = cleo.post("/sessions", data=form, headers=HTML)
    assert answer.status_code == 303, answer.text[:300]
    return cleo, answer.headers["location"].partition("?")[0]


def give(browser, path, item, action, reasoning="because"):
    form = {"item_id": item, "action": action, "reasoning": reasoning}
    return browser.post(f"{path}/answer", data=form, headers=HTML)


def test_everybody_answers_alone_and_then_sees_the_others(school):
    cleo, path = opened(school)
    ann, bob = school.signed_in("ann"), school.signed_in("bob")
    for item in ("item-0", "item-1"):
        assert give(ann, path, item, "approve", "ann's reasons").status_code == 303
    assert "ann's reasons".replace("'", "&#39;") not in bob.get(path, headers=HTML).text
    assert "ann&#39;s reasons" not in cleo.get(path, headers=HTML).text, "who only opened it does not peek"
    for item in ("item-0", "item-1"):
        give(bob, path, item, "reject")
    assert "ann&#39;s reasons" in bob.get(path, headers=HTML).text
    assert cleo.post(f"{path}/close", headers=HTML).status_code == 303
    text = cleo.get(path, headers=HTML).text
    assert "ann&#39;s reasons" in text and "Gwet AC1" in text


def test_a_first_answer_stands(school):
    _, path = opened(school)
    ann = school.signed_in("ann")
    assert give(ann, path, "item-0", "approve").status_code == 303
    again = give(ann, path, "item-0", "reject")
    assert again.status_code == 409 and "the first answer stands" in again.text


def test_an_answer_has_a_reason(school):
    _, path = opened(school)
    answer = give(school.signed_in("ann"), path, "item-0", "approve", " ")
    assert answer.status_code == 422 and "Write in a sentence why" in answer.text


def test_only_leads_open_and_only_the_invited_see(school):
    _, path = opened(school)
    assert school.signed_in("ann").post("/sessions", data={}, headers=HTML).status_code == 403
    sam = school.signed_in("sam")
    assert sam.get(path, headers=HTML).status_code == 404
    assert give(sam, path, "item-0", "approve").status_code == 404
    assert "Gifts" not in sam.get("/sessions", headers=HTML).text


def test_leading_another_pool_is_no_way_into_a_session(school):
    _, path = opened(school)
    support = frozenset({"support"})
    people = (*PEOPLE, Profile(name="lou", pools=support, supervises=support))
    directory = Directory({person.name: person for person in people}, POOLS)
    school.policy = msgspec.structs.replace(school.policy, directory=directory)
    lou = school.signed_in("lou")
    assert lou.get(path, headers=HTML).status_code == 404
    assert lou.post(f"{path}/close", headers=HTML).status_code == 404
    page = lou.get("/sessions", headers=HTML).text
    assert "Gifts" not in page and "item-0" not in page
    form = {"title": "x", "kind": "calibration", "invited": ["ann", "bob"], "items": ["item-0"]}
    assert lou.post("/sessions", data=form, headers=HTML).status_code == 422, "none of these cases are theirs"


def test_a_session_without_people_is_not_opened(school):
    form = {"title": "x", "kind": "calibration", "invited": ["ann"], "items": ["item-0"]}
    answer = school.signed_in("cleo").post("/sessions", data=form, headers=HTML)
    assert answer.status_code == 422 and "needs 2 or more people" in answer.text
