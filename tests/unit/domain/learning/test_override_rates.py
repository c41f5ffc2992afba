from __future__ import annotations

import random

import pytest

from app.domain.events import ReviewKind
from app.domain.learning.calibration import PlattFit
from app.domain.learning.override_rates import OverrideRates, Trend, band_of
from app.domain.learning.terms import LearningTerms

TERMS = LearningTerms(own_threshold=0.9)


@pytest.fixture
def shown(a_label):
    def build(**fields):
        values = {
            "evidence": False,
            "blind": False,
            "kind": ReviewKind.REVIEW,
            "automated": False,
            "score": 0.8,
        }
        return a_label(**{**values, **fields})

    return build


def rates_of(labels) -> OverrideRates:
    rates = OverrideRates()
    for label in labels:
        rates.add(label, PlattFit(), TERMS)
    return rates


def test_only_answers_with_the_recommendation_shown_are_overrides(shown):
    rates = rates_of(
        [
            shown(error=True),
            shown(error=True, blind=True),
            shown(error=True, blind=True, kind=ReviewKind.SECOND_LOOK),
            shown(error=True, kind=ReviewKind.HUMAN_ONLY),
            shown(error=True, kind=ReviewKind.GOLD),
            shown(error=True, kind=ReviewKind.CALIBRATION),
        ]
    )
    ann = rates.reviewers["ann"]
    assert (rates.shown.count, rates.blind, rates.blind_disagreed) == (1, 3, 3)
    assert (ann.shown.count, ann.blind, ann.gold, ann.gold_disagreed) == (1, 3, 1, 1)


def test_expected_overrides_follow_the_mix_of_cases(shown):
    generator = random.Random(2)
    labels = []
    for _ in range(3000):
        score = generator.choice([0.65, 0.97])
        # ann sees only hard cases, ben only easy ones; both decide alike in each
        reviewer = "ann" if score < 0.9 else "ben"
        if generator.random() < 0.2:
            reviewer = "cem"
        labels.append(
            shown(score=score, reviewer=reviewer, error=generator.random() < (0.4 if score < 0.9 else 0.05))
        )
    rates = rates_of(labels)
    ann, ben = rates.reviewers["ann"].shown, rates.reviewers["ben"].shown
    assert ann.rate > 5 * ben.rate
    assert abs(ann.z()) < 3
    assert abs(ben.z()) < 3


def test_few_answers_are_pulled_to_what_is_expected(shown):
    rates = rates_of([shown(error=False) for _ in range(100)] + [shown(error=True, reviewer="new")])
    assert rates.reviewers["new"].shown.rate == 1.0
    assert rates.reviewers["new"].shown.ratio(5.0) < 1.3


def test_the_reviewer_not_seen_for_longest_is_forgotten(shown):
    names = [f"r{i}" for i in range(TERMS.reviewers)] + ["r0", "newcomer"]
    rates = rates_of([shown(reviewer=name) for name in names])
    assert len(rates.reviewers) == TERMS.reviewers
    assert "r1" not in rates.reviewers
    assert "r0" in rates.reviewers


def test_the_z_of_a_steady_rate_is_a_standard_normal():
    generator, values = random.Random(4), []
    for _ in range(300):
        trend = Trend()
        for _ in range(600):
            trend.add(generator.random() < 0.2, fast=0.99, slow=0.999)
        values.append(trend.z)
    mean = sum(values) / 300
    assert abs(mean) < 0.2
    assert sum((v - mean) ** 2 for v in values) / 300 == pytest.approx(1.0, abs=0.25)


def test_pairs_fade(shown):
    rates = OverrideRates()
    for _ in range(1000):
        rates.add_pair(0.8, agreed=False, half_life=100)
    for _ in range(1000):
        rates.add_pair(0.8, agreed=True, half_life=100)
    band = rates.bands[band_of(0.8)]
    assert band.pairs <= 100
    assert band.disagreements <= 1
