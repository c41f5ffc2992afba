"""The ``people`` section: from text to profiles, and what is found wrong with it."""

import re

import pytest

from app.domain.events import ConsequenceClass
from app.domain.people import Role
from app.policy.compiled import compile_policy
from app.policy.load import load_policy, policy_from_text
from app.policy.problems import PolicyError
from app.settings import load_settings

EXAMPLE = load_settings().policy_path
START = "# people:\n"


@pytest.fixture(scope="module")
def with_people():
    """The example policy with its commented people section switched on."""
    text = EXAMPLE.read_text(encoding="utf-8")
    head, section = text.split(START)
    body, rest = re.split(r"\n\ndecision_types:", section, maxsplit=1)
    people = "\n".join(line.removeprefix("# ") for line in body.split("\n"))
    return f"{head}people:\n{people}\n\ndecision_types:{rest}"


def test_the_section_in_the_example_is_right(with_people):
    directory = compile_policy(policy_from_text(with_people)).directory
    ann = directory.find("ann")
    assert (ann.title, ann.max_class, ann.max_amount) == ("Ann Ortega", ConsequenceClass.HIGH, 5000.0)
    assert directory.find("cleo").supervises == {"finance", "support"}
    assert directory.find("eve").roles == {Role.AUDITOR}
    assert directory.find("nobody") is None
    assert not directory.open_house


def test_without_people_the_house_is_open():
    directory = compile_policy(load_policy(EXAMPLE)).directory
    assert directory.open_house
    assert directory.find("whoever").pools == directory.find("whoever").supervises != set()


@pytest.mark.parametrize(
    ("before", "after", "field", "message"),
    [
        (
            "pools: [finance, support]",
            "pools: [finanse]",
            "people.ann.pools[0]",
            "pool 'finanse' does not exist",
        ),
        ("delegates_to: [bob, cleo]", "delegates_to: [bo]", "people.ann.delegates_to[0]", "person 'bo'"),
        ("roles: [auditor]", "roles: [boss]", "people.eve.roles[0]", "'boss' is not known here"),
        ("{person: bob,", "{person: cleo,", "people.cleo.substitutes[0].person", "nobody stands in"),
        ("end: 2027-01-05", "end: 2025-01-05", "people.cleo.substitutes[0]", "end is not after start"),
        ("max_amount: 5000", "max_amount: -1", "people.ann.max_amount", "0"),
        (
            "must_document: [expense",
            "must_document: [expanse",
            "people.dora.must_document[0]",
            "expanse.approval",
        ),
    ],
)
def test_mistakes_are_found_where_they_are(with_people, before, after, field, message):
    assert before in with_people
    with pytest.raises(PolicyError) as found:
        policy_from_text(with_people.replace(before, after, 1))
    problem = found.value.problems[0]
    assert problem.field == field
    assert message in problem.message


def test_an_amount_has_to_be_a_number(with_people):
    with pytest.raises(PolicyError, match="'currency' is not a number"):
        policy_from_text(with_people.replace("amount_fact: amount", "amount_fact: currency"))
