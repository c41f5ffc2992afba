"""Routing: the presets' tables, each step's rule, and what must hold for every decision."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.confidence import Calibration
from app.domain.events import Arm, ConsequenceClass, OnDeadline, Option, ReviewKind, Signals
from app.domain.evidence import Draws
from app.domain.presets import plain_level
from app.domain.routing import eligible, learning_key
from app.domain.terms import Preset, SignalAction
from app.domain.thresholds import threshold_in_force
from tests.unit.domain.cases import (
    DAY,
    HOUR,
    NEVER_DRAWN,
    NOW,
    ONLY_PROBABILITY,
    SIGNALS,
    TERMS,
    adjustment,
    assessed,
    decision,
    drawn_for,
    quiet,
    routed,
    rule,
    signal,
    terms,
    update,
    with_rules,
)

HARM = {"low": 0.0, "medium": 0.2, "high": 0.5, "critical": 0.9}
MATRIX = terms(preset=Preset.MATRIX, threshold_floor=0.2)


def level(probability, harm="low", given_terms=TERMS, **more):
    facts = f'{{"amount": 40, "harm": {HARM[harm]}}}'
    return routed(decision(probability, facts=facts), given_terms, **more).route.level


def codes(story):
    return [reason.code for reason in story.route.reasons]


# --- the presets --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("probability", "low", "medium", "high", "critical"),
    [
        (0.99, 1, 3, 3, 5),
        (0.9001, 1, 3, 3, 5),
        (0.90, 3, 3, 3, 5),  # "above .90": .90 itself is reviewed
        (0.80, 3, 3, 3, 5),
        (0.70, 3, 3, 3, 5),  # .70 itself belongs to 70-90 %
        (0.6999, 4, 4, 4, 5),
        (0.10, 4, 4, 4, 5),
    ],
)
def test_flowchart_table(probability, low, medium, high, critical):
    assert [level(probability, harm) for harm in HARM] == [low, medium, high, critical]


@pytest.mark.parametrize(
    ("probability", "low", "medium", "high", "critical"),
    [(0.9001, 1, 3, 3, 5), (0.90, 2, 4, 4, 5), (0.50, 2, 4, 4, 5), (0.20, 2, 4, 4, 5), (0.1999, 3, 4, 4, 5)],
)
def test_matrix_table(probability, low, medium, high, critical):
    assert [level(probability, harm, MATRIX) for harm in HARM] == [low, medium, high, critical]


@pytest.mark.parametrize("preset", list(Preset))
@pytest.mark.parametrize("confidence", [math.nan, -math.inf, -0.1])
def test_a_confidence_that_is_no_number_is_never_automated_by_a_preset(preset, confidence):
    assert plain_level(preset, confidence, ConsequenceClass.LOW, high=0.9, low=0.7) >= 3


def test_exactly_at_the_threshold_runs_alone_where_the_preset_allows():
    at, below = quiet(TERMS, threshold=0.95), 0.9499999
    assert level(0.95, in_force=at) == 1
    assert level(below, in_force=at) == 3


def test_the_default_threshold_of_the_flowchart_is_its_high_band():
    story = routed(decision(0.83))
    assert story.route.threshold == 0.9
    assert story.route.reasons[0].text == "confidence 0.83 is below the 0.90 needed to run without a person"
    assert (story.route.reasons[0].value, story.route.reasons[0].limit) == (pytest.approx(0.83), 0.9)


def test_a_story_says_the_same_at_the_boundary():
    assert "0.90 is not above the 0.90" in routed(decision(0.90)).route.reasons[0].text


# --- rules --------------------------------------------------------------------------------------


def test_the_first_matching_rule_wins():
    story = routed(
        decision(),
        with_rules(
            rule("first", 4, pool="legal", sla_class="urgent", approvals=2),
            rule("second", 5),
            answers=[True, True],
        ),
    )
    assert (story.route.level, story.route.pool, story.route.sla_class, story.route.approvals) == (
        4,
        "legal",
        "urgent",
        2,
    )
    assert story.route.deadline == NOW + 4 * HOUR
    assert codes(story) == ["first"]


def test_a_rule_that_could_not_be_evaluated_asks_for_a_person_and_later_ones_still_count():
    unsure = routed(decision(), with_rules(rule("a", 5), answers=["no such key"]))
    assert unsure.route.level == 3
    assert "no such key" in unsure.route.reasons[0].text
    later = routed(decision(), with_rules(rule("a", 5), rule("b", 4), answers=["no such key", True]))
    assert later.route.level == 4


def test_four_eyes_need_people():
    assert routed(decision(), with_rules(rule(min_level=1, approvals=2), answers=[True])).route.level == 3


def test_a_rule_of_level_two_asks_for_audits_only():
    story = routed(decision(), with_rules(rule(min_level=2), answers=[True]))
    assert (story.route.level, story.route.action, story.route.audit_probability) == (2, "approve", 0.1)


# --- signals and input --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (SignalAction.FLAG, 1),
        (SignalAction.REVIEW, 3),
        (SignalAction.EXPERT, 4),
        (SignalAction.INTERPRET, 4),
        (SignalAction.ASK, 4),
    ],
)
def test_each_weak_signal_has_its_action(action, expected):
    given_terms = terms(signals=(*ONLY_PROBABILITY, signal("consensus", 0.0, 0.6, action)))
    weak = decision(0.99, signals=Signals(consensus=0.5999))
    story = routed(weak, given_terms)
    assert story.route.level == expected
    assert story.route.reasons[0].code == "consensus"
    assert story.route.pool == ("experts" if expected == 4 else "expenses")
    assert routed(decision(0.99, signals=Signals(consensus=0.6)), given_terms).route.level == 1
    assert routed(decision(0.99), given_terms).route.level == 1, "absent is not weak"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -0.01, 1.01, 95.0, None])
@pytest.mark.parametrize("given_terms", [TERMS, MATRIX])
def test_unknown_or_invalid_probability_always_goes_to_a_person(number, given_terms):
    story = routed(decision(number), given_terms)
    assert not story.scored.assessment.confidence.valid
    assert story.route.level == 4
    assert story.route.action is None
    assert "confidence_unknown" in codes(story)
    assert not eligible(story)


@pytest.mark.parametrize("number", [math.nan, math.inf, -0.01, 1.01])
@pytest.mark.parametrize("name", ["similarity", "consensus", "rule_clarity"])
def test_an_invalid_signal_goes_to_a_person(name, number):
    assert routed(decision(0.99, signals=Signals(**{name: number}))).route.level == 3


@pytest.mark.parametrize("facts", ["{}", '{"amount": null}', '{"amount": "40"}', '{"amount": true}'])
def test_missing_facts_go_to_a_person(facts):
    story = routed(decision(0.99, facts=facts))
    assert story.route.level >= 3
    assert any("amount" in reason.text for reason in story.route.reasons)


def test_a_notice_alone_changes_nothing():
    story = routed(decision(0.99, due_at=NOW - 1))
    assert (story.route.level, codes(story)) == (1, ["due_passed"])


def test_an_unknown_or_undecided_action_goes_to_a_person():
    for action in ("abolish", "request_info"):
        assert routed(decision(recommendation=Option(action=action, probability=0.99))).route.level == 3


# --- adjustments --------------------------------------------------------------------------------


def test_a_stricter_adjustment_lowers_the_score():
    story = routed(decision(0.91), with_rules(answers=[True], adjustments=(adjustment(-0.5),)))
    assert story.route.level == 3
    assert story.route.score == pytest.approx(0.8598, abs=1e-3)
    assert codes(story) == ["context", "medium_confidence"]


def test_a_stricter_adjustment_that_is_unknown_counts_a_looser_one_does_not():
    strict = routed(decision(0.91), with_rules(answers=["why"], adjustments=(adjustment(-0.5),)))
    loose = routed(decision(0.85), with_rules(answers=["why"], adjustments=(adjustment(2.0),)))
    assert (strict.route.level, loose.route.level) == (3, 3)
    assert "why" in strict.route.reasons[0].text
    assert loose.route.score == pytest.approx(0.85)


def test_an_adjustment_decays():
    recent = adjustment(-1.0, starts_at=NOW - 2 * DAY, half_life=DAY)
    story = routed(decision(0.95), with_rules(answers=[True], adjustments=(recent,)))
    assert story.route.reasons[0].value == pytest.approx(-0.25)
    future = adjustment(-1.0, starts_at=NOW + 1, half_life=DAY)
    assert routed(decision(0.95), with_rules(answers=[True], adjustments=(future,))).route.reasons == []


def test_peak_load_loosens_only_low_consequence_and_states_the_added_error():
    peak = with_rules(answers=[True], adjustments=(adjustment(1.0, "peak"),))
    story = routed(decision(0.85), peak)
    assert story.route.level == 1
    assert "adds about 0.05 expected error (0.15 instead of at most 0.10)" in story.route.reasons[0].text
    assert story.route.reasons[0].value == pytest.approx(0.05)
    harmful = routed(decision(0.85, facts='{"amount": 1, "harm": 0.2}'), peak)
    assert (harmful.route.level, harmful.route.score) == (3, pytest.approx(0.85))


@pytest.mark.parametrize("changes", [{"cap": 0.86}, {"certified": 0.86}, {"floor": 0.86}])
def test_peak_load_never_goes_below_certificate_cap_or_floor(changes):
    peak = with_rules(answers=[True], adjustments=(adjustment(5.0, "peak"),))
    assert routed(decision(0.855), peak, quiet(peak, **changes)).route.level == 3
    assert routed(decision(0.865), peak, quiet(peak, **changes)).route.level == 1


# --- threshold and authority --------------------------------------------------------------------


def test_the_learners_cap_tightens():
    in_force = threshold_in_force(TERMS, update(cap=0.95))
    story = routed(decision(0.93), in_force=in_force)
    assert (story.route.level, story.route.threshold, story.route.threshold_version) == (3, 0.95, 7)
    assert "score 0.93 is below the 0.95" in story.route.reasons[0].text
    assert "recent errors" in story.route.reasons[0].text


def test_certified_evidence_moves_low_consequence_one_step():
    in_force = threshold_in_force(TERMS, update(certified=0.80))
    story = routed(decision(0.82), in_force=in_force)
    assert (story.route.level, story.route.action) == (2, "approve")
    assert codes(story)[0] == "certified"
    assert level(0.79, in_force=in_force) == 3
    assert level(0.82, "medium", in_force=in_force) == 3, "never for higher consequence"
    brave = terms(threshold_floor=0.5)
    assert level(0.69, given_terms=brave, in_force=threshold_in_force(brave, update(certified=0.5))) == 4, (
        "one step, not two"
    )


def test_a_suspended_key_runs_nothing_alone_and_says_why():
    story = routed(decision(0.9999), in_force=threshold_in_force(TERMS, update(cap=1.0)))
    assert story.route.level == 3
    assert "the learner's words" in story.route.reasons[0].text


def test_low_volume_stays_with_people():
    small = terms(min_volume=50)
    story = routed(decision(0.99), small)
    assert story.route.level == 3
    assert "not enough evidence (0 of about 50 labels)" in story.route.reasons[0].text
    assert level(0.99, given_terms=small, in_force=quiet(small, labels=50)) == 1


def test_calibration_can_only_take_decisions_away_from_the_machine():
    overconfident, modest = Calibration(3, 1.0, -2.5), Calibration(4, 1.0, 2.0)
    assert level(0.95, calibration=overconfident) == 4
    assert level(0.85, calibration=modest) == 3, "only a certificate expands automation"


def test_minimum_and_maximum_level():
    assert level(0.99, given_terms=terms(min_level=3)) == 3
    assert level(0.10, given_terms=terms(max_level=3)) == 3
    assert level(0.10, given_terms=terms(max_level=1)) == 3, "a maximum never hands a decision to the machine"
    assert level(0.99, "critical", given_terms=terms(max_level=3)) == 5, "critical stays with people alone"
    assert level(0.99, "critical", given_terms=terms(level_by_class={})) == 5
    assert level(0.99, "medium", given_terms=terms(level_by_class={ConsequenceClass.MEDIUM: 4})) == 4


# --- deadlines and pools ------------------------------------------------------------------------


def test_the_deadline_is_the_sla_or_the_earlier_due_time():
    assert routed(decision(0.8)).route.deadline == NOW + DAY
    assert routed(decision(0.8, due_at=NOW + HOUR)).route.deadline == NOW + HOUR
    assert routed(decision(0.8, due_at=NOW + 2 * DAY)).route.deadline == NOW + DAY
    assert routed(decision(0.99)).route.deadline is None
    by_class = terms(sla_by_class={ConsequenceClass.LOW: "urgent"})
    assert routed(decision(0.8), by_class).route.sla_class == "urgent"


def test_a_safe_default_needs_low_consequence():
    safe = terms(on_deadline=OnDeadline.SAFE_DEFAULT, safe_default="reject")
    assert routed(decision(0.8), safe).route.on_deadline is OnDeadline.SAFE_DEFAULT
    harmful = routed(decision(0.8, facts='{"amount": 1, "harm": 0.3}'), safe)
    assert harmful.route.on_deadline is OnDeadline.ESCALATE
    assert harmful.route.reasons[-1].step == "deadline"


# --- draws --------------------------------------------------------------------------------------


def draw(**changes):
    return msgspec.structs.replace(NEVER_DRAWN, **changes)


def test_the_evidence_coin_falls_for_every_route():
    in_force = quiet(TERMS, labels=0)
    in_force = msgspec.structs.replace(in_force, evidence_probability=0.05)
    automated = routed(decision(0.99), TERMS, in_force, draw(evidence=0.0499)).route
    assert (automated.level, automated.evidence, automated.review_kinds) == (1, True, [ReviewKind.AUDIT])
    assert (automated.arm, automated.audit) == (Arm.BLIND, False)
    assert automated.deadline == NOW + DAY
    reviewed = routed(decision(0.8), TERMS, in_force, draw(evidence=0.0499)).route
    assert (reviewed.evidence, reviewed.arm, reviewed.review_kinds) == (True, Arm.BLIND, [ReviewKind.REVIEW])
    alone = routed(decision(0.8, facts='{"amount": 1, "harm": 0.9}'), TERMS, in_force, draw(evidence=0.0499))
    assert (alone.route.level, alone.route.evidence) == (5, True)
    missed = routed(decision(0.99), TERMS, in_force, draw(evidence=0.05)).route
    assert (missed.evidence, missed.review_kinds, missed.evidence_probability) == (False, [], 0.05)


def test_a_spot_check_makes_level_two():
    story = routed(decision(0.99), drawn=draw(audit=0.0999))
    assert (story.route.level, story.route.audit, story.route.review_kinds) == (2, True, [ReviewKind.AUDIT])
    assert (story.route.arm, codes(story)) == (Arm.SHOWN, ["audit"])
    assert level(0.99, drawn=draw(audit=0.1)) == 1
    assert level(0.99, given_terms=MATRIX, drawn=draw(audit=0.0)) == 1, "the matrix's level 1 has none"
    assert routed(decision(0.5), MATRIX, drawn=draw(audit=0.05)).route.audit


def test_arms_and_their_probabilities():
    shown = routed(decision(0.8)).route
    assert (shown.arm, shown.arm_probability) == (Arm.SHOWN, pytest.approx(0.97 * 0.9))
    blind = routed(decision(0.8), drawn=draw(arm=0.05)).route
    assert (blind.arm, blind.arm_probability) == (Arm.BLIND, pytest.approx(0.97 * 0.1))
    second = routed(decision(0.8), drawn=draw(second=0.02)).route
    assert (second.arm, second.arm_probability) == (Arm.SECOND_LOOK, 0.03)
    assert second.review_kinds == [ReviewKind.REVIEW, ReviewKind.SECOND_LOOK]
    gold = routed(decision(0.8), drawn=draw(second=0.985))
    assert "gold" in codes(gold)
    assert (gold.route.arm, gold.route.review_kinds) == (Arm.SHOWN, [ReviewKind.REVIEW])


def test_some_reviews_are_decided_without_any_ai_content():
    terms = msgspec.structs.replace(TERMS, human_only_share=0.2)
    alone = routed(decision(0.8), terms, drawn=draw(audit=0.19))
    assert (alone.route.level, alone.route.review_kinds) == (3, [ReviewKind.HUMAN_ONLY])
    assert (alone.route.arm, alone.route.arm_probability) == (Arm.BLIND, pytest.approx(0.97 * 0.2))
    assert "human_only" in codes(alone)
    shown = routed(decision(0.8), terms, drawn=draw(audit=0.2)).route
    assert (shown.arm, shown.arm_probability) == (Arm.SHOWN, pytest.approx(0.97 * 0.8 * 0.9))
    blind = routed(decision(0.8), terms, drawn=draw(audit=0.2, arm=0.05)).route
    assert (blind.arm, blind.arm_probability) == (Arm.BLIND, pytest.approx(0.97 * 0.8 * 0.1))


def test_the_evidence_sample_is_never_decided_without_its_recommendation():
    """Else the sample would be thinner among reviews than among what is automated."""
    terms = msgspec.structs.replace(TERMS, human_only_share=1.0)
    in_force = msgspec.structs.replace(quiet(terms), evidence_probability=0.05)
    drawn = routed(decision(0.8), terms, in_force, draw(evidence=0.04, audit=0.0)).route
    assert (drawn.evidence, drawn.review_kinds) == (True, [ReviewKind.REVIEW])
    automated = routed(decision(0.99), terms, in_force, draw(audit=0.5)).route
    assert automated.review_kinds == []


def test_evidence_inclusion_and_arms_happen_as_often_as_they_say():
    """10,000 fixed ids: each count within 4 standard deviations of its binomial mean."""
    n, q = 10_000, 0.07
    in_force = msgspec.structs.replace(quiet(TERMS), evidence_probability=q)
    routes = [
        routed(decision(0.8, decision_id=f"d-{i}"), TERMS, in_force, drawn_for(f"d-{i}")).route
        for i in range(n)
    ]
    assert all(route.evidence_probability == q for route in routes)
    expected = {route.arm: route.arm_probability for route in routes}
    assert sum(expected.values()) == pytest.approx(1.0)
    counted = [(sum(route.evidence for route in routes), q)]
    counted += [(sum(route.arm is arm for route in routes), p) for arm, p in expected.items()]
    for count, p in counted:
        assert abs(count - n * p) < 4 * math.sqrt(n * p * (1 - p))


# --- what must hold for every decision ----------------------------------------------------------

probabilities = st.one_of(
    st.none(),
    st.floats(0, 1),
    st.sampled_from([0.7, 0.9, 0.0, 1.0, math.nan, math.inf, -math.inf, 1.5, -0.5]),
)
unit = st.floats(0, 1, exclude_max=True)
any_draws = st.builds(Draws, unit, unit, unit, unit)
answers = st.one_of(st.booleans(), st.just("could not be had"))


@st.composite
def situations(draw):
    """Any type of decision, any learner, any decision, any draws."""
    rules = draw(
        st.lists(st.builds(rule, min_level=st.integers(1, 5), approvals=st.integers(1, 3)), max_size=3)
    )
    shifts = draw(st.lists(st.floats(-3, 3), max_size=2))
    given_terms = with_rules(
        *rules,
        answers=draw(st.lists(answers, min_size=len(rules) + len(shifts), max_size=len(rules) + len(shifts))),
        adjustments=tuple(adjustment(shift) for shift in shifts),
        preset=draw(st.sampled_from(list(Preset))),
        signals=draw(st.sampled_from([SIGNALS, ONLY_PROBABILITY])),
        threshold_floor=draw(st.sampled_from([0.5, 0.7, 0.9])),
        min_level=draw(st.sampled_from([1, 1, 2, 3])),
        max_level=draw(st.sampled_from([5, 5, 4, 2])),
    )
    numbers = st.one_of(st.none(), st.floats(0, 1))
    in_force = threshold_in_force(
        given_terms,
        draw(
            st.one_of(
                st.none(),
                st.builds(
                    update,
                    cap=st.sampled_from([0.0, 0.85, 0.95, 1.0, math.nan]),
                    certified=st.sampled_from([None, 0.6, 0.8, 0.95, math.nan]),
                    evidence_probability=st.sampled_from([0.02, 0.5, math.nan]),
                ),
            )
        ),
    )
    return {
        "terms": given_terms,
        "in_force": in_force,
        "drawn": draw(any_draws),
        "calibration": draw(
            st.builds(
                Calibration, st.just(1), st.sampled_from([0.5, 1.0, 2.0]), st.sampled_from([-1.0, 0.0, 1.0])
            )
        ),
        "probability": draw(probabilities),
        "harm": draw(st.sampled_from([0.0, 0.1, 0.15, 0.3, 0.4, 0.75, 1.0])),
        "amount": draw(st.sampled_from(["40", "null", '"x"'])),
        "signals": Signals(similarity=draw(numbers), consensus=draw(numbers), rule_clarity=draw(numbers)),
    }


def routed_in(situation, **changes):
    now = {**situation, **changes}
    facts = f'{{"amount": {now["amount"]}, "harm": {now["harm"]}}}'
    return routed(
        decision(now["probability"], facts=facts, signals=now["signals"]),
        now["terms"],
        now["in_force"],
        now["drawn"],
        now["calibration"],
    )


@given(situations())
@settings(max_examples=400, deadline=None)
def test_nothing_runs_alone_that_must_not(situation):
    story = routed_in(situation)
    route, assessment = story.route, story.scored.assessment
    given_terms = situation["terms"]
    first = next(
        (
            r
            for r, a in zip(given_terms.rules, given_terms.evaluate_rules({}), strict=False)
            if a is not False
        ),
        None,
    )
    if first is not None:
        answer = given_terms.evaluate_rules({})[given_terms.rules.index(first)]
        if answer is True:
            assert route.level >= first.min_level
        else:
            assert route.level >= 3
    if route.level <= 2:
        assert assessment.confidence.valid
        assert not assessment.missing_facts
        assert route.score >= route.threshold
        assert route.score >= given_terms.threshold_floor
        assert assessment.consequence.consequence_class is ConsequenceClass.LOW
        assert route.action == "approve"
        assert route.level >= given_terms.min_level
    else:
        assert route.action is None
        assert route.review_kinds
    assert math.isfinite(route.score)
    assert math.isfinite(assessment.confidence.probability)
    assert 0 < route.arm_probability <= 1


@given(situations())
@settings(max_examples=200, deadline=None)
def test_the_same_arguments_give_the_same_route(situation):
    assert routed_in(situation).route == routed_in(situation).route


@given(situations(), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=400, deadline=None)
def test_raising_confidence_never_raises_the_level(situation, one, other):
    less, more = sorted((one, other))
    assert (
        routed_in(situation, probability=more).route.level
        <= routed_in(situation, probability=less).route.level
    )


@given(situations(), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=400, deadline=None)
def test_raising_harm_never_lowers_the_level(situation, one, other):
    less, more = sorted((one, other))
    assert routed_in(situation, harm=more).route.level >= routed_in(situation, harm=less).route.level


@given(situations())
@settings(max_examples=400, deadline=None)
def test_a_level_other_than_the_presets_has_a_reason(situation):
    story = routed_in(situation)
    given_terms, assessment = situation["terms"], story.scored.assessment
    plain = plain_level(
        given_terms.preset,
        assessment.confidence.probability,
        assessment.consequence.consequence_class,
        high=given_terms.high_confidence,
        low=given_terms.low_confidence,
    )
    if story.route.level != plain or story.route.level > 1:
        assert story.route.reasons
        assert all(reason.text for reason in story.route.reasons)


@given(situations())
@settings(max_examples=400, deadline=None)
def test_among_eligible_decisions_the_score_alone_decides(situation):
    """What the certificate speaks of: above the threshold it runs alone, unless the preset's bands on the
    calibrated confidence ask for more caution."""
    story = routed_in(situation)
    if not eligible(story):
        assert story.route.level >= 3
        return
    confidence = {"low_confidence", "medium_confidence"}
    cautious = any(r.step == "preset" and r.code in confidence for r in story.route.reasons)
    assert (story.route.level <= 2) == (story.route.score >= story.route.threshold and not cautious)


def test_the_learning_key_names_type_and_model_version():
    assert learning_key(decision()) == "expense.approval|expenses:3"


def test_a_retry_has_the_same_route_id_and_another_decision_another():
    first = routed(decision()).route.route_id
    assert first == routed(decision(0.5)).route.route_id
    assert first != routed(decision(decision_id="exp-002")).route.route_id


def test_rules_see_the_assessment():
    seen = {}

    def evaluate_rules(context):
        seen["assessment"] = context["assessment"]
        return [False]

    routed(decision(), terms(rules=(rule(),), evaluate_rules=evaluate_rules))
    assert seen["assessment"]["consequence_class"] == "low"
    _, context = assessed(decision())
    assert "assessment" not in context, "the scoring context is left as it was"
