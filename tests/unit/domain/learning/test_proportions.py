from __future__ import annotations

import random

import pytest
from scipy import stats

from app.domain.learning.proportions import anytime_interval, binomial_at_least, wilson


@pytest.mark.parametrize(
    ("x", "n", "p"), [(0, 10, 0.3), (3, 10, 0.3), (9, 400, 0.02), (40, 60, 0.2), (5, 900, 0.01)]
)
def test_the_binomial_tail_is_exact(x, n, p):
    assert binomial_at_least(x, n, p) == pytest.approx(stats.binom.sf(x - 1, n, p), rel=1e-9)


@pytest.mark.parametrize(("x", "n"), [(0, 20), (3, 20), (20, 20), (31, 1000)])
def test_wilson_agrees_with_an_independent_one(x, n):
    theirs = stats.binomtest(x, n).proportion_ci(0.95, method="wilson")
    assert wilson(x / n, n, stats.norm.ppf(0.975)) == pytest.approx((theirs.low, theirs.high))


def test_without_cases_everything_is_possible():
    assert wilson(0.0, 0, 1.96) == (0.0, 1.0) == anytime_interval(0, 0, 0.1)


@pytest.mark.parametrize(("errors", "n"), [(0, 50), (50, 50), (3, 100)])
def test_the_anytime_interval_contains_the_share_and_is_wider_than_one_look(errors, n):
    lower, upper = anytime_interval(errors, n, 0.05)
    once = stats.binomtest(errors, n).proportion_ci(0.95, method="exact")
    assert lower <= errors / n <= upper
    assert lower <= once.low + 1e-9
    assert upper >= once.high - 1e-9


def test_the_anytime_interval_holds_at_every_look_at_once():
    generator, truth, delta, missed = random.Random(7), 0.05, 0.2, 0
    for _ in range(300):
        errors = 0
        for n in range(1, 301):
            errors += generator.random() < truth
            if n % 5 == 0:
                lower, upper = anytime_interval(errors, n, delta)
                if not lower <= truth <= upper:
                    missed += 1
                    break
    # at most delta of 300 runs, with room for chance: P(Bin(300, .2) > 75) = .015
    assert missed <= 75
