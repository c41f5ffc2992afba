from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from app.domain.learning.bins import BINS, MIDPOINTS
from app.domain.learning.calibration import CalibrationScores, PlattFit, fit_platt

LOGITS = [math.log(m / (1 - m)) for m in MIDPOINTS]


def counts_of(calibration: PlattFit, seed: int, n: int = 5000) -> tuple[list[float], list[float]]:
    generator = random.Random(seed)
    labels, errors = [0.0] * BINS, [0.0] * BINS
    for _ in range(n):
        b = min(int(generator.betavariate(3, 1) * BINS), BINS - 1)
        labels[b] += 1
        errors[b] += generator.random() > calibration.probability(MIDPOINTS[b])
    return labels, errors


@pytest.mark.parametrize("truth", [PlattFit(1.0, 0.0), PlattFit(0.5, 0.2), PlattFit(1.6, -0.7)])
def test_the_fit_is_the_optimum_that_another_optimiser_finds(truth):
    labels, errors = counts_of(truth, seed=3)

    def loss(parameters):
        slope, intercept = parameters
        total = ((slope - 1) ** 2 + intercept**2) * 2.0 / 2
        for x, n, e in zip(LOGITS, labels, errors, strict=True):
            z = slope * x + intercept
            total += n * (max(z, 0) + math.log1p(math.exp(-abs(z)))) - (n - e) * z
        return total

    best = minimize(loss, [1.0, 0.0], method="BFGS", options={"gtol": 1e-8}).x
    fitted = fit_platt(labels, errors, 2.0)
    assert (fitted.slope, fitted.intercept) == pytest.approx(tuple(best), abs=1e-4)


def test_the_fit_recovers_what_confidence_means():
    fitted = fit_platt(*counts_of(PlattFit(0.6, -0.1), seed=5, n=40_000), 2.0)
    assert fitted.distance(PlattFit(0.6, -0.1)) < 0.25


@pytest.mark.parametrize("wrong", [0.0, 1.0])
def test_labels_that_all_agree_give_a_finite_fit(wrong):
    fitted = fit_platt([100.0] * BINS, [100.0 * wrong] * BINS, 2.0)
    assert math.isfinite(fitted.slope)
    assert math.isfinite(fitted.intercept)
    assert (fitted.probability(0.9) < 0.1) == bool(wrong)


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1)), min_size=BINS, max_size=BINS))
@settings(deadline=None)
def test_any_counts_give_a_finite_fit(rows):
    fitted = fit_platt([n for n, _ in rows], [n * e for n, e in rows], 2.0)
    assert math.isfinite(fitted.slope)
    assert math.isfinite(fitted.intercept)


def test_few_labels_barely_move_a_confidence():
    labels, errors = [0.0] * BINS, [0.0] * BINS
    labels[85], errors[85] = 3.0, 1.0
    assert abs(fit_platt(labels, errors, 10.0).probability(0.9) - 0.9) < 0.08


@pytest.mark.parametrize("raw", [0.0, 1.0, 1e-12])
def test_certainty_is_not_believed(raw):
    assert 0.0 < PlattFit().probability(raw) < 1.0


def test_a_correction_equals_counting_right_the_first_time():
    corrected, right = CalibrationScores(), CalibrationScores()
    for scores, first in ((corrected, True), (right, False)):
        scores.add(False, 0.1, 1.0)
        scores.add(first, 0.2, 2.0)
    corrected.correct(False, 0.2, 2.0)
    for name in ("weight", "log_loss", "brier", "excess", "variance"):
        assert getattr(corrected, name) == pytest.approx(getattr(right, name))


def test_scores_do_not_depend_on_the_unit_of_weights():
    one, other = CalibrationScores(), CalibrationScores()
    for i in range(50):
        one.add(i % 7 == 0, 0.1, 1.0)
        other.add(i % 7 == 0, 0.1, 8.0)
    other.scale(1 / 8)
    assert (one.in_the_large, one.mean_brier, one.mean_log_loss) == pytest.approx(
        (other.in_the_large, other.mean_brier, other.mean_log_loss)
    )


def test_in_the_large_is_a_standard_normal_for_a_calibrated_ai():
    generator, beyond = random.Random(11), 0
    for _ in range(400):
        scores = CalibrationScores()
        for _ in range(200):
            p = generator.uniform(0.02, 0.3)
            scores.add(generator.random() < p, p, 1.0)
        beyond += abs(scores.in_the_large) > 1.96
    assert 0.02 < beyond / 400 < 0.09
