"""Overrides and their sinks, drafts and hints; labels for the learner."""

from __future__ import annotations

import msgspec
import pytest

from app.domain.events import (
    Model,
    ObservationKind,
    ObservedOutcome,
    OverrideCategory,
    ReviewKind,
    Signals,
)
from app.domain.exception_rule import draft_rule
from app.domain.labels import DecisionBrief, label_for, label_for_observation
from app.domain.overrides import category_of, feedback_for, overrides
from tests.unit.domain.cases import (
    HOUR,
    NEVER_DRAWN,
    NOW,
    SIGNALS,
    TERMS,
    answered,
    decision,
    quiet,
    routed,
    rule,
    terms,
    with_rules,
)

REVIEWED = routed(decision(0.8))


def sinks(decided, given_terms=TERMS):
    return [topic for topic, _ in feedback_for(decided, given_terms)]


def proposal(decided, given_terms=TERMS):
    return feedback_for(decided, given_terms)[0][1].proposal


# --- categories and sinks -----------------------------------------------------------------------


def test_agreement_reinforces():
    decided = answered(REVIEWED)
    assert not overrides(decided)
    [(topic, feedback)] = feedback_for(decided, TERMS)
    assert (topic, feedback.sink, feedback.category) == (
        "feedback.training_examples",
        "training_examples",
        None,
    )
    assert feedback.proposal == "Reinforce: 'approve' was confirmed (looks right)."
    assert (feedback.ai_action, feedback.final_action, feedback.inclusion_probability) == (
        "approve",
        "approve",
        1.0,
    )
    assert feedback.learning_key == "expense.approval|expenses:3"


@pytest.mark.parametrize(
    ("category", "topic"),
    [
        (OverrideCategory.AI_ERROR, "feedback.training_examples"),
        (OverrideCategory.EDGE_CASE, "feedback.exception_rules"),
        (OverrideCategory.POLICY_CHANGE, "feedback.policy_updates"),
        (OverrideCategory.HUMAN_ERROR, "feedback.coaching"),
    ],
)
def test_each_category_has_its_sink(category, topic):
    decided = answered(REVIEWED, "reject", category=category)
    assert sinks(decided) == [topic]
    assert proposal(decided)


@pytest.mark.parametrize(
    ("code", "category"),
    [
        ("special_case", OverrideCategory.EDGE_CASE),
        ("policy_changed", OverrideCategory.POLICY_CHANGE),
        ("earlier_mistake", OverrideCategory.HUMAN_ERROR),
        ("agrees", OverrideCategory.AI_ERROR),
        ("other", OverrideCategory.AI_ERROR),
    ],
)
def test_the_reason_code_gives_the_category_unless_the_answer_does(code, category):
    assert category_of(answered(REVIEWED, "reject", reason_code=code), TERMS) is category
    stated = answered(REVIEWED, "reject", reason_code=code, category=OverrideCategory.HUMAN_ERROR)
    assert category_of(stated, TERMS) is OverrideCategory.HUMAN_ERROR


def test_modify_is_an_override():
    assert (
        category_of(answered(REVIEWED, "modify", changes='{"amount": 1}'), TERMS) is OverrideCategory.AI_ERROR
    )
    assert overrides(answered(REVIEWED, "approve", changes='{"amount": 1}'))


def test_an_agreement_has_no_category_even_if_one_was_clicked():
    assert category_of(answered(REVIEWED, category=OverrideCategory.AI_ERROR), TERMS) is None


def test_tags_add_sinks_without_doubling():
    decided = answered(REVIEWED, "reject", tags=["policy_issue", "teaching_example", "train_on_this", "mine"])
    assert sinks(decided) == ["feedback.training_examples", "feedback.policy_updates", "feedback.coaching"]
    identifiers = {feedback.feedback_id for _, feedback in feedback_for(decided, TERMS)}
    assert len(identifiers) == 3


@pytest.mark.parametrize("kind", [ReviewKind.SECOND_LOOK, ReviewKind.GOLD, ReviewKind.CALIBRATION])
def test_what_measures_people_teaches_nothing(kind):
    assert feedback_for(answered(REVIEWED, "reject", kind=kind), TERMS) == []


