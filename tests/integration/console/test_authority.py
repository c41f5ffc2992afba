"""The same person may do the same, whatever the entry: command line, API, page. Every deed, every role."""

import msgspec
import pytest
from typer.testing import CliRunner

from app.commands import review as commands
from app.desk.matter import matter_of
from app.domain.answers import Verdict
from app.domain.authority import Deed, refused
from app.domain.events import ConsequenceClass, ReviewKind, ReviewRequested
from app.domain.people import Directory, Period, Profile, Role, Substitute
from app.domain.review import Reviewer

from .conftest import FINANCE, POOLS

ALWAYS = Period(0, 2**53)
PEOPLE = {
    person.name: person
    for person in (
        Profile(name="reviewer", pools=FINANCE),
        Profile(name="lead", pools=FINANCE, supervises=FINANCE),
        Profile(name="small", pools=FINANCE, max_amount=1_000.0),
        Profile(name="mild", pools=FINANCE, max_class=ConsequenceClass.LOW),
        Profile(name="other-type", pools=FINANCE, decision_types=frozenset({"hr.action"})),
        Profile(name="stranger", pools=frozenset({"support"})),
        Profile(name="concerned", pools=FINANCE, supervises=FINANCE, identities=frozenset({"emp-3"})),
        Profile(name="friend", pools=FINANCE, conflicts=frozenset({"svc"})),
        Profile(name="away", pools=FINANCE, away=(ALWAYS,), substitutes=(Substitute("stand-in", ALWAYS),)),
        Profile(name="stand-in", pools=frozenset({"support"})),
        Profile(name="auditor", roles=frozenset({Role.AUDITOR})),
        Profile(name="admin", roles=frozenset({Role.ADMIN})),
        Profile(name="colleague", pools=FINANCE),
    )
}
HELD = {Deed.EXTEND, Deed.RELEASE, Deed.REVEAL, Deed.DECIDE, Deed.UNDO, Deed.REQUEST_INFO}
TO = "colleague"
ANYBODY = Reviewer(name="nobody-special", pools=FINANCE)


@pytest.fixture
def house(make_house, monkeypatch):
    house = make_house()
    house.policy = msgspec.structs.replace(house.policy, directory=Directory(PEOPLE, POOLS))
    monkeypatch.setattr(commands, "_desk", lambda: house.desk)
    return house


def prepared(house, name, deed, number):
    """A case in the state in which the deed makes sense; in the hands of ``name`` where it needs that,
    as if authority had never been asked."""
    kind = ReviewKind.SECOND_LOOK if deed is Deed.REVEAL else ReviewKind.DECIDE
    identifier = house.ask(f"exp-{number}", kind=kind, harm=ConsequenceClass.MEDIUM)
    if deed in HELD:
        held = house.queue.claim(identifier, Reviewer(name=name, pools=FINANCE)).review
    if deed is Deed.UNDO:
        what = Verdict(action="approve", reasoning="fits")
        holder = Reviewer(name=name, pools=FINANCE)
        house.queue.decide(identifier, holder, held.epoch, held.digest, what, undo_window=60_000)
    if deed is Deed.ANSWER_INFO:
        epoch = house.queue.claim(identifier, ANYBODY).review.epoch
        house.queue.request_info(identifier, ANYBODY, epoch, "Which project?")
    return house.queue.get(identifier).review


def by_command(house, name, deed, review):
    held = ["--epoch", str(review.epoch)] if deed in HELD else []
    words = {
        Deed.LOOK: ["show"],
        Deed.REVEAL: ["reveal", "--action", "reject"],
        Deed.DECIDE: ["decide", "--action", "approve", "--reasoning", "fits", "--digest", review.digest],
        Deed.REQUEST_INFO: ["request-info", "--question", "Which project?"],
        Deed.ANSWER_INFO: ["answer-info", "--information", "Apollo"],
        Deed.DELEGATE: ["delegate", "--to", TO],
        Deed.REASSIGN: ["reassign", "--to", TO],
    }.get(deed, [deed.value])
    result = CliRunner().invoke(commands.app, [words[0], review.review_id, *words[1:], *held, "--as", name])
    return result.exit_code == 0


def by_api(house, name, deed, review):
    program = house.program(name)
    path = f"/v1/reviews/{review.review_id}"
    if deed is Deed.LOOK:
        return program.get(path).status_code == 200
    body = {
        Deed.REVEAL: {"action": "reject"},
        Deed.DECIDE: {"action": "approve", "reasoning": "fits", "digest": review.digest},
        Deed.REQUEST_INFO: {"question": "Which project?"},
        Deed.ANSWER_INFO: {"information": "Apollo"},
        Deed.ESCALATE: {"reason": "why"},
        Deed.DELEGATE: {"to": TO, "reason": "why"},
        Deed.REASSIGN: {"to": TO, "reason": "why"},
        Deed.CANCEL: {"reason": "why"},
    }.get(deed, {})
    if deed in HELD:
        body["epoch"] = review.epoch
    answer = program.post(f"{path}/{deed.value.replace('_', '-')}", json=body or None)
    assert answer.status_code in (200, 403), answer.text
    return answer.status_code == 200


