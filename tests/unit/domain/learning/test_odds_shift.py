"""Monitors: quiet while nothing changes, quick when something does."""

from __future__ import annotations

import math
import random

import pytest

from app.domain.learning.odds_shift import SHIFTS, Monitors, Reference, Shift
from app.domain.learning.terms import LearningTerms

TERMS = LearningTerms(own_threshold=0.9)


def known(p=0.02, errors=8.0):
    return Reference(0, [round(p * 1e5)] * 94, TERMS.reference_doubt / math.sqrt(errors + 4), 0.003)


def listening(p=0.02, errors=8.0):
    return Monitors(references=[known(p, errors)])


def test_each_step_is_the_likelihood_ratio():
    monitors = listening()
    rate = monitors.references[0].rate(85, worse=True)
    monitors.update(85, True, audit=False)
    for value, shift in zip(monitors.worse, SHIFTS, strict=True):
        moved = 1 / (1 + math.exp(-(math.log(rate / (1 - rate)) + shift)))
        assert value == pytest.approx(moved / rate)
    assert monitors.worse_audits == [1.0] * 4
    monitors.update(85, False, audit=True)
    assert all(value < 1 for value in monitors.worse_audits)


@pytest.mark.parametrize("p", [0.005, 0.02, 0.1])
def test_the_ratio_is_fair_at_the_reference_and_favours_nothing_below_it(p):
    for worse in (True, False):
        rate = known(p).rate(85, worse=worse)
        values = []
        for error in (True, False):
            monitors = listening(p)
            monitors.update(85, error, audit=False)
            values.append(monitors.worse if worse else monitors.better)
        for wrong, right in zip(*values, strict=True):
            assert rate * wrong + (1 - rate) * right == pytest.approx(1.0)
            true = rate * 0.5 if worse else min(2 * rate, 0.9)
            assert true * wrong + (1 - true) * right < 1.0


def test_false_alarms_are_rarer_than_the_limit():
    """60 lives of 2,000 labels at the reference itself: at the limit of 7,000 labels at most one in 3.5
    lives would alarm; the careful margin makes it far fewer."""
    alarms = 0
    for seed in range(60):
        luck, monitors = random.Random(seed), listening(0.02, 8.0)
        for _ in range(2000):
            monitors.update(85, luck.random() < 0.02, audit=False)
            if monitors.found(0, 1.0, 0.0, TERMS) is not None:
                alarms += 1
                break
    assert alarms <= 6


@pytest.mark.parametrize(("rate", "shift"), [(0.12, Shift.WORSE), (0.001, Shift.BETTER)])
def test_a_change_is_found(rate, shift):
    luck, monitors = random.Random(5), listening(0.05, 40.0)
    found, labels = None, 0
    while found is None and labels < 3000:
        labels += 1
        monitors.update(85, luck.random() < rate, audit=False)
        found = monitors.found(0, 1.0, 0.0, TERMS)
    assert found.shift is shift
    assert labels < 600
    assert found.evidence >= found.limit == 7000
    truth = math.log(rate / (1 - rate)) - math.log(0.05 / 0.95)
    assert found.odds == pytest.approx(truth, abs=0.7) or abs(found.odds) > 1.5


def test_without_automation_old_audits_say_nothing():
    monitors = listening()
    for _ in range(3):
        monitors.update(85, True, audit=True)
    monitors.worse = [1.0] * 4
    assert monitors.found(0, 1.0, 0.0, TERMS) is None
    assert monitors.found(0, 0.03, 0.001, TERMS).shift is Shift.WORSE


def test_each_kind_of_answer_has_a_reference_of_its_own():
    """People who see the recommendation override rarely: against blind checks that would be better news."""
    monitors = Monitors(references=[known(0.10, 40.0)], shown_references=[known(0.03, 40.0)])
    mixed, luck = Monitors(references=[known(0.10, 40.0)]), random.Random(3)
    for _ in range(2500):
        error = luck.random() < 0.03
        monitors.update(85, error, audit=False, shown=True)
        mixed.update(85, error, audit=False)
        if mixed.found(0, 1.0, 0.0, TERMS) is not None:
            break
    assert mixed.found(0, 1.0, 0.0, TERMS).shift is Shift.BETTER
    assert monitors.found(0, 1.0, 0.0, TERMS) is None
    for _ in range(400):
        monitors.update(85, luck.random() < 0.12, audit=False, shown=True)
    assert monitors.found(0, 1.0, 0.0, TERMS).shift is Shift.WORSE, "what changes is news all the same"


def test_shown_answers_wait_for_their_reference():
    monitors = listening()
    for _ in range(50):
        monitors.update(85, True, audit=False, shown=True)
    assert (monitors.shown, monitors.heard) == (50, 0)
    assert monitors.quiet(0.0, TERMS)


def test_suspicion_comes_long_before_a_finding():
    monitors = listening(0.02, 40.0)
    assert not monitors.suspicious(TERMS)
    for _ in range(3):
        monitors.update(85, True, audit=True)
    assert monitors.suspicious(TERMS)
    assert monitors.found(0, 1.0, 0.5, TERMS) is None
    assert not monitors.suspicious(LearningTerms(own_threshold=0.9, suspicion_worse=10**9))


def test_more_labels_than_expected_mean_a_higher_limit():
    monitors = listening(0.02, 40.0)
    while (found := monitors.found(2000, 0.05, 0.0, TERMS)) is None:
        monitors.update(85, True, audit=False)
    assert found.limit == pytest.approx(7000 * 0.05)
    monitors.heard = 4000
    assert monitors.found(2000, 0.05, 0.0, TERMS) is None


def test_the_reference_is_taken_late_and_used_later():
    taken = []

    def nothing():
        raise AssertionError("no answer was shown")

    def now():
        taken.append(len(taken))
        return [0.01 * len(taken)] * 94, 5.0

    monitors = Monitors()
    monitors.refresh(100, 399, now, nothing, TERMS)
    assert monitors.references == []
    monitors.refresh(500, 400, now, nothing, TERMS)
    assert monitors.references[0].taken == 500, "the first at once"
    for clock in range(600, 2600, 100):
        monitors.refresh(clock, 500, now, nothing, TERMS)
        used = monitors.references[0].taken
        assert used == 500 or clock - used >= TERMS.reference_lag
    assert monitors.references[0].taken == 1500
    assert len(taken) == 5