def test_handing_on_teaches_nothing():
    assert feedback_for(answered(REVIEWED, "escalate"), TERMS) == []
    assert label_for(answered(REVIEWED, "request_info")) is None


def test_an_edge_case_drafts_a_rule_from_the_facts():
    story = routed(decision(0.8, facts='{"amount": 1240.5, "category": "travel", "harm": 0.0}'))
    decided = answered(story, "reject", category=OverrideCategory.EDGE_CASE)
    assert proposal(decided) == (
        "facts.amount >= 1200.0 && facts.amount <= 1300.0"
        ' && has(facts.category) && facts.category == "travel" && has(facts.harm) && facts.harm == 0.0'
    )


def test_the_draft_escapes_skips_and_limits():
    assert draft_rule({"a": 'x"y\\', "b c": "z", "long": "x" * 41, "flag": False}, ()) == (
        'has(facts.a) && facts.a == "x\\"y\\\\" && has(facts.flag) && facts.flag == false'
    )
    assert draft_rule({}, ()) == "false"
    assert draft_rule({f"f{n}": True for n in range(20)}, ()).count("has(") == 8
    for value in (1e300, 1e-300, -12.0, 123456789.0, 0.1):
        assert draft_rule({"a": value}, ("a",))


def test_the_root_cause_is_the_weakest_signal():
    weak = routed(decision(0.95, signals=Signals(similarity=0.31, consensus=0.9)), terms(signals=SIGNALS))
    assert proposal(answered(weak, "reject")).startswith("Weakest signal: similarity to known cases 0.31")
    sure = routed(decision(0.95, facts='{"amount": 1, "harm": 0.3}'))
    assert proposal(answered(sure, "reject")).startswith("Confidently wrong")
    missing = routed(decision(0.95, facts="{}"))
    assert proposal(answered(missing, "reject")).startswith("Decided without amount")


def test_feedback_carries_the_weight_of_an_audit():
    drawn = msgspec.structs.replace(NEVER_DRAWN, audit=0.0)
    story = routed(decision(0.99), drawn=drawn)
    [(_, feedback)] = feedback_for(answered(story, kind=ReviewKind.AUDIT), TERMS)
    assert feedback.inclusion_probability == pytest.approx(0.1)


# --- labels -------------------------------------------------------------------------------------

SAMPLED = msgspec.structs.replace(NEVER_DRAWN, evidence=0.0)
IN_FORCE = msgspec.structs.replace(quiet(TERMS), evidence_probability=0.05)


def test_a_label_says_whether_the_recommendation_was_judged_wrong():
    right, wrong = label_for(answered(REVIEWED)), label_for(answered(REVIEWED, "reject"))
    assert (right.error, wrong.error) == (False, True)
    assert (right.blind, right.evidence, right.inclusion_probability) == (False, False, 1.0)
    assert (right.raw, right.score, right.decided_at) == (pytest.approx(0.8), pytest.approx(0.8), NOW)
    assert label_for(answered(REVIEWED, "modify")).error


def test_in_a_blind_review_the_first_answer_counts():
    blind = routed(decision(0.8), drawn=msgspec.structs.replace(NEVER_DRAWN, arm=0.0))
    assert label_for(answered(blind, "approve", first_action="reject")).error
    assert not label_for(answered(blind, "reject", first_action="approve")).error
    assert label_for(answered(blind, "reject")).error
    assert not label_for(answered(REVIEWED, "approve", first_action="reject")).error, (
        "shown: the answer counts"
    )


@pytest.mark.parametrize(("probability", "kind"), [(0.99, ReviewKind.AUDIT), (0.8, ReviewKind.REVIEW)])
def test_evidence_is_blind_drawn_and_eligible(probability, kind):
    story = routed(decision(probability), TERMS, IN_FORCE, SAMPLED)
    label = label_for(answered(story, kind=kind))
    assert (label.evidence, label.blind, label.inclusion_probability) == (True, True, 0.05)
    assert label.automated == (probability == 0.99)


