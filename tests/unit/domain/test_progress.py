"""Who may follow a decision: whoever handed in this very one, and nobody who only knows its id."""

import pytest

from app.domain.authority import giver_of, is_producer
from app.domain.people import Directory, Profile
from app.domain.progress import Routed, Submission, identity_of

THIS = identity_of("exp-1", "expense.approval", "emp-3", "svc")


def submission(owner="svc", identity=THIS):
    return Submission(owner=owner, identity=identity, digest="d", at=0)


def routed(submitted_by="svc", identity=THIS):
    return Routed(submitted_by=submitted_by, identity=identity)


@pytest.mark.parametrize(
    ("who", "noted", "there", "may"),
    [
        ("svc", submission(), None, True),  # on its way
        ("svc", submission(), routed(), True),
        ("svc", None, routed(), True),  # came by Kafka in this name
        ("gateway", submission("gateway"), routed(), True),  # in another's name, the same decision
        ("gateway", submission("gateway", "another"), routed(), False),  # the id was taken
        ("other", submission(), None, False),
        ("other", submission(), routed(), False),
        ("other", None, routed(), False),
        ("other", None, None, False),
        ("", None, routed("svc"), False),
    ],
)
def test_who_may_follow(who, noted, there, may):
    assert is_producer(who, noted, there) is may


@pytest.mark.parametrize(("name", "giver"), [("svc", "svc"), ("gateway", "svc"), ("ann", "ann")])
def test_a_program_speaks_for_whom_it_handed_in_and_a_person_for_nobody_else(name, giver):
    people = Directory({"ann": Profile(name="ann")}, frozenset())
    assert giver_of(name, "svc", people) == giver


@pytest.mark.parametrize(
    "other", [("exp-1x", "expense.approval"), ("exp-2", "expense.approval"), ("exp-1", "x")]
)
def test_each_part_makes_it_another_decision(other):
    assert identity_of(*other, "emp-3", "svc") != THIS
    assert identity_of("exp-1", "expense.approval", "emp-3s", "vc") != THIS
