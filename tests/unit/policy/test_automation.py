"""What the policy says about certificates: people first unless it says otherwise."""

from __future__ import annotations

import pytest

from app.agents.drift import learning_terms
from app.policy.automation import warnings
from app.policy.compiled import compile_policy
from app.policy.load import policy_from_text
from app.policy.problems import PolicyError
from tests.unit.policy.texts import with_lines


def terms_of(*lines: str):
    return compile_policy(policy_from_text(with_lines(*lines))).terms["expense.approval"]


def known_about(*lines: str) -> list[str]:
    return [".".join(at[2:]) for at, _ in warnings(policy_from_text(with_lines(*lines)).content)]


def test_people_come_first_unless_the_policy_says_otherwise():
    assert terms_of().guaranteed
    assert known_about() == []
    assert not terms_of("automation: policy_threshold").guaranteed
    assert known_about("automation: policy_threshold") == ["automation"]


@pytest.mark.parametrize(
    ("lines", "floor"),
    [
        ((), 0.5),
        (("preset: matrix",), 0.5),
        (("preset: matrix", "automation: policy_threshold"), 0.7),
        (("threshold_floor: 0.8",), 0.8),
    ],
)
def test_the_floor_costs_no_automation_unless_it_is_written(lines, floor):
    assert terms_of(*lines).threshold_floor == floor


def test_every_field_reaches_the_learner():
    lines = (
        "risk: high",
        "learning: {planned_labels: 900, catch_rate: 0.7, gold_items: 12, expansion: confirm, cooldown: 300,"
        " canary: {share: 0.2, size: 50}, segment: country, keys: 4}",
    )
    learned = learning_terms(terms_of(*lines))
    assert (learned.alpha, learned.delta) == (0.01, 0.0025)
    assert (learned.planned, learned.catch_rate, learned.catch_items) == (900, 0.7, 12)
    assert (learned.confirm, learned.cooldown) == (True, 300)
    assert (learned.canary_share, learned.canary_size) == (0.2, 50)
    assert terms_of(*lines).learning.segment == "country"


def test_a_plan_that_can_never_certify_is_said():
    assert known_about("alpha: 0.001") == ["learning.planned_labels"]
    assert known_about("alpha: 0.001", "learning: {planned_labels: 10000}") == []


def test_what_makes_scores_is_told_apart_from_what_does_not():
    same = terms_of().scoring
    assert terms_of("alpha: 0.03", "audit_rate: 0.5").scoring == same
    for line in (
        "signals: {model_probability: {weight: 2}}",
        "adjustments: [{name: a, text: stricter, shift: -1}]",
        "rules: [{name: r, text: large, when: facts.amount > 1, min_level: 3}]",
    ):
        assert terms_of(line).scoring != same


@pytest.mark.parametrize(
    "said", ["{catch_rate: 0}", "{keys: 0}", "{canary: {share: 0}}", "{planned_labels: 5}"]
)
def test_numbers_that_can_not_work_are_refused(said):
    with pytest.raises(PolicyError):
        terms_of(f"learning: {said}")
