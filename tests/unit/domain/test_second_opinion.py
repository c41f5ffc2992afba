"""Which answers a second person is asked to confirm, and until when."""

from __future__ import annotations

import msgspec
import pytest

from app.domain.events import Arm, ReviewKind, Shadowed
from app.domain.labels import CONFIRMATION, label_for
from app.domain.learning.judgement import judgement
from app.domain.second_opinion import is_confirmation, to_confirm
from app.domain.shadows import shadow_labels
from tests.unit.domain.cases import answered, decision, routed, terms

SHADOW = Shadowed(
    learning_key="t|m:2",
    epoch=1,
    action="reject",
    raw=0.97,
    score=0.97,
    threshold=1.0,
    level=3,
    eligible=True,
)


def case(**changes):
    """A decision of the evidence sample that a person judges blind."""
    story = routed(decision(0.97), terms())
    kinds = [ReviewKind.REVIEW]
    given = {"level": 3, "action": None, "evidence": True, "evidence_probability": 1.0, "arm": Arm.BLIND}
    route = msgspec.structs.replace(story.route, **{**given, "review_kinds": kinds, **changes})
    return msgspec.structs.replace(story, route=route)


def test_a_blind_finding_of_the_evidence_sample_is_confirmed():
    assert to_confirm(answered(case(), "reject"))
    assert to_confirm(answered(case(level=1, action="approve"), "reject", kind=ReviewKind.AUDIT))


def test_the_answer_before_the_recommendation_was_seen_counts():
    assert to_confirm(answered(case(), "approve", first_action="reject"))
    assert not to_confirm(answered(case(), "reject", first_action="approve"))


@pytest.mark.parametrize(
    ("changes", "action", "kind"),
    [
        ({}, "approve", ReviewKind.REVIEW),
        ({"evidence": False}, "reject", ReviewKind.REVIEW),
        ({"arm": Arm.SHOWN}, "reject", ReviewKind.REVIEW),
        ({"approvals": 2}, "reject", ReviewKind.REVIEW),
        ({}, "request_info", ReviewKind.REVIEW),
        ({}, "reject", ReviewKind.SECOND_LOOK),
        ({}, "reject", ReviewKind.GOLD),
        (
            {"arm": Arm.SECOND_LOOK, "review_kinds": [ReviewKind.REVIEW, ReviewKind.SECOND_LOOK]},
            "reject",
            ReviewKind.REVIEW,
        ),
    ],
)
def test_nobody_is_asked_about_anything_else(changes, action, kind):
    assert not to_confirm(answered(case(**changes), action, kind=kind))


def test_a_finding_about_a_shadow_alone_is_settled_at_once():
    [label] = shadow_labels(answered(case(shadows=[SHADOW]), "approve"))
    assert label.error
    assert not judgement(label, clock=1, score_bin=90, raw_bin=90, announced=0.1).unconfirmed
    [label] = shadow_labels(
        answered(case(shadows=[msgspec.structs.replace(SHADOW, action="approve")]), "reject")
    )
    assert judgement(label, clock=1, score_bin=90, raw_bin=90, announced=0.1).unconfirmed


def test_a_confirmation_is_no_sample_of_how_often_people_agree():
    second = label_for(answered(case(), "reject", kind=ReviewKind.SECOND_LOOK))
    drawn = case(arm=Arm.SECOND_LOOK, review_kinds=[ReviewKind.REVIEW, ReviewKind.SECOND_LOOK])
    other = label_for(answered(drawn, "reject", kind=ReviewKind.SECOND_LOOK))
    assert (second.source, second.evidence, other.source) == (CONFIRMATION, False, "review")
    assert is_confirmation(case(), ReviewKind.SECOND_LOOK)
    assert not is_confirmation(case(), ReviewKind.REVIEW)
