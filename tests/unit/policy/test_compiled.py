"""A compiled policy: the domain's terms, and the examples do what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.events import (
    Assessment,
    Confidence,
    Consequence,
    ConsequenceClass,
    DecisionSubmitted,
    Factor,
    Model,
    OnDeadline,
    Option,
    Signals,
)
from app.domain.expression_context import context, with_assessment
from app.domain.terms import Preset
from app.policy.compiled import compile_policy
from app.policy.load import load_policy, policy_from_text
from tests.unit.policy.texts import MINIMAL, with_lines

POLICIES = Path(__file__).parents[3] / "policies"
MONDAY_9_30 = 1_772_443_800_000
"""2026-03-02T09:30:00Z, a Monday."""


def terms_of(text):
    return compile_policy(policy_from_text(text)).terms["expense.approval"]


@pytest.fixture(scope="module")
def example():
    return compile_policy(load_policy(POLICIES / "example.yaml"))


def decision(decision_type="expense.approval", action="approve", probability=0.93):
    return DecisionSubmitted(
        decision_id="exp-001",
        decision_type=decision_type,
        occurred_at=MONDAY_9_30,
        subject="emp-17",
        submitted_by="svc-expenses",
        recommendation=Option(action=action, probability=probability),
        alternatives=[],
        facts="{}",
        signals=Signals(similarity=0.81, consensus=1.0, rule_clarity=0.9),
        factors=None,
        model=Model(name="expenses", version="3"),
        due_at=None,
        links=[],
    )


def assessment(valid=True):
    return Assessment(
        received_at=MONDAY_9_30,
        policy_version="x",
        consequence=Consequence(
            harm=0.067,
            consequence_class=ConsequenceClass.LOW,
            factors=[
                Factor(name="financial", score=0.12, source="x"),
                Factor(name="undo", score=0.4, source="x"),
            ],
        ),
        confidence=Confidence(
            probability=0.9,
            raw=0.95,
            valid=valid,
            model_probability=0.93,
            similarity=None,
            consensus=None,
            rule_clarity=None,
            completeness=1.0,
            calibration_version=0,
        ),
        missing_facts=[],
        findings=[],
    )


INTERFACE_FACTS = {"amount": 1240.5, "currency": "EUR", "category": "travel", "tenure_days": 40}


def test_the_documented_decision_goes_through_the_example(example):
    terms = example.terms["expense.approval"]
    seen = context(decision(), INTERFACE_FACTS)
    assert terms.evaluate_factors(seen) == pytest.approx([0.12405, 0.1, 0.1, 0.1, 0.4])
    rules = terms.evaluate_rules(with_assessment(seen, assessment()))
    named = dict(zip([part.name for part in (*terms.rules, *terms.adjustments)], rules, strict=True))
    assert named == {
        "very_large": False,
        "gifts": False,
        "no_receipts": False,
        "new_employee": True,
        "travel_rules_changed": True,
        "month_end": False,
    }


def test_whole_numbers_and_fractions_are_alike(example):
    terms = example.terms["expense.approval"]
    whole = context(decision(), {**INTERFACE_FACTS, "amount": 40, "tenure_days": 40})
    fraction = context(decision(), {**INTERFACE_FACTS, "amount": 40.0, "tenure_days": 40.0})
    assert terms.evaluate_factors(whole) == terms.evaluate_factors(fraction)


def test_weights_are_shares_and_undo_comes_last(example):
    for terms in example.terms.values():
        assert sum(factor.weight for factor in terms.factors) == pytest.approx(1.0)
        assert terms.factors[-1].name == "undo"
        assert terms.factors[-1].weight == 0.0


def test_risk_sets_the_defaults_of_learning():
    for risk, expected in {
        "low": (0.05, 0.10, 0.015, 800),
        "medium": (0.02, 0.05, 0.025, 500),
        "high": (0.01, 0.01, 0.025, 500),
    }.items():
        terms = terms_of(with_lines(f"risk: {risk}"))
        assert (terms.alpha, terms.delta, terms.evidence.floor, terms.evidence.scale) == expected
    terms = terms_of(with_lines("risk: high", "alpha: 0.03", "evidence: {scale: 100}"))
    assert (terms.alpha, terms.delta, terms.evidence.floor, terms.evidence.scale) == (0.03, 0.01, 0.025, 100)


def test_what_is_left_out_follows_from_what_is_there():
    terms = terms_of(MINIMAL)
    assert (terms.pool, terms.expert_pool) == ("reviewers", "reviewers")
    assert (terms.threshold_floor, terms.guaranteed) == (0.5, True)
    assert terms.level_by_class == {"low": 1, "medium": 1, "high": 1, "critical": 5}
    assert terms.sla_by_class == dict.fromkeys(ConsequenceClass, "standard")
    assert terms.sla_durations["standard"] == 86_400_000
    assert terms.actions == ("approve", "reject", "modify", "request_info")
    assert (terms.max_future, terms.max_age) == (86_400_000, 365 * 86_400_000)


def test_a_signal_keeps_the_defaults_that_are_not_written():
    terms = terms_of(with_lines("signals: {similarity: {below: 0.2}}"))
    similarity = next(signal for signal in terms.signals if signal.name == "similarity")
    assert (similarity.weight, similarity.prior, similarity.below, similarity.action) == (
        0.15,
        0.5,
        0.2,
        "flag",
    )


def test_the_examples_have_the_levels_they_talk_about(example):
    assert example.terms["support.categorize"].preset is Preset.MATRIX
    assert example.terms["support.categorize"].min_level == 2
    assert example.terms["support.categorize"].on_deadline is OnDeadline.SAFE_DEFAULT
    assert example.terms["hr.action"].min_level == 5
    assert example.pool_names == ("finance", "finance-senior", "support", "people", "managers")
    assert (example.lease, example.duplicate_window) == (600_000, 7 * 86_400_000)
    assert example.sla_classes["urgent"].at_risk_after == 3 * 3_600_000


def test_a_decaying_shift_has_its_times_in_milliseconds(example):
    changed = example.terms["expense.approval"].adjustments[1]
    assert (changed.starts_at, changed.half_life) == (1_772_323_200_000, 14 * 86_400_000)


def test_the_demo_never_looks_at_protected_characteristics():
    terms = compile_policy(load_policy(POLICIES / "mortgage.yaml")).terms["mortgage.application"]
    assert not {"afam", "african_american", "single", "insurance"} & set(terms.fact_types)
    assert {"approve", "reject", "modify", "request_info"} == set(terms.actions)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, None),
        ({"public_bad_credit": True}, "public_record"),
        ({"loan_to_value": 0.97}, "thin_collateral"),
        ({"payment_to_income": 0.7, "public_bad_credit": True}, "extreme_burden"),
    ],
)
def test_the_first_rule_that_holds_in_the_demo(changes, rule):
    terms = compile_policy(load_policy(POLICIES / "mortgage.yaml")).terms["mortgage.application"]
    facts = {"payment_to_income": 0.3, "housing_to_income": 0.25, "loan_to_value": 0.8, "consumer_credit": 1}
    seen = context(decision("mortgage.application"), {**facts, "mortgage_credit": 1, **changes})
    held = terms.evaluate_rules(with_assessment(seen, assessment()))
    assert next((r.name for r, holds in zip(terms.rules, held, strict=False) if holds is True), None) == rule


def test_the_context_leaves_out_what_is_null_and_knows_the_calendar():
    seen = context(decision(probability=None), {"a": None, "b": 10**400, "c": -(10**400), "d": True})
    assert seen["facts"] == {"b": float("inf"), "c": float("-inf"), "d": True}
    assert seen["recommendation"] == {"action": "approve"}
    assert seen["signals"] == {"similarity": 0.81, "consensus": 1.0, "rule_clarity": 0.9}
    assert {name: seen["decision"][name] for name in ("hour", "weekday", "day", "month")} == {
        "hour": 9.0,
        "weekday": 1.0,
        "day": 2.0,
        "month": 3.0,
    }


def test_an_invalid_confidence_is_absent_for_rules():
    assert "confidence" in with_assessment({}, assessment())["assessment"]
    assert "confidence" not in with_assessment({}, assessment(valid=False))["assessment"]
