from __future__ import annotations

import random

import pytest

from app.domain.learning.bins import BINS
from app.domain.learning.estimates import Audits, hajek


def test_without_a_label_there_is_no_estimate():
    assert Audits().estimate([0.0] * BINS, 20, 0.05) is None


def test_one_stratum_is_the_plain_ratio():
    weights, wrong = [0.0] * BINS, [0.0] * BINS
    weights[80], weights[90], wrong[80] = 10.0, 30.0, 2.0
    assert hajek(weights, wrong, [0.0] * BINS, 1000, 1.0) == pytest.approx(0.05)


def population(generator: random.Random) -> list[tuple[int, bool, float]]:
    """2000 automated decisions whose error and audit probability both fall with time and score."""
    decisions = []
    for i in range(2000):
        score_bin = generator.randrange(80, 94)
        error = generator.random() < 0.10 - 0.006 * (score_bin - 80)
        decisions.append((score_bin, error, 0.5 if i < 400 else 0.05))
    return decisions


def test_the_estimate_is_unbiased_where_the_share_of_audits_is_not():
    generator = random.Random(5)
    estimates, plain, truths, inside = [], [], [], 0
    for _ in range(300):
        decisions = population(generator)
        # a burst of errors that is audited little
        decisions = [
            (b, e or (i >= 1500 and generator.random() < 0.1), q) for i, (b, e, q) in enumerate(decisions)
        ]
        audits, automated = Audits(), [0.0] * BINS
        for b, e, q in decisions:
            automated[b] += 1
            if generator.random() < q:
                audits.add(b, e, 1 / q)
        truth = sum(e for _, e, _ in decisions) / len(decisions)
        result = audits.estimate(automated, 20, 0.05)
        estimates.append(result.estimate)
        plain.append(audits.errors / audits.done)
        truths.append(truth)
        inside += result.lower <= truth <= result.upper
    mean_truth = sum(truths) / 300
    assert abs(sum(estimates) / 300 - mean_truth) < 0.004
    assert abs(sum(plain) / 300 - mean_truth) > 0.01
    assert inside / 300 > 0.9


def test_post_stratification_uses_the_traffic_that_was_automated():
    audits, automated = Audits(), [0.0] * BINS
    for i in range(40):
        audits.add(80, i < 4, 1.0)
        audits.add(93, False, 1.0)
    automated[80], automated[93] = 100.0, 900.0
    assert audits.estimate(automated, 20, 0.05).estimate == pytest.approx(0.01)


def test_coverage_tells_lost_audits():
    audits = Audits()
    audits.drawn = 100.0
    for _ in range(80):
        audits.add(85, False, 2.0)
    assert audits.estimate([1.0] * BINS, 20, 0.05).coverage == pytest.approx(0.8)


def test_a_correction_equals_counting_right_the_first_time():
    corrected, right = Audits(), Audits()
    corrected.add(85, True, 2.0)
    right.add(85, False, 2.0)
    corrected.correct(85, False, 2.0)
    assert corrected == right
