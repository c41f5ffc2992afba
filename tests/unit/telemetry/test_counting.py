"""What a committed batch adds, event by event."""

from __future__ import annotations

import msgspec
import pytest

from app.domain.events import (
    Arm,
    DecidedBy,
    LearningLabel,
    ObservationKind,
    ObservedOutcome,
    OnDeadline,
    OverrideCategory,
    PatternDetected,
    ReviewKind,
    ReviewLifecycle,
)
from app.domain.review import Review, ReviewState
from app.domain.verification import verified
from app.telemetry import catalogue as c
from app.telemetry.counting import STEPS, Counting
from tests.unit.agents.parts import NOW, POLICY, incoming, routed
from tests.unit.agents.parts import decision as submission
from tests.unit.domain import cases

TYPE = "expense.approval"
counting = Counting(lambda: POLICY)


def counts(*events, at: int = NOW):
    return counting(events, at).counts


async def decisions(*records):
    return (await routed(*records)).events


async def test_a_decision_is_counted_by_who_decides_harm_and_confidence():
    auto, weak = await decisions(incoming(submission("a", 0.97)), incoming(submission("b", 0.5), 1))
    assert counts(auto, weak, auto) == {
        ("hitl_decisions_total", TYPE, "full_automation", "low", "high"): 2,
        ("hitl_decisions_total", TYPE, "human_decision", "low", "low"): 1,
    }


async def test_routing_takes_from_the_submission_to_the_commit():
    found = counting(await decisions(incoming(submission())), NOW + 1500)
    assert found.observed == {("hitl_routing_seconds", TYPE): [1.5]}
    assert found.examples == {("hitl_routing_seconds", TYPE): "exp-1"}


def answered(action: str = "approve", *, arm: Arm = Arm.SHOWN, **changes):
    story = cases.routed(cases.decision(0.8))
    shown = msgspec.structs.replace(story, route=msgspec.structs.replace(story.route, arm=arm))
    return cases.answered(shown, action, **changes)


def reviews(event):
    [key] = [key for key in counts(event) if key[0] == c.REVIEWS.name]
    return key[3:]


def test_an_answer_agrees_overrides_or_modifies():
    assert reviews(answered("approve")) == ("agreed", "false")
    assert reviews(answered("reject")) == ("overridden", "false")
    assert reviews(answered("modify", changes='{"amount": 1}')) == ("modified", "false")


def test_a_blind_answer_is_counted_apart_by_what_was_said_before_the_recommendation_was_seen():
    event = answered("approve", first_action="reject", arm=Arm.BLIND)
    assert reviews(event) == ("overridden", "true")


def test_work_that_measures_people_is_in_no_rate():
    event = answered("reject", kind=ReviewKind.GOLD)
    assert set(counts(event)) == {(c.REVIEWS.name, TYPE, event.requested.request.pool, "gold", "false")}


def test_an_audit_is_no_override_of_a_recommendation_and_verifies_the_ai():
    found = counts(answered("reject", kind=ReviewKind.AUDIT))
    assert reviews(answered("reject", kind=ReviewKind.AUDIT))[0] == "audited"
    assert found[c.AUDITS.name, TYPE, "finding"] == 1
    assert found[c.OUTCOMES.name, TYPE, "ai", "incorrect"] == 1
    assert counts(answered("approve", kind=ReviewKind.AUDIT))[c.AUDITS.name, TYPE, "clean"] == 1


def test_an_override_says_its_category_and_whether_it_says_why():
    silent = answered("reject", reason_code="other", reasoning=" ", note="")
    assert counts(silent)[c.OVERRIDES.name, TYPE, "ai_error", "false"] == 1
    point = answered("reject", reason_code="other", reasoning=".", note="ok")
    assert counts(point)[c.OVERRIDES.name, TYPE, "ai_error", "false"] == 1
    worded = answered("reject", reason_code="other", reasoning="the receipt is from last year")
    assert counts(worded)[c.OVERRIDES.name, TYPE, "ai_error", "true"] == 1
    assert not any(key[0] == c.OVERRIDES.name for key in counts(answered("approve")))


def test_an_edge_case_is_a_new_scenario():
    assert (
        counts(answered("reject", category=OverrideCategory.EDGE_CASE))[
            c.NEW_SCENARIOS.name, TYPE, "edge_case"
        ]
        == 1
    )


# --- steps of a review ------------------------------------------------------------------------------


def step(event: str, **review) -> ReviewLifecycle:
    fields = {
        "review_id": "expenses.1",
        "decision_id": "exp-1",
        "kind": ReviewKind.REVIEW,
        "sla_class": "standard",
        "consequence_class": "low",
        "requested_at": NOW,
        "deadline": NOW + 1000,
        "approvals": 1,
        "blind": False,
        "digest": "d",
        "urgency": 0,
        "arrival": 1,
    }
    state = msgspec.json.encode(msgspec.convert({**fields, **review}, Review)).decode()
    return ReviewLifecycle(
        event_id="e", review_id="expenses.1", decision_id="exp-1", pool="expenses", event=event, actor="sla",
        at=NOW, lease_epoch=0, state=state, detail="",
    )  # fmt: skip


