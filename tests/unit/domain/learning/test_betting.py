"""The betting bound: against the product of the definition, against a closed form, and its own promise."""

from __future__ import annotations

import math
import random

import pytest
from scipy import stats

from app.domain.learning.betting import STAKES, BettingBound


def bound_of(values):
    bound = BettingBound()
    for value in values:
        bound.update(value)
    return bound


def test_wealth_is_the_average_of_the_products():
    values = [0.0, 1.0, 0.25, 0.0, 0.5, 0.0]
    for m in (0.1, 0.5, 0.9):
        products = [math.prod(1 + stake * (m - x) for x in values) for stake in STAKES]
        assert bound_of(values).wealth(m) == pytest.approx(math.log(sum(products) / len(products)))


def test_without_an_error_the_bound_has_a_closed_form():
    """All zero: the wealth at m is the average of (1 + l m)^n."""
    bound = bound_of([0.0] * 200)
    upper = bound.upper(0.05)
    assert sum((1 + stake * upper) ** 200 for stake in STAKES) / len(STAKES) == pytest.approx(20)


def test_the_bound_is_where_the_wealth_is_reached_and_falls_with_evidence():
    values = [float(i % 25 == 0) for i in range(500)]
    early, late = bound_of(values[:100]).upper(0.05), bound_of(values).upper(0.05)
    assert 0.04 < late < early < 1
    assert bound_of(values).wealth(late) == pytest.approx(math.log(20), abs=1e-6)
    assert bound_of([1.0] * 50).upper(0.05) == 1.0


@pytest.mark.parametrize("rate", [0.01, 0.03, 0.10])
def test_the_promise_holds_at_every_look(rate):
    """400 lives of 400 checks, looked at after every tenth: no more than delta ever fall below the truth."""
    chance, delta, ever = random.Random(7), 0.1, 0
    for _ in range(400):
        bound = BettingBound()
        for i in range(400):
            bound.update(float(chance.random() < rate))
            # the bound is below the truth just where the wealth at the truth has reached 1/delta
            if i % 10 == 9 and bound.wealth(rate) >= math.log(1 / delta):
                ever += 1
                break
    assert ever <= 400 * delta + 2.33 * math.sqrt(400 * delta * (1 - delta)), ever  # 99 % for 400 lives


def test_weighted_checks_bound_the_error_of_everything():
    """q falls from 1 to .05; e q_min / q of what was checked, and 0 of the rest, has the mean q_min e."""
    chance, q_min, rate, below = random.Random(11), 0.05, 0.04, 0
    for _ in range(100):
        bound = BettingBound()
        for i in range(3000):
            q = max(q_min, math.exp(-i / 300))
            checked = chance.random() < q
            bound.update(round(q_min / q, 3) if checked and chance.random() < rate else 0.0)
        below += bound.upper(0.1) / q_min < rate
    assert below <= 10


@pytest.mark.parametrize(("errors", "n"), [(0, 50), (3, 100), (6, 300), (20, 1000)])
def test_every_look_costs_little_beside_one_look(errors, n):
    """Never below the exact bound of a single look, and not far above it."""
    bound = BettingBound({1.0: errors, 0.0: n - errors})
    once = stats.beta.ppf(0.95, errors + 1, n - errors)
    assert once < bound.upper(0.05) < 1.8 * once


def test_other_values_are_refused():
    with pytest.raises(ValueError, match=r"not for 1\.5"):
        BettingBound().update(1.5)
