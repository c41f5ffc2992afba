"""What an answer changes: written in one way, and never past what the person may decide."""

import msgspec
import pytest

from app.domain.answers import Verdict, completed
from app.domain.authority import Matter
from app.domain.changes import canonical, changed_matter, changes_refused
from app.domain.events import ConsequenceClass, ReviewKind, StatedFactors
from app.domain.people import Directory, Period, Profile, Substitute
from app.domain.review import verdict

from .cases import decision, terms

NOW = 1_000
POOL = frozenset({"expenses"})
TERMS = terms(amount_fact="amount")
SMALL = decision(facts='{"amount": 10, "harm": 0.1}')
LOW, MEDIUM, CRITICAL = ConsequenceClass.LOW, ConsequenceClass.MEDIUM, ConsequenceClass.CRITICAL
CASE = Matter(
    review_id="expenses.x",
    pool="expenses",
    kind=ReviewKind.REVIEW,
    decision_type="expense.approval",
    consequence_class=LOW,
    has_amount=True,
    amount=10.0,
    subject="emp-1",
    submitted_by="svc",
)
BOB = Profile(name="bob", pools=POOL, max_amount=1_000.0)
MIA = Profile(name="mia", pools=POOL, max_class=LOW)


def becomes(changes, submitted=SMALL, policy=TERMS):
    return changed_matter(CASE, submitted, changes, policy)


def code(who, changes, **more):
    denial = changes_refused([who], becomes(changes, **more), NOW)
    return denial and denial.code


@pytest.mark.parametrize(
    ("changes", "amount"),
    [
        ('{"amount": 1000}', 1_000.0),
        ('{"amount": 1000.01}', 1_000.01),
        ('{"category": "travel"}', 10.0),
        ('{"amount": 5, "amount": 5000000}', 5_000_000.0),
        ('{"amount": null}', None),
        ('{"amount": "5"}', None),
        ('{"amount": true}', None),
        ('{"amount": 1e999}', None),
        ('{"amount": [5]}', None),
        ("[]", None),
    ],
)
def test_the_amount_is_that_of_the_changed_facts(changes, amount):
    assert becomes(changes).amount == amount
    refused_as = None if amount in (10.0, 1_000.0) else "above_your_amount" if amount else "amount_unknown"
    assert code(BOB, changes) == refused_as
    unlimited = Profile(name="ann", pools=POOL)
    assert code(unlimited, changes) is None


def test_the_denial_says_the_limit_and_what_to_do():
    denial = changes_refused([BOB], becomes('{"amount": 5000000}'), NOW)
    assert denial.text == (
        "with your changes it is a case that you may not decide: "
        "the amount is 5,000,000.00, you decide up to 1,000"
    )
    assert denial.hint == "change less, escalate the case, or hand it on to somebody who may"


@pytest.mark.parametrize(
    ("changes", "harm"),
    [
        ('{"harm": 0.15}', MEDIUM),
        ('{"harm": 0.9}', CRITICAL),
        ('{"harm": 0.149}', LOW),
        ('{"amount": 900}', LOW),
        ('{"harm": [1]}', CRITICAL),
    ],
)
def test_the_class_is_that_of_the_changed_facts(changes, harm):
    assert becomes(changes).consequence_class is harm
    assert code(MIA, changes) == (None if harm is LOW else "above_your_class")


def test_changes_never_make_a_case_more_harmless_than_it_was_submitted():
    graver = msgspec.structs.replace(CASE, consequence_class=MEDIUM)
    assert changed_matter(graver, SMALL, '{"harm": 0.0}', TERMS).consequence_class is MEDIUM


def test_what_the_producer_stated_was_said_of_the_submitted_facts():
    stated = decision(
        facts='{"amount": 10, "harm": 0.1}',
        factors=StatedFactors(financial=0.0, customer=0.0, compliance=0.0, reputation=0.0, undo=0.0),
    )
    assert becomes('{"harm": 0.9}', stated).consequence_class is CRITICAL
    assert becomes('{"amount": 900}', stated).consequence_class is LOW


def test_of_a_type_that_left_the_policy_nobody_can_tell():
    assert code(BOB, '{"amount": 1}', policy=None) == "amount_unknown"
    assert code(MIA, '{"amount": 1}', policy=None) == "above_your_class"


def test_a_stand_in_changes_no_more_than_the_absent_person_could():
    absent = msgspec.structs.replace(BOB, substitutes=(Substitute("sub", Period(0, 2_000)),))
    sub = Profile(name="sub", pools=frozenset({"support"}))
    directory = Directory({"bob": absent, "sub": sub}, frozenset({"expenses", "support"}))
    capacities = list(directory.capacities(sub, NOW))
    assert changes_refused(capacities, becomes('{"amount": 1000}'), NOW) is None
    assert changes_refused(capacities, becomes('{"amount": 1001}'), NOW) is not None


@pytest.mark.parametrize(
    "typed",
    [
        '{"amount":900,"vendor":"Ö"}',
        '{"amount": 900, "vendor": "Ö"}',
        '{"vendor": "\\u00d6", "amount": 900.0}',
        '\n{ "amount" : 9e2, "vendor" : "Ö" }',
        '{"amount": 1, "amount": 900, "vendor": "Ö"}',
    ],
)
def test_the_same_changes_are_the_same_answer(typed):
    said = completed(Verdict(action="modify", changes=typed, reasoning="less"), "approve")
    assert said.changes == '{"amount":900,"vendor":"Ö"}'


def test_other_changes_stay_other_changes():
    texts = ('{"a": 1}', '{"a": 1.5}', '{"a": "1"}', '{"a": true}', '{"a": null}', '{"b": 1}', "{}")
    texts += ('{"a": 9007199254740992}', '{"a": 9007199254740993}')
    assert len({canonical(text) for text in texts}) == len(texts)
    assert canonical('{"a": 1e20}') == canonical('{"a": 100000000000000000000}')
    assert canonical('{"a": -0.0}') == canonical('{"a": 0}')


@pytest.mark.parametrize("text", ["[1]", "{", "", '{"a": 1e999}', "900"])
def test_what_is_no_object_is_left_for_the_check_that_says_so(text):
    assert canonical(text) == text


def test_answers_of_before_keep_what_they_are_compared_by():
    """Only what comes in is written anew: a stored vote or digest is of the text as it was."""
    assert verdict("modify", '{"amount": 900}') == "modify:ce0ba0cfcd2ab43a"
    assert verdict("modify", '{"amount": 900}') != verdict("modify", '{"amount":900}')
