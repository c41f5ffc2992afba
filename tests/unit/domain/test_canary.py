"""The certificate in routing: people first, and a canary before all."""

from __future__ import annotations

import pytest

from app.domain.evidence import Draws, draws
from app.domain.terms import LearningPlan
from app.domain.thresholds import SUSPENDED, threshold_in_force
from tests.unit.domain.cases import TERMS, decision, routed, terms, update

CERTIFICATE = terms(guaranteed=True, threshold_floor=0.5)


def draw(canary):
    return Draws(0.5, 0.5, 0.5, 0.5, canary)


def level(probability, in_force, canary=0.5):
    return routed(decision(probability), CERTIFICATE, in_force, draw(canary=canary)).route.level


def test_without_a_certificate_people_decide_and_the_reason_says_why():
    for known in (None, update(certified=None)):
        in_force = threshold_in_force(CERTIFICATE, known)
        assert in_force.threshold == in_force.canary == SUSPENDED
        assert level(0.999, in_force) == 3
    assert "the learner's words" in routed(decision(0.99), CERTIFICATE, in_force).route.reasons[-1].text
    assert threshold_in_force(TERMS, None).threshold == TERMS.high_confidence, "where the policy says so"


@pytest.mark.parametrize(
    ("certified", "cap", "tau"), [(0.93, 0.0, 0.93), (0.93, 0.96, 0.96), (0.3, 0.0, 0.5)]
)
def test_with_one_the_highest_of_certificate_cap_and_floor_decides(certified, cap, tau):
    in_force = threshold_in_force(CERTIFICATE, update(certified=certified, cap=cap))
    assert in_force.threshold == in_force.canary == tau


@pytest.mark.parametrize("above", [0.93, 1.01])
def test_the_canary_runs_alone_and_the_others_wait(above):
    in_force = threshold_in_force(CERTIFICATE, update(certified=0.88, canary_above=above, canary_share=0.2))
    assert (in_force.canary, in_force.threshold) == (0.88, min(above, SUSPENDED))
    assert level(0.92, in_force, canary=0.19) <= 2
    waits = routed(decision(0.92), CERTIFICATE, in_force, draw(canary=0.2)).route
    assert waits.level == 3
    assert (waits.reasons[-1].step, waits.reasons[-1].code) == ("threshold", "canary")
    assert "at first for 20 % of decisions" in waits.reasons[-1].text
    assert level(0.87, in_force, canary=0.0) == 3
    assert (level(0.94, in_force, canary=0.99) <= 2) == (above < 0.94)


def test_the_canarys_draw_is_uniform_and_its_own():
    drawn = [draws(b"a secret", f"d-{i}") for i in range(4000)]
    share = sum(one.canary < 0.2 for one in drawn) / 4000
    assert abs(share - 0.2) < 4 * (0.16 / 4000) ** 0.5
    both = sum(one.canary < 0.2 and one.evidence < 0.2 for one in drawn) / 4000
    assert abs(both - 0.04) < 4 * (0.04 / 4000) ** 0.5


def test_a_fact_may_split_a_type_into_keys_that_learn_apart():
    split = terms(learning=LearningPlan(segment="amount"))
    keys = {
        facts: routed(decision(0.95, facts=facts), split).route.learning_key
        for facts in ('{"amount": 40}', '{"amount": 40.0}', '{"amount": 41}', "{}")
    }
    assert sorted(set(keys.values())) == [
        "expense.approval|expenses:3|amount=",
        "expense.approval|expenses:3|amount=40",
        "expense.approval|expenses:3|amount=41",
    ]
    assert routed(decision(0.95)).route.learning_key == "expense.approval|expenses:3"
