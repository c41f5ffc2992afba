from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.learning.bins import BINS, LOWER_EDGES, REVIEW_EVERYTHING, bin_of
from app.domain.learning.calibration import PlattFit
from app.domain.learning.fast_cap import (
    enough_evidence,
    error_by_bin,
    expected_errors,
    labels_needed,
    tau_cal,
)

SHARES = st.lists(st.floats(0, 1), min_size=BINS, max_size=BINS)
TRAFFIC = st.lists(st.floats(0.001, 1e6), min_size=BINS, max_size=BINS)


def test_an_unseen_bin_has_the_error_of_the_fit():
    fitted = PlattFit(0.7, -0.2)
    assert error_by_bin([0.0] * BINS, [0.0] * BINS, fitted, 50.0) == pytest.approx(fitted.errors_by_bin())


@given(SHARES, TRAFFIC, st.sampled_from(LOWER_EDGES), st.floats(0.001, 0.5))
@settings(deadline=None)
def test_the_cap_is_the_lowest_threshold_that_keeps_the_limit(error, traffic, floor, limit):
    curve = expected_errors(error, traffic)
    tau = tau_cal(curve, floor, limit)
    assert tau >= floor
    for k in range(bin_of(floor), BINS):
        if LOWER_EDGES[k] < tau:
            assert curve[k] > limit
    if tau != REVIEW_EVERYTHING:
        assert curve[bin_of(tau)] <= limit


@given(SHARES, TRAFFIC, st.floats(0.001, 0.5), st.floats(0.5, 1.0))
@settings(deadline=None)
def test_a_stricter_limit_never_loosens(error, traffic, limit, factor):
    curve = expected_errors(error, traffic)
    assert tau_cal(curve, 0.8, limit * factor) >= tau_cal(curve, 0.8, limit)


@pytest.mark.parametrize("floor", [0.2, 0.913, 0.9955])
def test_a_floor_between_edges_stays_as_it_is(floor):
    assert tau_cal([0.01] * BINS, floor, 0.02) == floor


def test_a_floor_that_reviews_everything_stays():
    assert tau_cal([0.0] * BINS, 1.01, 0.02) == 1.01


def test_where_nothing_comes_nothing_is_claimed():
    traffic = [1.0] * 50 + [0.0] * 44
    curve = expected_errors([0.5] * BINS, traffic)
    assert curve[50] is None
    assert tau_cal(curve, 0.5, 0.02) == REVIEW_EVERYTHING


def test_the_error_is_weighed_by_traffic():
    error = [0.0] * 92 + [0.10, 0.02]
    curve = expected_errors(error, [0.0] * 92 + [100.0, 900.0])
    assert curve[92] == pytest.approx(0.028)


@pytest.mark.parametrize(("alpha", "delta"), [(0.05, 0.1), (0.02, 0.05), (0.01, 0.01), (0.03, 0.09)])
def test_labels_needed_is_the_first_clean_sample_that_says_something(alpha, delta):
    n = labels_needed(alpha, delta)
    assert (1 - alpha) ** n <= delta < (1 - alpha) ** (n - 1)


def test_many_errors_are_enough_evidence_early():
    assert not enough_evidence(0, 0, 0.02, 0.05, 0.01)
    assert not enough_evidence(40, 2, 0.02, 0.05, 0.01)
    assert enough_evidence(40, 5, 0.02, 0.05, 0.01)
    assert enough_evidence(149, 0, 0.02, 0.05, 0.01)
