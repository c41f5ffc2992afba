"""How a pool's work reaches its people, and how much one of them takes, in the policy file."""

import pytest

from app.domain.assignment import PushTerms
from app.domain.fatigue import FatigueLimits
from app.policy.compiled import compile_policy
from app.policy.load import policy_from_text
from app.policy.problems import PolicyError

from .texts import MINIMAL

PEOPLE = "people:\n  ann: {title: Ann, pools: [reviewers]}\n"


def pool(fields, people=PEOPLE):
    return compile_policy(
        policy_from_text(MINIMAL.replace("{title: Reviewers}", f"{{title: Reviewers{fields}}}") + people)
    )


def test_people_take_their_work_and_have_no_limit_unless_the_policy_says_otherwise():
    policy = pool("")
    assert (policy.push, policy.fatigue) == ({}, {})


def test_a_pool_that_hands_its_work_out():
    assert pool(", assignment: push").push == {"reviewers": PushTerms(reserve=1_800_000, most_reserved=3)}
    own = pool(", assignment: push, reserve: 10m, most_reserved: 1")
    assert own.push == {"reviewers": PushTerms(reserve=600_000, most_reserved=1)}


def test_fatigue_limits_hold_however_the_work_is_handed_out():
    assert pool(", fatigue: {per_hour: 12, rest: 10m}").fatigue == {
        "reviewers": FatigueLimits(per_hour=12, per_day=0, rest=600_000)
    }
    assert pool(", fatigue: {rest: 10m}").fatigue == {}


@pytest.mark.parametrize(
    ("fields", "people", "said"),
    [
        (", assignment: push", "", "nobody in `people` works in this pool"),
        (", assignment: drop", PEOPLE, "pull"),
        (", fatigue: {per_hour: 0}", PEOPLE, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_is_said(fields, people, said):
    with pytest.raises(PolicyError) as refused:
        pool(fields, people)
    assert any(said in str(problem) for problem in refused.value.problems), refused.value.problems
