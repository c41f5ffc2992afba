"""One final answer for a decision; what measures people never gives one."""

from __future__ import annotations

import pytest

from app.domain.events import DecidedBy, OverrideCategory, ReviewKind
from app.domain.resolution import DECIDING, HAND_ONS, resolve_answer, resolve_automated
from tests.unit.domain.cases import HOUR, NOW, answered, decision, routed


def resolved(decided):
    return resolve_answer(decided.requested, decided.answer)


def test_what_the_ai_decided():
    resolution = resolve_automated(routed(decision(0.99)))
    assert (resolution.action, resolution.decided_by, resolution.level) == ("approve", DecidedBy.AI, 1)
    assert (resolution.agreed, resolution.resolved_at) == (None, NOW)


def test_a_decision_that_needs_a_person_is_never_resolved_by_the_ai():
    with pytest.raises(ValueError, match="level 3: a person decides"):
        resolve_automated(routed(decision(0.8)))


@pytest.mark.parametrize(
    ("action", "changes", "agreed"),
    [
        ("approve", None, True),
        ("approve", "{}", True),
        ("approve", '{"amount": 30}', False),
        ("reject", None, False),
        ("modify", '{"amount": 30}', False),
        ("modify", None, False),
    ],
)
def test_what_a_person_decided(action, changes, agreed):
    category = None if agreed else OverrideCategory.AI_ERROR
    resolution = resolved(answered(routed(decision(0.8)), action, changes=changes, category=category))
    assert (resolution.action, resolution.changes, resolution.agreed) == (action, changes, agreed)
    assert (resolution.decided_by, resolution.reviewer, resolution.category) == (
        DecidedBy.HUMAN,
        "ann",
        category,
    )
    assert resolution.resolved_at == NOW + HOUR


@pytest.mark.parametrize("kind", sorted(set(ReviewKind) - DECIDING))
def test_what_measures_people_never_resolves(kind):
    assert resolved(answered(routed(decision(0.8)), kind=kind)) is None


@pytest.mark.parametrize("action", sorted(HAND_ONS))
def test_handing_on_decides_nothing(action):
    assert resolved(answered(routed(decision(0.8)), action)) is None


def test_a_decision_has_one_resolution_id_whoever_resolves_it():
    by_ai = resolve_automated(routed(decision(0.99)))
    by_ann = resolved(answered(routed(decision(0.8))))
    by_bob = resolved(answered(routed(decision(0.8)), "reject", reviewer="bob"))
    assert by_ai.resolution_id == by_ann.resolution_id == by_bob.resolution_id
    assert (
        by_ai.resolution_id != resolve_automated(routed(decision(0.99, decision_id="exp-002"))).resolution_id
    )