def test_what_a_rule_sends_to_people_is_no_evidence():
    ruled = with_rules(rule(), answers=[True])
    story = routed(decision(0.99), ruled, IN_FORCE, SAMPLED)
    label = label_for(answered(story))
    assert (label.evidence, label.inclusion_probability) == (False, 1.0)
    harmful = routed(decision(0.99, facts='{"amount": 1, "harm": 0.3}'), TERMS, IN_FORCE, SAMPLED)
    assert not label_for(answered(harmful)).evidence


def test_a_spot_check_and_a_second_look_are_no_evidence():
    spot = routed(decision(0.99), TERMS, IN_FORCE, msgspec.structs.replace(NEVER_DRAWN, audit=0.0))
    label = label_for(answered(spot, kind=ReviewKind.AUDIT))
    assert (label.evidence, label.inclusion_probability) == (False, pytest.approx(1 - 0.95 * 0.9))
    sampled = routed(decision(0.8), TERMS, IN_FORCE, SAMPLED)
    assert not label_for(answered(sampled, kind=ReviewKind.SECOND_LOOK)).evidence


def test_label_ids_follow_from_the_answer():
    assert label_for(answered(REVIEWED)).label_id == label_for(answered(REVIEWED)).label_id
    assert label_for(answered(REVIEWED)).label_id != label_for(answered(REVIEWED, answer_id="a-2")).label_id


def remembered(story, action, changed=False):
    route, confidence = story.route, story.scored.assessment.confidence
    return DecisionBrief(
        decision_id="exp-001",
        decision_type="expense.approval",
        learning_key=route.learning_key,
        epoch=route.epoch,
        raw=confidence.raw,
        score=route.score,
        level=route.level,
        recommended="approve",
        action=action,
        changed=changed,
        received_at=NOW,
    )


def observed(kind, correct_action=None):
    return ObservedOutcome(
        observation_id="o-1",
        decision_id="exp-001",
        kind=kind,
        correct_action=correct_action,
        observed_at=NOW + HOUR,
        source="ledger",
        note="",
    )


@pytest.mark.parametrize(
    ("action", "kind", "correct", "error"),
    [
        ("approve", ObservationKind.CONFIRMED_CORRECT, None, False),
        ("reject", ObservationKind.CONFIRMED_CORRECT, None, True),  # a person corrected the AI, rightly
        ("approve", ObservationKind.DOWNSTREAM_ERROR, None, True),
        ("approve", ObservationKind.CUSTOMER_INCIDENT, None, True),
        ("approve", ObservationKind.AUDIT_FINDING, None, True),
        ("reject", ObservationKind.DOWNSTREAM_ERROR, None, None),  # the person erred; about the AI: nothing
        ("reject", ObservationKind.DOWNSTREAM_ERROR, "approve", False),
        ("approve", ObservationKind.GROUND_TRUTH, "reject", True),
        ("approve", ObservationKind.GROUND_TRUTH, None, None),
        (None, ObservationKind.CONFIRMED_CORRECT, None, None),
        (None, ObservationKind.GROUND_TRUTH, "approve", False),
    ],
)
def test_a_later_truth_labels_the_recommendation(action, kind, correct, error):
    brief = remembered(routed(decision(0.99)), action)
    label = label_for_observation(brief, observed(kind, correct))
    assert (None if label is None else label.error) is error
    if label is not None:
        assert (label.source, label.evidence, label.automated) == ("observation", False, True)


def test_a_changed_decision_that_was_confirmed_speaks_against_the_recommendation():
    brief = remembered(REVIEWED, "approve", changed=True)
    assert label_for_observation(brief, observed(ObservationKind.CONFIRMED_CORRECT)).error
    assert label_for_observation(brief, observed(ObservationKind.DOWNSTREAM_ERROR)) is None


def test_another_model_version_learns_apart():
    other = routed(decision(0.8, model=Model(name="expenses", version="4")))
    assert label_for(answered(other)).learning_key == "expense.approval|expenses:4"
