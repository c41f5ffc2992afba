"""Signals without a reference: a change is said once, with before and after; retraining follows."""

from __future__ import annotations

import random

import msgspec
import pytest

from app.domain.events import PatternDetected, ReviewKind
from app.domain.learning.drift import KeyState
from app.domain.learning.patterns import Pattern
from app.domain.learning.terms import LearningTerms

KEY = "expense.approval|expenses:3"
TERMS = LearningTerms(own_threshold=0.9)


class Life:
    def __init__(self, a_label, seed=4):
        self.a_label, self.random = a_label, random.Random(seed)
        self.state, self.found = KeyState(learning_key=KEY), []

    def answers(self, count, *, rate=0.15, seconds=60.0, mean=0.75, evidence=False):
        for _ in range(count):
            label = self.a_label(
                score=min(0.99, max(0.5, self.random.gauss(mean, 0.05))),
                evidence=evidence,
                blind=evidence,
                automated=False,
                kind=ReviewKind.REVIEW,
                reviewer=self.random.choice(("ann", "ben", "cem")),
                error=self.random.random() < rate,
                handling=round(1000 * self.random.lognormvariate(0, 0.5) * seconds),
            )
            changes = self.state.apply_label(label, TERMS)
            self.found += [change for change in changes if isinstance(change, PatternDetected)]
        return self

    def named(self, pattern):
        return [found for found in self.found if found.pattern == pattern]


@pytest.fixture
def life(a_label):
    return Life(a_label)


def test_a_steady_life_says_nothing(life):
    life.answers(3000)
    for pattern in (Pattern.OVERRIDE_SHIFT, Pattern.HANDLING_SHIFT, Pattern.TRAFFIC_SHIFT, Pattern.RETRAIN):
        assert life.named(pattern) == []


def test_more_overrides_than_before_are_said_once_and_ask_for_retraining(life):
    life.answers(1000).answers(600, rate=0.45)
    [found] = life.named(Pattern.OVERRIDE_SHIFT)
    assert found.value > found.limit + 0.05
    assert "of the recommendations for expense.approval now" in found.text
    [retrain] = life.named(Pattern.RETRAIN)
    assert "time to retrain expense.approval" in retrain.text
    assert "hitl export training" in retrain.action


def test_fewer_overrides_are_no_reason_to_retrain(life):
    life.answers(1200, rate=0.4).answers(800, rate=0.05)
    assert life.named(Pattern.OVERRIDE_SHIFT)
    assert life.named(Pattern.RETRAIN) == []


def test_reviews_that_take_half_as_long_are_said(life):
    life.answers(800).answers(400, seconds=25.0)
    [found] = life.named(Pattern.HANDLING_SHIFT)
    assert "typically takes" in found.text
    assert life.named(Pattern.OVERRIDE_SHIFT) == []


def test_other_cases_coming_in_are_said(life):
    life.answers(800, evidence=True, rate=0.02).answers(400, evidence=True, rate=0.02, mean=0.65)
    assert len(life.named(Pattern.TRAFFIC_SHIFT)) == 1


def test_a_state_saved_before_these_signals_were_watched_goes_on(life):
    life.answers(10)
    saved = msgspec.msgpack.decode(life.state.to_bytes())
    del saved["overrides"]["shifts"]
    restored = KeyState.from_bytes(msgspec.msgpack.encode(saved))
    assert restored.overrides.shifts.overrides.count == 0
