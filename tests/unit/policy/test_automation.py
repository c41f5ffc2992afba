"""What the policy says about certificates: people first unless it says otherwise."""

from __future__ import annotations

import pytest

from app.agents.drift import learning_terms
from app.domain.learning.pattern_terms import PatternTerms, ScanTerms
from app.domain.learning.terms import LearningTerms
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


def test_what_is_said_about_monitors_reaches_the_learner():
    said = (
        "learning: {looks: 2, second_look: 1}",
        "learning: {looks: 2, expected_decisions: 4999, monitors: {false_alarm: 900, suspicion: 4, hope: 9,"
        " suspicion_share: 0.3, recheck_share: 0.2, recheck_decisions: 50, better_checks: 3}}",
    )
    with pytest.raises(PolicyError, match="second_look"):
        terms_of(said[0])
    learned = learning_terms(terms_of(said[1], "second_look_share: 0.5"))
    assert (learned.looks, learned.first_mass, learned.second_look_share) == (2, 0.4, 0.5)
    assert (learned.worse_limit, learned.better_limit) == (900, 900)
    assert (learned.suspicion_worse, learned.suspicion_better, learned.suspicion_share) == (4, 9, 0.3)
    assert (learned.recheck_share, learned.recheck_decisions, learned.better_checks) == (0.2, 50, 3)


def test_defaults_of_the_policy_are_the_learners():
    assert learning_terms(terms_of()).patterns == PatternTerms()
    assert terms_of().learning.scan == ScanTerms()
    learned, plain = learning_terms(terms_of()), LearningTerms(own_threshold=0.9)
    for name in (
        *("worse_limit", "better_limit", "suspicion_worse", "suspicion_better", "suspicion_share"),
        *("looks", "recheck_share", "recheck_decisions", "better_checks", "first_mass", "evidence"),
    ):
        assert getattr(learned, name) == getattr(plain, name), name


@pytest.mark.parametrize(("alpha", "looks"), [(0.01, 2), (0.015, 3), (0.05, 3)])
def test_a_third_look_is_for_errors_that_are_not_too_rare(alpha, looks):
    assert learning_terms(terms_of(f"alpha: {alpha}")).looks == looks


def test_what_is_said_about_patterns_reaches_the_detectors():
    terms = terms_of(
        "patterns: {answers: 60, high_override: 0.4, rising_by: 0.06, reviewer_answers: 31, reviewer_ratio: 2"
        ", band_excess: 0.2, disagreement: 0.3, disagreement_pairs: 25, override_shift: 0.07,"
        " handling_shift: 1.5, traffic_shift: 0.03, recent: 300, reason_answers: 7, reason_people: 3,"
        " reasons_differ: 0.5}"
    )
    rules, scan = learning_terms(terms).patterns, terms.learning.scan
    assert (rules.min_count, rules.high_override, rules.rising_by) == (60, 0.4, 0.06)
    assert (rules.reviewer_min_count, rules.reviewer_ratio, rules.band_excess) == (31, 2, 0.2)
    assert (rules.disagreement, rules.disagreement_min_pairs, rules.shifts.recent) == (0.3, 25, 300)
    shifts = rules.shifts
    assert (shifts.override_by, shifts.handling_by, shifts.traffic_by) == (0.07, 1.5, 0.03)
    assert (scan.fewest, scan.people, scan.reasons_differ) == (7, 3, 0.5)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("learning: {looks: 4}", "looks"),
        ("learning: {monitors: {false_alarm: 10}}", "false_alarm"),
        ("learning: {monitors: {suspicion: 1}}", "suspicion"),
        ("learning: {expected_decisions: 0}", "expected_decisions"),
        ("patterns: {answers: 2}", "answers"),
        ("patterns: {reviewer_ratio: 1}", "reviewer_ratio"),
        ("patterns: {high_override: 30}", "high_override"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(line, words):
    with pytest.raises(PolicyError, match=words):
        terms_of(line)


def test_too_few_decisions_for_anything_are_said():
    assert known_about("learning: {expected_decisions: 500}") == ["learning.expected_decisions"]
    assert known_about("learning: {expected_decisions: 4000}") == []


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