def by_page(house, name, deed, review):
    browser = house.signed_in(name)
    path = f"/reviews/{review.review_id}"
    if deed is Deed.LOOK:
        return browser.get(path).status_code == 200
    place, form = {
        Deed.CLAIM: ("claim", {}),
        Deed.EXTEND: ("heartbeat", {}),
        Deed.RELEASE: ("release", {}),
        Deed.REVEAL: ("first", {"action": "reject"}),
        Deed.DECIDE: (
            "answer",
            {"action": "approve", "reasoning": "fits", "digest": review.digest, "reason_code": "agrees"},
        ),
        Deed.UNDO: ("undo", {}),
        Deed.REQUEST_INFO: ("ask", {"question": "Which project?"}),
        Deed.ANSWER_INFO: ("information", {"information": "Apollo"}),
        Deed.ESCALATE: ("escalate", {"reason": "why"}),
        Deed.DELEGATE: ("delegate", {"reason": "why", "to": TO}),
        Deed.REASSIGN: ("", {"reason": "why", "to": TO, "review_id": review.review_id}),
    }[deed]
    if deed in HELD:
        form = {**form, "epoch": str(review.epoch)}
    browser.post(f"{path}/{place}" if place else "/lead/reassign", data=form)
    return standing(house, review) != apart_from_looks(review)


def standing(house, review):
    return apart_from_looks(house.queue.get(review.review_id).review)


def apart_from_looks(review):
    """Looking goes on the record, too: it counts as a step, and changes nothing else."""
    return msgspec.structs.replace(review, step=0)


def modified_by_command(house, name, review, amount):
    given = ["--action", "modify", "--changes", f'{{"amount": {amount}}}', "--reasoning", "a slip"]
    lease = ["--epoch", str(review.epoch), "--digest", review.digest, "--as", name]
    result = CliRunner().invoke(commands.app, ["decide", review.review_id, *given, *lease])
    return f"{result.exception} {getattr(result.exception, 'hint', '')}"


def modified_by_api(house, name, review, amount):
    body = {"epoch": review.epoch, "digest": review.digest, "action": "modify", "reasoning": "a slip"}
    path = f"/v1/reviews/{review.review_id}/decide"
    return house.program(name).post(path, json=body | {"changes": {"amount": amount}}).text


def modified_by_page(house, name, review, amount):
    form = {"action": "modify", "change.amount": str(amount), "reasoning": "a slip", "reason_code": "other"}
    held = {"epoch": str(review.epoch), "digest": review.digest}
    return house.signed_in(name).post(f"/reviews/{review.review_id}/answer", data=form | held).text


ENTRIES = {"command line": by_command, "API": by_api, "page": by_page}


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("name", [name for name in PEOPLE if name != TO])
def test_every_deed_of_every_role_at_every_entry(house, name, entry):
    profile = PEOPLE[name]
    for number, deed in enumerate(Deed):
        if entry == "page" and deed is Deed.CANCEL:
            continue  # no page offers it
        review = prepared(house, name, deed, number)
        event = house.codec.decode_as(house.queue.get(review.review_id).record, ReviewRequested)
        matter = matter_of(review, event, house.policy.terms["expense.approval"], {})
        capacities = list(house.policy.directory.capacities(profile, house.clock()))
        may = refused(capacities, deed, matter, house.clock()) is None
        house.clock.advance(1_000)
        did = ENTRIES[entry](house, name, deed, review)
        assert did == may, f"{name} {deed.value} by {entry}"
        if not may:
            unchanged = standing(house, review) == apart_from_looks(review)
            assert unchanged, f"{name} {deed.value} by {entry}: refused, and yet something changed"


MODIFIED = {"command line": modified_by_command, "API": modified_by_api, "page": modified_by_page}


@pytest.mark.parametrize("entry", MODIFIED)
@pytest.mark.parametrize(
    ("name", "limit"), [("small", "you decide up to 1,000"), ("mild", "you decide up to low")]
)
def test_no_entry_lets_an_answer_change_a_case_past_the_persons_limit(house, name, limit, entry):
    holder = Reviewer(name=name, pools=FINANCE)
    for amount, may in ((5_000_000, False), (900, True)):
        identifier = house.ask(f"exp-{amount}", facts={"amount": 10})
        review = house.queue.claim(identifier, holder).review
        house.clock.advance(1_000)
        said = MODIFIED[entry](house, name, review, amount)
        if may:
            assert house.queue.get(identifier).answer.changes == '{"amount":900}', said
        else:
            assert standing(house, review) == apart_from_looks(review), "refused, and yet something changed"
            assert limit in said
            assert "escalate the case, or hand it on" in said
            assert entry != "page" or "With your changes it is a case that you may not decide" in said


@pytest.mark.parametrize("entry", ["command line", "API"])
def test_an_amount_that_is_changed_to_nothing_is_above_every_limit(house, entry):
    """A page has no way of writing it."""
    review = house.queue.claim(house.ask(facts={"amount": 10}), Reviewer(name="small", pools=FINANCE)).review
    said = MODIFIED[entry](house, "small", review, {"command line": "null", "API": None}[entry])
    assert "the amount is not known" in said
    assert standing(house, review) == apart_from_looks(review)