def test_an_sla_is_missed_when_the_deadline_passes_and_stays_so_when_somebody_answers():
    missed = (c.SLA.name, "expenses", "standard", "missed")
    assert counts(step("sla_missed", rung=5)) == {missed: 1}
    assert counts(step("decided", rung=5, state=ReviewState.DECIDED)) == {}


def test_an_answer_in_time_meets_the_sla_and_without_a_deadline_there_is_none():
    assert counts(step("decided", rung=4)) == {(c.SLA.name, "expenses", "standard", "met"): 1}
    assert counts(step("decided", deadline=None)) == {}
    assert counts(step("withdrawn")) == {}


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("escalated", "reviewer"),
        ("sla_escalated", "sla_at_risk"),
        ("deadline_rule", "deadline_rule"),
        ("disagreed", "disagreement"),
    ],
)
def test_a_review_escalates_once(event, reason):
    first = step(event, tier=1, on_deadline=OnDeadline.ESCALATE)
    assert counts(first) == {(c.ESCALATIONS.name, "expenses", reason): 1}
    assert counts(step(event, tier=2, on_deadline=OnDeadline.ESCALATE)) == {}
    assert event in STEPS


def test_a_deadline_rule_that_holds_escalates_nothing():
    assert counts(step("deadline_rule", tier=1, on_deadline=OnDeadline.HOLD)) == {}


def test_gold_items_have_no_sla():
    assert counts(step("sla_missed", rung=5, kind=ReviewKind.GOLD)) == {}


# --- later truths and labels ------------------------------------------------------------------------


def observed(
    kind: ObservationKind, correct: str | None = None, action: str | None = "approve", changed=False
):
    event = ObservedOutcome(
        observation_id="o",
        decision_id="exp-1",
        kind=kind,
        correct_action=correct,
        observed_at=NOW,
        source="",
        note="",
    )
    return counts(verified(event, TYPE, action, changed, DecidedBy.HUMAN))


def test_a_truth_verifies_what_was_finally_done():
    right = {(c.OUTCOMES.name, TYPE, "human", "correct"): 1}
    assert observed(ObservationKind.CONFIRMED_CORRECT) == right
    assert observed(ObservationKind.GROUND_TRUTH, "approve") == right
    wrong = (c.OUTCOMES.name, TYPE, "human", "incorrect")
    assert observed(ObservationKind.GROUND_TRUTH, "reject") == {wrong: 1}
    assert observed(ObservationKind.GROUND_TRUTH) == {}
    assert observed(ObservationKind.DOWNSTREAM_ERROR) == {wrong: 1, (c.DOWNSTREAM.name, TYPE): 1}
    assert observed(ObservationKind.CUSTOMER_INCIDENT) == {wrong: 1, (c.INCIDENTS.name, TYPE): 1}
    assert observed(ObservationKind.AUDIT_FINDING) == {wrong: 1, (c.AUDITS.name, TYPE, "finding"): 1}


def test_an_error_about_an_undecided_decision_is_counted_but_verifies_nothing():
    assert observed(ObservationKind.DOWNSTREAM_ERROR, action=None) == {(c.DOWNSTREAM.name, TYPE): 1}


def label(**changes) -> LearningLabel:
    fields = {
        "label_id": "l", "decision_id": "exp-1", "learning_key": f"{TYPE}|m:1", "decision_type": TYPE,
        "epoch": 0, "raw": 0.9, "score": 0.93, "level": 1, "automated": True, "evidence": True,
        "inclusion_probability": 0.1, "source": "review", "kind": ReviewKind.AUDIT, "blind": True,
        "reviewer": "ann", "error": False, "decided_at": NOW, "labelled_at": NOW + 5,
    }  # fmt: skip
    return LearningLabel(**{**fields, **changes})


def test_feedback_takes_from_the_decision_to_the_learner():
    others = [label(source=source) for source in ("gold", "missed_sla", "withdrawn")]
    found = counting([label(), *others], NOW + 60_000)
    assert found.observed[c.FEEDBACK_SECONDS.name, TYPE] == [60.0]


@pytest.mark.parametrize("score", [float("nan"), -0.3, 1.2])
def test_a_score_that_is_none_has_no_tenth(score):
    """What is counted is committed: nothing may be raised any more."""
    assert counts(label(score=score)) == {}


def test_calibration_counts_the_evidence_sample_only():
    found = counts(label(), label(error=True), label(evidence=False))
    assert found[c.CALIBRATION_LABELS.name, TYPE, "0.9"] == 2
    assert found[c.CALIBRATION_CORRECT.name, TYPE, "0.9"] == 1
    assert found[c.CALIBRATION_CONFIDENCE.name, TYPE, "0.9"] == pytest.approx(1.86)


def test_patterns_are_counted_and_other_traffic_is_a_new_scenario():
    fields = {
        "pattern_id": "p", "learning_key": f"{TYPE}|m:1", "segment": "", "value": 1.0, "limit": 1.0,
        "count": 1, "text": "", "action": "", "detected_at": NOW,
    }  # fmt: skip
    assert counts(PatternDetected(pattern="traffic_shift", **fields)) == {
        (c.PATTERNS.name, TYPE, "traffic_shift"): 1,
        (c.NEW_SCENARIOS.name, TYPE, "traffic_shift"): 1,
    }
    assert counts(PatternDetected(pattern="unsealed_answer", **fields)) == {}
