"""What somebody with a token, a link or a role of another pool tries, and does not get."""

import msgspec
import pytest

from app.console.post import NotDeliveredError, post
from app.console.scopes import Scope
from app.domain.people import Directory, Period, Profile, Substitute

from .conftest import FINANCE, PEOPLE, POOLS, URL

PAGES = ("/", "/work/live", "/me", "/sessions", "/decisions/exp-1", "/decisions/exp-1/evidence", "/lead")
SUPPORT = frozenset({"support"})


def with_people(house, *more):
    people = {person.name: person for person in (*PEOPLE, *more)}
    house.policy = msgspec.structs.replace(house.policy, directory=Directory(people, POOLS))


@pytest.mark.parametrize("scope", [Scope.SUBMIT, Scope.READ, Scope.REVIEW])
def test_pages_are_no_way_around_the_scopes_of_a_token(house, scope):
    program = house.program("cleo", {scope})
    identifier = house.ask()
    for page in (*PAGES, f"/reviews/{identifier}", f"/reviews/{identifier}/presence"):
        answer = program.get(page)
        assert answer.status_code == 403, page
        assert "1240.5" not in answer.text and "emp-3" not in answer.text
    assert program.post(f"/reviews/{identifier}/claim").status_code == 403
    assert program.post("/work/next").status_code == 403
    assert program.post("/lead/reassign", data={"review_id": identifier, "to": "ann"}).status_code == 403
    review = house.queue.get(identifier).review
    assert (review.holder, review.offered_to) == ("", "")


def test_a_case_about_oneself_has_no_story_for_oneself(house):
    with_people(
        house,
        Profile(name="dora", pools=FINANCE, supervises=FINANCE, identities=frozenset({"emp-3"})),
        Profile(name="friend", pools=FINANCE, conflicts=frozenset({"emp-3"})),
    )
    house.ask()
    for name in ("dora", "friend"):
        answer = house.program(name).get("/v1/decisions/exp-1")
        assert answer.status_code == 403 and "0.93" not in answer.text
        browser = house.signed_in(name)
        assert browser.get("/decisions/exp-1").status_code == 403
        assert browser.get("/decisions/exp-1/evidence").status_code == 403


def test_a_case_of_another_pool_has_no_story_though_its_type_is_usually_ours(house):
    house.ask(pool="finance-senior")
    answer = house.program("ann").get("/v1/decisions/exp-1")
    assert answer.status_code == 403 and "0.93" not in answer.text


def test_leading_one_pool_gives_no_evidence_of_another(house):
    with_people(house, Profile(name="lou", pools=FINANCE | SUPPORT, supervises=SUPPORT))
    house.ask()
    assert house.signed_in("lou").get("/decisions/exp-1/evidence").status_code == 403
    assert house.signed_in("cleo").get("/decisions/exp-1/evidence").status_code == 404  # none made here


def test_standing_in_gives_no_answers_that_the_absent_person_may_not_give(house):
    now = Period(0, 2**53)
    with_people(
        house,
        Profile(
            name="rita",
            pools=FINANCE,
            actions=frozenset({"reject"}),
            away=(now,),
            substitutes=(Substitute("sam", now),),
        ),
    )
    sam = house.program("sam")
    identifier = house.ask()
    review = house.claimed(sam, identifier)
    path = f"/v1/reviews/{identifier}"
    assert sam.get(path).json()["actions"] == ["reject"]
    refused = sam.post(f"{path}/decide", json=house.answer(review))
    assert (refused.status_code, refused.json().get("code")) == (403, "action_not_allowed")
    answer = house.answer(review, action="reject", reason_code="other")
    assert sam.post(f"{path}/decide", json=answer).status_code == 200


def test_what_a_lead_gave_to_one_person_is_not_taken_by_another_by_delegating_it(house):
    ann, cleo = house.program("ann"), house.program("cleo")
    with_people(house, Profile(name="una", pools=FINANCE))
    path = f"/v1/reviews/{house.ask()}"
    assert cleo.post(f"{path}/reassign", json={"to": "una"}).status_code == 200
    assert ann.post(f"{path}/claim").status_code == 403
    assert ann.post(f"{path}/delegate", json={"to": "ann"}).status_code == 403
    assert ann.get(path).json()["review"]["offered_to"] == "una"
    assert cleo.post(f"{path}/delegate", json={"to": "ann"}).status_code == 200


def test_no_page_of_ours_links_elsewhere_because_an_address_says_so(house):
    answer = house.browser().get(f"{URL}//evil.example/x", headers={"Accept": "text/html"})
    assert answer.status_code == 404
    assert 'href="//' not in answer.text


def test_an_address_with_an_impossible_port_is_a_message_not_delivered():
    with pytest.raises(NotDeliveredError):
        post("https://chat.example.org:99999/hook", b"{}", {}, allow_private=False)
