"""Standing rules at every entry: proposed by one, approved by another, ended by whoever may."""

import msgspec
import pytest

from app.domain.authority import Matter, RuleDeed, RuleMatter, rule_refused
from app.domain.events import ConsequenceClass, ReviewKind, RuleChange, RuleKind
from app.domain.people import Directory, Period, Profile, Role, Substitute
from app.stream.topics import Topic

from .conftest import FINANCE, POOLS

ALWAYS = Period(0, 2**53)
PEOPLE = {
    person.name: person
    for person in (
        Profile(name="ana", pools=FINANCE),
        Profile(name="ben", pools=FINANCE),
        Profile(name="lead", pools=FINANCE, supervises=FINANCE),
        Profile(name="small", pools=FINANCE, max_amount=10.0),
        Profile(name="other-type", pools=FINANCE, decision_types=frozenset({"hr.action"})),
        Profile(name="no-approvals", pools=FINANCE, actions=frozenset({"reject"})),
        Profile(name="stranger", pools=frozenset({"support"})),
        Profile(name="away", pools=FINANCE, away=(ALWAYS,), substitutes=(Substitute("stand-in", ALWAYS),)),
        Profile(name="stand-in", pools=FINANCE, max_amount=10.0),
        Profile(name="auditor", roles=frozenset({Role.AUDITOR})),
        Profile(name="admin", roles=frozenset({Role.ADMIN})),
        Profile(name="chief", pools=FINANCE, supervises=FINANCE, roles=frozenset({Role.ADMIN})),
    )
}
PROPOSAL = {
    "kind": "auto_approve",
    "decision_type": "expense.approval",
    "condition": "facts.amount < 50",
    "action": "approve",
    "max_amount": 50,
    "reason": "tram tickets",
    "lifetime": "7d",
}


@pytest.fixture
def house(make_house):
    house = make_house()
    house.policy = msgspec.structs.replace(house.policy, directory=Directory(PEOPLE, POOLS))
    return house


