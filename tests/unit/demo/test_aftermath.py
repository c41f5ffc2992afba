"""Truth that arrives later: about automated decisions only, once, for a drawn share, with what was right."""

import pytest

from app.demo.aftermath import LATER_TRUTH, observed_later
from app.domain.events import DecidedBy, ObservationKind

from . import story

LATER = story.MONDAY + 48 * story.HOUR


def observed(events, truth, *, known=(), before=LATER):
    return observed_later(events, truth, before=before, at=LATER, seed=7, known=known)


def automated(count):
    return [story.resolved(story.routed(n), "approve", by=DecidedBy.AI) for n in range(count)]


def test_a_share_of_automated_decisions_is_observed_with_the_truth():
    truth = {f"d-{n}": "approve" if n % 2 else "reject" for n in range(2000)}
    outcomes = observed(automated(2000), truth)
    assert len(outcomes) / 2000 == pytest.approx(LATER_TRUTH, abs=0.03)
    for outcome in outcomes:
        wrong = truth[outcome.decision_id] == "reject"
        assert outcome.kind is (ObservationKind.DOWNSTREAM_ERROR if wrong else ObservationKind.GROUND_TRUTH)
        assert outcome.correct_action == truth[outcome.decision_id]


def test_what_people_decided_or_nobody_knows_is_not_observed():
    reviewed = [story.resolved(story.routed(n, level=3), "approve") for n in range(100)]
    assert observed(reviewed, {f"d-{n}": "reject" for n in range(100)}) == []
    assert observed(automated(100), {}) == []


def test_nothing_is_observed_twice_or_too_early():
    truth = {f"d-{n}": "approve" for n in range(100)}
    events = automated(100)
    first = observed(events, truth)
    assert first
    assert observed(events, truth, known={o.decision_id for o in first}) == []
    assert observed(events, truth, before=story.MONDAY) == []


def test_the_order_of_the_records_does_not_matter():
    truth = {f"d-{n}": "approve" for n in range(100)}
    assert observed(automated(100), truth) == observed(automated(100)[::-1], truth)
