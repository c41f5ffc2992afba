"""Sessions by their pages: open, answer alone, see the others' answers only then."""

import itertools
from types import SimpleNamespace

import msgspec
import pytest

from app.console.app import create_console
from app.console.session_room import SessionRoom
from app.domain.people import Directory, Profile
from app.domain.quality.session_figures import SessionItem, SessionKind
from app.domain.quality.sessions import Opening, SessionBook
from app.domain.quality.sessions import opened as opened_event
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
        pool="finance",
        subject="emp-3",
        submitted_by="expenses",
    )
    for i in range(2)
)


@pytest.fixture
def school(house):
    """A house with sessions: what is written is known at once."""
    book, numbers = SessionBook(), itertools.count(1)
    house.offered = ITEMS
    ledger = SimpleNamespace(
        snapshot=lambda: Snapshot(caught_up=True, candidates=house.offered, sessions=book.figures()),
        session=book.get,
        record=book.add,
        forget_erased=lambda: None,
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


def of_people(school, *others):
    """The policy in force, with these people besides or instead."""
    people = {person.name: person for person in (*PEOPLE, *others)}
    school.policy = msgspec.structs.replace(school.policy, directory=Directory(people, POOLS))


def offered(school, **changes):
    """One more case on offer; what opens a session about it."""
    case = msgspec.structs.replace(ITEMS[0], item_id="other", **changes)
    school.offered = (*ITEMS, case)
    return {"title": "x", "kind": "calibration", "invited": ["ann", "bob"], "items": ["other"]}


@pytest.mark.parametrize(
    "changes",
    [{"pool": "finance-senior"}, {"subject": "cleo"}, {"submitted_by": "emp-7"}, {"subject": "emp-9"}],
)
def test_a_lead_is_offered_only_cases_that_a_look_would_show(school, changes):
    finance = frozenset({"finance"})
    mine = {"identities": frozenset({"emp-7"}), "conflicts": frozenset({"emp-9"})}
    of_people(school, Profile(name="cleo", pools=finance, supervises=finance, **mine))
    form = offered(school, **changes)
    cleo = school.signed_in("cleo")
    page = cleo.get("/sessions", headers=HTML).text
    assert 'value="item-0"' in page and 'value="other"' not in page
    assert cleo.post("/sessions", data=form, headers=HTML).status_code == 422, "nor by its name"


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ("sam", "sam can not be invited: does not work in the pool of every chosen case"),
        ("fay", "fay can not be invited: a chosen case is about, or from, this person"),
        ("gus", "gus can not be invited: has a conflict of interest in a chosen case"),
        ("zoe", "zoe can not be invited: nobody of this name is in the policy"),
    ],
)
def test_nobody_is_invited_to_a_case_that_they_may_not_look_at(school, who, why):
    finance = frozenset({"finance"})
    of_people(
        school,
        Profile(name="fay", pools=finance, identities=frozenset({"emp-3"})),
        Profile(name="gus", pools=finance, conflicts=frozenset({"emp-3"})),
    )
    form = {"title": "x", "kind": "calibration", "invited": ["ann", who], "items": ["item-0"]}
    answer = school.signed_in("cleo").post("/sessions", data=form, headers=HTML)
    assert answer.status_code == 422 and why in answer.text
    assert school.topics.events == []


def test_who_may_not_look_any_more_does_not_read_on_in_the_session(school):
    _, path = opened(school)
    ann = school.signed_in("ann")
    assert "320" in ann.get(path, headers=HTML).text
    of_people(school, Profile(name="ann", pools=frozenset({"finance"}), conflicts=frozenset({"emp-3"})))
    page = ann.get(path, headers=HTML)
    assert page.status_code == 403 and "a case that you may not see" in page.text and "320" not in page.text
    assert give(ann, path, "item-0", "approve").status_code == 403
    assert "Gifts" not in ann.get("/sessions", headers=HTML).text


def test_a_case_of_an_unknown_pool_is_for_who_leads_them_all(school):
    """Sessions of earlier versions do not say of which pool their cases were."""
    package = msgspec.json.encode({"decision_required": {"subject": "emp-3"}}).decode()
    form = offered(school, pool="", subject="", submitted_by="", package=package)
    lou = Profile(name="lou", pools=POOLS, supervises=frozenset(school.policy.pool_names))
    of_people(school, lou, Profile(name="max", supervises=lou.supervises, conflicts=frozenset({"emp-3"})))
    event = opened_event("old", Opening(
        kind=SessionKind.CALIBRATION, title="Old", invited=("ann", "lou", "max"), items=school.offered[2:],
    ), "cleo", 1)  # fmt: skip
    school.parts.ledger.record(event)
    seen = {name: school.signed_in(name).get("/sessions/old").status_code for name in ("lou", "eve", "max")}
    assert seen == {"lou": 200, "eve": 200, "max": 403}
    assert school.signed_in("ann").get("/sessions/old").status_code == 403
    assert school.signed_in("cleo").get("/sessions/old").status_code == 404, "though she opened it"
    assert school.signed_in("cleo").post("/sessions", data=form).status_code == 422


def test_a_session_without_people_is_not_opened(school):
    form = {"title": "x", "kind": "calibration", "invited": ["ann"], "items": ["item-0"]}
    answer = school.signed_in("cleo").post("/sessions", data=form, headers=HTML)
    assert answer.status_code == 422 and "needs 2 or more people" in answer.text