def proposed(house, by="ana", **changes):
    answer = house.program(by).post("/v1/rules", json=PROPOSAL | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()["rule_id"]


def by_api(house, name, deed, rule_id):
    program, body = house.program(name), {"reason": "why"}
    if deed is RuleDeed.LOOK:
        return program.get(f"/v1/rules/{rule_id}").status_code == 200
    if deed is RuleDeed.PROPOSE:
        return program.post("/v1/rules", json=PROPOSAL).status_code == 201
    return program.post(f"/v1/rules/{rule_id}/{deed.value}", json=body).status_code == 200


def by_page(house, name, deed, rule_id):
    browser = house.signed_in(name)
    if deed is RuleDeed.LOOK:
        return browser.get(f"/rules/{rule_id}").status_code == 200
    if deed is RuleDeed.PROPOSE:
        form = {field: str(value) for field, value in PROPOSAL.items()}
        return browser.post("/rules", data=form | {"max_class": "low"}).status_code == 303
    return browser.post(f"/rules/{rule_id}/{deed.value}", data={"reason": "why"}).status_code == 303


EXPECTED = {
    RuleDeed.LOOK: {*PEOPLE} - {"stranger"},
    RuleDeed.PROPOSE: {"ana", "ben", "lead", "chief", "away"},
    RuleDeed.APPROVE: {"ben", "lead", "chief", "away"},
    RuleDeed.REJECT: {"ana", "ben", "lead", "chief", "away", "admin"},
    RuleDeed.REVOKE: {"ana", "lead", "chief", "admin"},
}


@pytest.mark.parametrize("entry", [by_api, by_page])
@pytest.mark.parametrize("name", PEOPLE)
def test_every_deed_of_every_role_at_every_entry(house, name, entry):
    for deed in RuleDeed:
        rule_id = proposed(house)
        assert entry(house, name, deed, rule_id) == (name in EXPECTED[deed]), (name, deed)


def test_nobody_approves_the_own_rule_not_even_an_admin(house):
    rule_id = proposed(house, "chief")
    answer = house.program("chief").post(f"/v1/rules/{rule_id}/approve", json={})
    assert (answer.status_code, answer.json()["code"]) == (403, "four_eyes")


def test_stand_ins_are_one_pair_of_eyes(house):
    stand_in = msgspec.structs.replace(PEOPLE["stand-in"], max_amount=None)
    people = {**PEOPLE, "stand-in": stand_in}
    house.policy = msgspec.structs.replace(house.policy, directory=Directory(people, POOLS))
    for one, other in (("away", "stand-in"), ("stand-in", "away")):
        rule_id = proposed(house, one)
        answer = house.program(other).post(f"/v1/rules/{rule_id}/approve", json={})
        assert (answer.status_code, answer.json()["code"]) == (403, "stand_in")


def test_authority_is_not_lent_for_rules():
    """Who stands in for somebody may decide single cases in that place, and agree to no rule."""
    directory = Directory(PEOPLE, POOLS)
    hardest = Matter(
        review_id="",
        pool="finance",
        kind=ReviewKind.REVIEW,
        decision_type="expense.approval",
        consequence_class=ConsequenceClass.LOW,
        has_amount=True,
        amount=50.0,
        subject="",
        submitted_by="",
    )
    matter = RuleMatter(hardest=hardest, actions=("approve",), proposed_by="ana")
    assert (
        rule_refused(directory, PEOPLE["stand-in"], RuleDeed.APPROVE, matter, 1).code == "above_your_amount"
    )


def test_the_life_of_a_rule_is_told_by_events_and_the_first_word_stands(house):
    rule_id = proposed(house)
    assert house.book()("expense.approval").rules == ()
    ben = house.program("ben")
    assert ben.post(f"/v1/rules/{rule_id}/approve", json={}).json()["state"] == "active"
    assert ben.post(f"/v1/rules/{rule_id}/approve", json={}).status_code == 200, "safe to repeat"
    assert [one.rule.rule_id for one in house.book()("expense.approval").rules] == [rule_id]
    late = house.program("lead").post(f"/v1/rules/{rule_id}/reject", json={"reason": "too wide"})
    assert (late.status_code, late.json()["code"]) == (409, "active")
    ended = house.program("ana").post(f"/v1/rules/{rule_id}/revoke", json={"reason": "prices changed"})
    assert (ended.json()["state"], ended.json()["end_reason"]) == ("revoked", "prices changed")
    assert house.book()("expense.approval").rules == ()
    told = [(topic, key, event.change) for topic, key, event in house.topics.events]
    assert told == [
        (Topic.RULES_CHANGED, f"{rule_id}/proposed", RuleChange.PROPOSED),
        (Topic.RULES_CHANGED, f"{rule_id}/approved", RuleChange.APPROVED),
        (Topic.RULES_CHANGED, f"{rule_id}/ended", RuleChange.REVOKED),
    ]


def test_a_rule_expires_by_the_clock(house):
    rule_id = proposed(house, lifetime="1h")
    house.clock.now += 3_600_000
    answer = house.program("ben").post(f"/v1/rules/{rule_id}/approve", json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "expired")


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"condition": "facts.amuont < 5"}, "condition", "line 1, column 7: facts.amuont does not exist"),
        ({"condition": "facts.amount +"}, "condition", "ends too early"),
        ({"condition": "facts.amount"}, None, None),
        ({"lifetime": "31d"}, "expires", "at most 30 days"),
        ({"action": ""}, "action", "which recommendation"),
        ({"action": "frob"}, "action", "no action"),
        ({"max_class": "critical"}, "max_class", "up to low consequence"),
        ({"decision_type": "nothing"}, "decision_type", "no decision type"),
        ({"kind": "exception", "pool": "support"}, "pool", "more authority"),
    ],
)
def test_what_is_wrong_is_said_by_field(house, changes, field, says):
    answer = house.program("ana").post("/v1/rules", json=PROPOSAL | changes)
    if field is None:
        assert answer.status_code in (201, 422)
        return
    assert answer.status_code == 422
    found = {error["field"]: error["message"] for error in answer.json()["errors"]}
    assert says in found[field]


def test_an_open_house_has_nobody_to_vouch(house):
    house.policy = msgspec.structs.replace(house.policy, directory=Directory({}, POOLS))
    answer = house.program("ana").post("/v1/rules", json=PROPOSAL)
    assert (answer.status_code, answer.json()["code"]) == (403, "open_house")


def test_from_a_case_the_condition_is_drafted_and_a_mistake_keeps_what_was_typed(house):
    review = house.ask("exp-9", facts={"category": "travel"})
    browser = house.signed_in("ana")
    page = browser.get(f"/rules/new?review={review}").text
    assert "facts.amount &gt;= 1200.0 &amp;&amp; facts.amount &lt;= 1300.0" in page
    form = {**{k: str(v) for k, v in PROPOSAL.items()}, "condition": "facts.amuont < 5", "max_class": "low"}
    wrong = browser.post("/rules", data=form)
    assert wrong.status_code == 422
    assert "facts.amuont &lt; 5" in wrong.text
    assert "did you mean amount" in wrong.text


def test_an_exception_rule_of_a_whole_type_needs_every_answer(house):
    body = PROPOSAL | {"kind": RuleKind.EXCEPTION.value, "action": "", "min_level": 4, "max_class": "high"}
    assert house.program("no-approvals").post("/v1/rules", json=body).status_code == 403
    assert house.program("ana").post("/v1/rules", json=body).json()["min_level"] == 4
