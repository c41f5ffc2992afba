"""The context package: seven parts, canonical bytes, and nothing that a blind reviewer must not see."""

from __future__ import annotations

import hashlib
import json

import msgspec
import pytest

from app.domain.confidence import Calibration
from app.domain.context_package import PastDecision, build, is_blind, reveal
from app.domain.events import Arm, Option, ReviewKind, Signals
from tests.unit.domain.cases import (
    DAY,
    NEVER_DRAWN,
    NOW,
    SIGNALS,
    TERMS,
    adjustment,
    decision,
    routed,
    rule,
    terms,
    with_rules,
)

SEVEN = {
    "decision_required",
    "ai_recommendation",
    "key_facts",
    "flags_and_concerns",
    "historical_context",
    "policy_reference",
    "available_actions",
}
BLIND = msgspec.structs.replace(NEVER_DRAWN, arm=0.0)
SECOND = msgspec.structs.replace(NEVER_DRAWN, second=0.0)


def past(number, decision_type="expense.approval", **changes):
    given = {"decided_by": "human", "recommended": "RECOMMENDED", "outcome": "confirmed_correct"}
    return PastDecision(
        decision_id=f"p-{number}",
        decision_type=decision_type,
        decided_at=NOW - number * DAY,
        action="approve",
        **{**given, **changes},
    )


def package(story, given_terms=TERMS, history=(), precedents=(), kind=ReviewKind.REVIEW):
    return json.loads(build(story, given_terms, history, precedents, kind=kind).text)


TELLING = decision(
    0.8123,
    signals=Signals(similarity=0.1, consensus=0.2, rule_clarity=0.3),
    recommendation=Option(action="approve", probability=0.8123, rationale="SECRET RATIONALE"),
    alternatives=[Option(action="reject", probability=0.15, rationale="SECRET ALTERNATIVE")],
)
TELLING_TERMS = with_rules(
    rule("harmless", 1),
    answers=[True, True],
    adjustments=(adjustment(-0.5, "SECRET_ADJUSTMENT"),),
    signals=SIGNALS,
)


def test_the_seven_parts_and_what_belongs_to_them():
    shown = package(routed(decision(0.83)))
    assert shown.keys() >= SEVEN | {"confidence", "alternatives", "deadline", "related_decisions", "links"}
    assert shown["decision_required"]["question"] == "Approve this expense?"
    assert shown["ai_recommendation"]["action"] == "approve"
    assert shown["ai_recommendation"]["carried_out"] is False
    assert shown["key_facts"] == {"amount": 40, "harm": 0.0}
    assert shown["flags_and_concerns"][0]["text"].startswith("confidence 0.83 is below the 0.90")
    assert shown["policy_reference"]["section"] == "Expense policy 4.2"
    assert shown["available_actions"] == ["approve", "reject", "modify", "request_info"]
    assert shown["confidence"]["probability"] == pytest.approx(0.83)
    assert shown["confidence"]["band"] == "medium"
    assert "83 of 100" in shown["confidence"]["meaning"]
    assert shown["alternatives"][0]["why_lower"] == "probability 0.05 against 0.83 for 'approve'"
    assert shown["deadline"]["at"].endswith("Z")


