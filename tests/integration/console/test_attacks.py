"""What somebody with a token, a link or a role of another pool tries, and does not get."""

import msgspec
import pytest

from app.console.post import NotDeliveredError, post
from app.console.scopes import Scope
from app.domain.people import Directory, Period, Profile, Substitute
from app.policy.console import Allowance
from tests.integration.review_queue.conftest import routed

from .conftest import FINANCE, PEOPLE, POOLS, URL, sign_in

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


def looks(house):
    return [event for event in house.store.events("finance") if event == "looked"]


@pytest.mark.parametrize(
    "elsewhere",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Purpose": "prefetch"}],
)
def test_no_other_site_can_say_that_somebody_looked(house, elsewhere):
    ann, identifier = house.signed_in("ann"), house.ask()
    page = ann.get(f"/reviews/{identifier}", headers=elsewhere)
    assert page.status_code == 200 and "data-unseen" in page.text
    assert ann.get(f"/v1/reviews/{identifier}", headers=elsewhere).status_code == 200
    assert looks(house) == []
    assert house.signed_in("ann").post(f"/reviews/{identifier}/seen").status_code == 204
    assert looks(house) == ["looked"]


def test_who_comes_by_a_page_of_ours_has_looked(house):
    identifier = house.ask()
    page = house.signed_in("ann").get(f"/reviews/{identifier}", headers={"Sec-Fetch-Site": "same-origin"})
    assert "data-unseen" not in page.text
    assert looks(house) == ["looked"]


def test_what_nobody_was_asked_about_is_no_story_for_who_submitted_it(house):
    with_people(house, Profile(name="dora", pools=FINANCE, identities=frozenset({"svc"})))
    event = routed("exp-9", at=house.clock())
    route = msgspec.structs.replace(event.route, pool="finance")
    house.cases.remember([msgspec.structs.replace(event, route=route)])
    assert house.program("ann").get("/v1/decisions/exp-9").status_code == 200
    answer = house.program("dora").get("/v1/decisions/exp-9")
    assert answer.status_code == 403 and "0.93" not in answer.text


def strangers_guess(house, name, times):
    """Wrong passwords from one address after another, as few from each as are allowed there."""
    for number in range(times):
        stranger = house.browser(client=(f"10.0.0.{number // 5}", 1))
        assert sign_in(stranger, name, "wrong").status_code == 401


def test_strangers_can_slow_a_sign_in_down_but_not_prevent_it(house, waits):
    house.signed_in("ann")
    strangers_guess(house, "ann", 40)
    assert max(waits) == house.policy.console.sign_in_delay / 1000
    assert sign_in(house.browser(client=("192.0.2.7", 1)), "ann").status_code == 303
    assert waits[:3] == [0, 0, 0] and waits[-1] == 5


def test_one_address_is_refused_after_some_guesses_at_a_name(house):
    house.signed_in("ann")
    guesser = house.browser(client=("10.0.0.1", 1))
    codes = [sign_in(guesser, "ann", "wrong").status_code for _ in range(12)]
    assert codes == [401] * 10 + [429] * 2


def test_reading_has_a_limit_for_each_session(make_house):
    house = make_house(requests=Allowance(5, 60_000))
    ann = house.signed_in("ann")
    codes = [
        ann.get(path).status_code for path in ("/", "/work/live", "/v1/me", "/me", "/", "/work/live", "/")
    ]
    assert codes == [200] * 5 + [429] * 2
    assert house.signed_in("ann").get("/").status_code == 200
