"""Scoring: facts, consequence, confidence and what is found wrong with a decision."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.confidence import IDENTITY, Calibration, calibrate, fuse, logit, sigmoid
from app.domain.consequence import STATED, class_of
from app.domain.events import CalibrationUpdated, ConsequenceClass, Option, Signals, StatedFactors
from app.domain.facts import Invalid, build_context, parse_facts
from tests.unit.domain.cases import DAY, HOUR, NOW, SIGNALS, TERMS, assessed, decision, terms

INVALID = [math.nan, math.inf, -math.inf, -0.001, 1.001, 95.0]
FIVE = terms(signals=SIGNALS)


def fused(values):
    return fuse(values, SIGNALS, 0.001)


def found(submitted, given_terms=TERMS, **more):
    return {finding.code for finding in assessed(submitted, given_terms, **more)[0].findings}


# --- facts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "facts_malformed"),
        ("{", "facts_malformed"),
        ('{"a": NaN}', "facts_malformed"),
        ('{"a": Infinity}', "facts_malformed"),
        ('{"a": -Infinity}', "facts_malformed"),
        ('{"a": 1e999}', "facts_number_range"),
        ('{"a": ' + "9" * 400 + "}", "facts_number_range"),
        ('{"a": {"b": 1}}', "facts_not_flat"),
        ('{"a": []}', "facts_not_flat"),
        ("[]", "facts_not_flat"),
        ("null", "facts_not_flat"),
        ('{"a": ' + "[" * 5000 + "]" * 5000 + "}", "facts_not_flat"),
        ('{"a": "' + "x" * 300_000 + '"}', "facts_too_large"),
    ],
)
def test_what_is_no_flat_json_is_refused_with_a_reason(text, reason):
    answer = parse_facts(text)
    assert isinstance(answer, Invalid)
    assert answer.reason == reason
    assert answer.text


def test_numbers_are_floats_and_booleans_stay():
    facts = parse_facts('{"amount": 40, "vip": true, "big": 99999999999999999999, "none": null}')
    assert [type(value) for value in facts.values()] == [float, bool, float, type(None)]
    assert build_context(decision(), facts)["facts"] == {"amount": 40.0, "vip": True, "big": 1e20}


@given(st.text())
def test_any_text_is_facts_or_a_reason(text):
    answer = parse_facts(text)
    assert isinstance(answer, Invalid | dict)


# --- confidence ---------------------------------------------------------------------------------


def test_the_fusion_is_the_weighted_mean_of_log_odds():
    values = {"model_probability": 0.93, "similarity": 0.81, "rule_clarity": 0.9, "completeness": 1.0}
    by_hand = (
        0.5 * math.log(0.93 / 0.07)
        + 0.15 * math.log(0.81 / 0.19)
        + 0.15 * 0.0  # consensus is absent: its prior is .5
        + 0.1 * math.log(0.9 / 0.1)
        + 0.1 * math.log(0.999 / 0.001)
    )
    assert fused(values) == pytest.approx(1 / (1 + math.exp(-by_hand)), abs=1e-8)
    assert fused(values) == pytest.approx(0.9184, abs=1e-4)


def test_an_absent_signal_is_never_better_news_than_its_prior():
    present = dict.fromkeys(("model_probability", "similarity", "consensus", "rule_clarity"), 0.9)
    for name in present:
        without = {**present, name: None}
        assert fused(without) < fused(present)
        assert fused(without) == fused({**present, name: 0.5})


@pytest.mark.parametrize("number", INVALID)
@pytest.mark.parametrize("name", ["similarity", "consensus", "rule_clarity"])
def test_an_invalid_signal_counts_as_absent_and_is_found(name, number):
    wrong, _ = assessed(decision(signals=Signals(**{name: number})), FIVE)
    absent, _ = assessed(decision(signals=Signals()), FIVE)
    assert wrong.confidence == absent.confidence
    assert wrong.confidence.valid
    assert f"{name}_invalid" in {finding.code for finding in wrong.findings}


@pytest.mark.parametrize("number", INVALID)
def test_an_invalid_probability_makes_confidence_invalid(number):
    assessment, _ = assessed(decision(number), FIVE)
    assert not assessment.confidence.valid
    assert assessment.confidence.model_probability is None
    assert math.isfinite(assessment.confidence.raw)
    assert "model_probability_invalid" in {finding.code for finding in assessment.findings}


def test_an_absent_probability_makes_confidence_invalid():
    assert not assessed(decision(None))[0].confidence.valid
    assert found(decision(None)) == {"model_probability_absent"}


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_certainty_is_clipped(probability):
    assessment, _ = assessed(decision(probability))
    assert assessment.confidence.valid
    assert assessment.confidence.raw == pytest.approx(abs(probability - 0.001))


@pytest.mark.parametrize("probability", [0.7, 0.9, 0.95, 0.99])
def test_a_boundary_comes_out_as_it_went_in(probability):
    assert assessed(decision(probability))[0].confidence.raw == probability


def test_completeness_is_computed_here():
    three = terms(required_facts=("amount", "category", "vip"), signals=SIGNALS)
    complete = '{"amount": 1, "category": "travel", "vip": false}'
    assert assessed(decision(facts=complete), three)[0].confidence.completeness == 1.0
    wrong = assessed(decision(facts='{"amount": "1", "category": "", "vip": 0}'), three)[0]
    assert wrong.missing_facts == ["amount", "vip"]
    assert wrong.confidence.completeness == pytest.approx(1 / 3)
    assert wrong.confidence.raw < assessed(decision(facts=complete), three)[0].confidence.raw


def test_where_nothing_is_required_completeness_is_no_good_news():
    none = terms(required_facts=(), signals=SIGNALS)
    assert (
        assessed(decision(facts="{}"), none)[0].confidence.raw < assessed(decision(), FIVE)[0].confidence.raw
    )


@given(st.floats(0.001, 0.999), st.floats(0.1, 5), st.floats(-5, 5))
def test_calibration_is_platt(raw, slope, intercept):
    expected = min(0.999, max(0.001, sigmoid(slope * logit(raw) + intercept)))
    assert calibrate(raw, Calibration(1, slope, intercept), 0.001) == pytest.approx(expected, abs=1e-8)


def test_the_identity_changes_nothing_and_an_unusable_calibration_asks_for_a_person():
    assert calibrate(0.83, IDENTITY, 0.001) == 0.83
    broken, _ = assessed(decision(), calibration=Calibration(5, math.inf, 0.0))
    assert not broken.confidence.valid
    assert math.isfinite(broken.confidence.probability)
    assert "calibration_unusable" in {finding.code for finding in broken.findings}


def test_a_calibration_comes_from_its_event():
    update = CalibrationUpdated(
        learning_key="k", version=4, slope=0.8, intercept=-0.1, labels=9, updated_at=NOW
    )
    assert Calibration.of(update) == Calibration(4, 0.8, -0.1)
    assert Calibration.of(None) is IDENTITY


def test_a_policy_without_weights_makes_confidence_invalid():
    assert found(decision(), terms(signals=())) == {"weights_absent"}


# --- consequence --------------------------------------------------------------------------------


def evaluating(*values):
    return terms(evaluate_factors=lambda context: list(values))


def consequence(*values, stated=None):
    return assessed(decision(factors=stated), evaluating(*values))[0].consequence


def test_harm_is_the_weighted_mean_less_what_undoing_takes_away():
    answer = consequence(0.8, 0.4, 0.0, 0.0, 0.5)
    assert answer.harm == pytest.approx(0.3 * 0.5)
    assert [(factor.name, factor.score) for factor in answer.factors][-1] == ("undo", 0.5)
    assert answer.factors[0].source == "facts.harm"


@pytest.mark.parametrize("unknown", ["no such key: amount", math.nan, math.inf, -math.inf])
def test_what_could_not_be_evaluated_counts_as_worst(unknown):
    given_terms = evaluating(unknown, 0.0, 0.0, 0.0, unknown)
    assessment, _ = assessed(decision(), given_terms)
    assert assessment.consequence.harm == pytest.approx(0.25)
    scores = {factor.name: factor.score for factor in assessment.consequence.factors}
    assert (scores["financial"], scores["undo"]) == (1.0, 0.0)
    assert {"financial_unknown", "undo_unknown"} <= found(decision(), given_terms)


def test_values_outside_are_clamped():
    assert consequence(4.0, 0.0, 0.0, 0.0, -3.0).harm == pytest.approx(0.25)


def test_what_the_producer_states_wins_if_it_is_a_number():
    answer = consequence(0.0, 0.0, 0.0, 0.0, 0.0, stated=StatedFactors(financial=1.0))
    assert (answer.harm, answer.factors[0].source) == (pytest.approx(0.25), STATED)


@pytest.mark.parametrize("number", INVALID)
def test_an_invalid_stated_factor_is_found_and_not_used(number):
    submitted = decision(factors=StatedFactors(financial=number))
    assessment, _ = assessed(submitted, evaluating(0.4, 0.0, 0.0, 0.0, 0.0))
    assert assessment.consequence.harm == pytest.approx(0.1)
    assert "financial_invalid" in {finding.code for finding in assessment.findings}


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (0.0, ConsequenceClass.LOW),
        (math.nextafter(0.15, 0), ConsequenceClass.LOW),
        (0.15, ConsequenceClass.MEDIUM),
        (0.40, ConsequenceClass.HIGH),
        (0.75, ConsequenceClass.CRITICAL),
        (1.0, ConsequenceClass.CRITICAL),
        (math.nan, ConsequenceClass.CRITICAL),
    ],
)
def test_a_cut_begins_the_higher_class(harm, expected):
    assert class_of(harm, (0.15, 0.40, 0.75)) is expected


# --- times and actions --------------------------------------------------------------------------


def test_unbelievable_times_are_found():
    assert found(decision(occurred_at=NOW + DAY)) == set()
    assert found(decision(occurred_at=NOW + DAY + 1)) == {"time_future"}
    assert found(decision(occurred_at=NOW - 365 * DAY)) == set()
    assert found(decision(occurred_at=NOW - 365 * DAY - 1)) == {"time_old"}
    assert found(decision(occurred_at=2**62)) == {"time_future"}
    assert found(decision(occurred_at=-(2**62))) == {"time_old"}


def test_an_odd_due_time_is_found():
    assert found(decision(due_at=NOW + 1)) == set()
    assert found(decision(due_at=NOW)) == {"due_passed"}
    assert found(decision(due_at=NOW - 2 * HOUR)) == {"due_before_occurred"}


def test_unknown_actions_are_found():
    assert found(decision(recommendation=Option(action="abolish", probability=0.9))) == {"action_unknown"}
    assert found(decision(recommendation=Option(action="request_info", probability=0.9))) == {
        "action_unknown"
    }
    assert found(decision(alternatives=[Option(action="abolish")])) == {"alternative_unknown"}


@given(
    st.one_of(st.none(), st.floats()),
    st.builds(
        Signals,
        similarity=st.one_of(st.none(), st.floats()),
        consensus=st.one_of(st.none(), st.floats()),
        rule_clarity=st.one_of(st.none(), st.floats()),
    ),
    st.lists(st.one_of(st.text(max_size=3), st.floats()), min_size=5, max_size=5),
)
def test_whatever_comes_in_the_numbers_that_go_out_are_in_range(probability, signals, values):
    given_terms = terms(signals=SIGNALS, evaluate_factors=lambda context: values)
    assessment, _ = assessed(decision(probability, signals=signals), given_terms)
    confidence = assessment.confidence
    for number in (
        confidence.raw,
        confidence.probability,
        confidence.completeness,
        assessment.consequence.harm,
    ):
        assert 0.0 <= number <= 1.0
    for signal in (confidence.model_probability, confidence.similarity, confidence.consensus):
        assert signal is None or 0.0 <= signal <= 1.0
