from __future__ import annotations

import pytest
from scipy import stats

from app.domain.learning.proportions import beta_at_most, binomial_at_least, wilson


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
    assert wilson(0.0, 0, 1.96) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("x", "a", "b"), [(0.5, 1, 1), (0.01, 1, 21), (0.999, 900, 2), (0.62, 600.5, 340), (0.3, 0.5, 0.5)]
)
def test_the_beta_distribution_agrees_with_an_independent_one(x, a, b):
    assert beta_at_most(x, a, b) == pytest.approx(stats.beta.cdf(x, a, b), rel=1e-9)