def test_the_text_is_canonical_and_the_digest_is_of_its_bytes():
    story = routed(decision(0.83, facts='{"z": "\u00fc", "amount": 40, "harm": 0.0}'))
    one = build(story, TERMS, [past(1), past(2)], [past(3)], kind=ReviewKind.REVIEW)
    other = build(story, TERMS, [past(2), past(1)], [past(3)], kind=ReviewKind.REVIEW)
    assert one == other
    assert one.digest == hashlib.sha256(one.text.encode()).hexdigest()
    again = json.dumps(json.loads(one.text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert one.text == again
    changed = build(routed(decision(0.84)), TERMS, [], [], kind=ReviewKind.REVIEW)
    assert changed.digest != one.digest


def test_history_is_newest_first_and_other_types_are_related():
    history = [past(n) for n in (4, 1, 3, 2)] + [past(9, "travel.request")]
    shown = package(routed(decision(0.8)), history=history, precedents=[past(6), past(5)])
    assert [entry["decision_id"] for entry in shown["historical_context"]["subject"]] == ["p-1", "p-2", "p-3"]
    assert [entry["decision_id"] for entry in shown["historical_context"]["precedents"]] == ["p-5", "p-6"]
    assert [entry["decision_id"] for entry in shown["related_decisions"]] == ["p-9"]


@pytest.mark.parametrize(
    ("drawn", "kind"),
    [(BLIND, ReviewKind.DECIDE), (SECOND, ReviewKind.DECIDE), (NEVER_DRAWN, ReviewKind.SECOND_LOOK)],
)
def test_blind_shows_nothing_of_the_ai(drawn, kind):
    story = routed(TELLING, TELLING_TERMS, drawn=drawn)
    assert is_blind(story, kind)
    text = build(story, TELLING_TERMS, [past(1)], [past(2)], kind=kind).text
    shown = json.loads(text)
    assert "SECRET" not in text
    assert "RECOMMENDED" not in text
    assert "0.8" not in text
    assert shown.keys().isdisjoint({"confidence", "alternatives", "involvement"})
    assert shown["ai_recommendation"] is None
    assert [flag["code"] for flag in shown["flags_and_concerns"]] == ["harmless"], (
        "rules on facts may be told"
    )
    assert "drawn" not in text, "nobody is told that they are measured"
    revealed = json.loads(reveal(story, TELLING_TERMS, kind=kind).text)
    assert revealed["ai_recommendation"]["rationale"] == "SECRET RATIONALE"
    assert revealed["alternatives"][0]["rationale"] == "SECRET ALTERNATIVE"
    assert "probability" in revealed["confidence"]


def test_a_rule_that_speaks_of_the_recommendation_is_withheld_from_the_blind():
    telling = with_rules(rule(expression="recommendation.action == 'approve'"), answers=[True])
    assert package(routed(decision(), telling, drawn=BLIND), telling)["flags_and_concerns"] == []
    assert package(routed(decision(), telling), telling)["flags_and_concerns"] != []


def test_a_consequence_that_depends_on_the_recommendation_is_withheld_from_the_blind():
    one_sided = 'recommendation.action == "reject" ? 0.6 : 0.1'
    telling = terms(
        factors=(*TERMS.factors[:-1], msgspec.structs.replace(TERMS.factors[-1], expression=one_sided))
    )
    assert (
        "consequence"
        not in package(routed(decision(0.8), telling, drawn=BLIND), telling)["decision_required"]
    )
    assert "consequence" in package(routed(decision(0.8), telling), telling)["decision_required"]
    assert "consequence" in package(routed(decision(0.8), drawn=BLIND))["decision_required"]


@pytest.mark.parametrize("kind", [ReviewKind.HUMAN_ONLY, ReviewKind.SECOND_LOOK])
def test_people_alone_never_see_ai_content(kind):
    critical = decision(
        0.99,
        facts='{"amount": 1, "harm": 0.9}',
        recommendation=Option(action="approve", probability=0.99, rationale="SECRET RATIONALE"),
    )
    story = routed(critical, drawn=SECOND)
    built = build(story, TERMS, [past(1)], [], kind=kind)
    assert story.route.level == 5
    assert "SECRET" not in built.text
    assert "RECOMMENDED" not in built.text
    assert reveal(story, TERMS, kind=kind).text == "{}"


def test_an_audit_says_that_the_action_was_carried_out_unless_it_is_blind():
    drawn = msgspec.structs.replace(NEVER_DRAWN, audit=0.0)
    shown = package(routed(decision(0.99), drawn=drawn), kind=ReviewKind.AUDIT)
    assert shown["ai_recommendation"]["carried_out"] is True
    both = msgspec.structs.replace(drawn, arm=0.0)
    story = routed(decision(0.99), drawn=both)
    assert story.route.arm is Arm.BLIND
    blind = build(story, TERMS, [], [], kind=ReviewKind.AUDIT).text
    assert "carried_out" not in blind
    assert "audit" not in blind.lower()


@pytest.mark.parametrize(
    ("probability", "drawn", "kind"),
    [
        (0.8, {"second": 0.99}, ReviewKind.REVIEW),  # a gold item is due
        (0.99, {"audit": 0.0}, ReviewKind.AUDIT),
    ],
)
def test_what_was_drawn_is_never_told(probability, drawn, kind):
    story = routed(decision(probability), drawn=msgspec.structs.replace(NEVER_DRAWN, **drawn))
    assert any(reason.step == "arm" for reason in story.route.reasons)
    flags = json.dumps(package(story, kind=kind)["flags_and_concerns"])
    assert "drawn" not in flags
    assert "known truth" not in flags


def test_missing_facts_are_named_to_the_blind_too():
    story = routed(decision(0.99, facts="{}"), terms(signals=SIGNALS), drawn=BLIND)
    assert "amount" in json.dumps(package(story)["flags_and_concerns"])


def test_an_unknown_confidence_is_said_to_be_unknown():
    shown = package(routed(decision(float("nan"))))
    assert shown["confidence"]["band"] == "unknown"


def test_a_calibrated_confidence_speaks_of_outcomes():
    story = routed(decision(0.8), calibration=Calibration(3, 1.0, 0.1))
    assert "turned out right" in package(story)["confidence"]["meaning"]
