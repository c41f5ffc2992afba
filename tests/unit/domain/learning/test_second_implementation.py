"""The product's rule beside the one of ``bench/learning``, which was written apart from it, in other terms
(numpy, all runs at once): the same traffic and labels must give the same numbers after every label."""

from __future__ import annotations

import numpy as np
import pytest

from app.domain.events import LearningLabel, ReviewKind, ScoreTally
from app.domain.learning.bins import EDGES, MIDPOINTS
from app.domain.learning.boundary import DEEP, SHALLOW, boundary
from app.domain.learning.drift import KeyState
from app.domain.learning.fast_cap import error_by_bin
from app.domain.learning.odds_shift import Monitors, Reference
from app.domain.learning.terms import LearningTerms
from bench.learning import boundaries, streams
from bench.learning.monitors import Monitor
from bench.learning.replay import Batch
from bench.learning.rule import Design, Rule
from bench.learning.scenarios import TABLE_STATIONARY

KEY, ALPHA, DELTA = "k", 0.05, 0.1
TERMS = LearningTerms(own_threshold=0.9, alpha=ALPHA, delta=DELTA, catch_rate=1.0, refresh_labels=1)
"""Looks after every label, as the other one does with blocks of one decision."""


def test_the_bins_are_the_same():
    assert np.allclose(streams.EDGES, EDGES, atol=1e-12)


@pytest.mark.parametrize("rate", [0.008, 0.02, 0.05])
@pytest.mark.parametrize("rho", [SHALLOW, DEEP])
@pytest.mark.parametrize("delta", [0.09, 0.0025])
def test_the_boundaries_are_the_same(rate, rho, delta):
    assert boundary(rate, delta, 1800, rho) == tuple(boundaries.boundary(rate, delta, rho).tolist())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_certificate_and_cap_agree_after_every_label(seed):
    stream = streams.draw(TABLE_STATIONARY, 1, [seed])
    state = KeyState(learning_key=KEY)
    rule = Rule(1, ALPHA, DELTA, gold=False, design=Design(shown="none", every=1))
    compared: set[float] = set()
    # ends before the monitors, whose reference the two take at different moments, have anything to say
    for i in range(1200):
        score_bin, error = int(stream.bins[0, i]), bool(stream.wrong[0, i])
        automated = MIDPOINTS[score_bin] >= state.in_force.threshold and score_bin >= 0
        drawn = stream.coin[0, i] < (state.in_force.evidence_probability if state.in_force.version else 1.0)
        epoch = state.epoch
        state.apply(tally(score_bin, automated, epoch, i), TERMS)
        if drawn and score_bin >= 0:
            state.apply(label(score_bin, error, automated, epoch, i), TERMS)
        rule.learn(block(i, score_bin, error, automated, drawn))

        ours, theirs = state.automation.certificate, rule
        if ours.fixed:
            assert (ours.first, ours.deep) == (theirs.start[0], theirs.deep[0])
            seen = ours.bin(state.evidence.labels, 100)
            found = int(theirs.certified[0])
            if found < streams.REVIEW_ALL:
                # bins without a label say nothing: ours ends at the last one that has some
                found = next(
                    k for k in range(found, ours.first + 1) if state.evidence.labels[k] or k == ours.first
                )
            assert (streams.REVIEW_ALL if seen is None else seen) == found
            compared.add(found)
        if i % 100 == 99:
            counts, wrong, platt = state.evidence.fit_by_score(TERMS.ridge)
            known = error_by_bin(counts, wrong, platt, TERMS.prior_labels)
            assert np.allclose(known, rule.counts.error_by_bin()[0], rtol=1e-5)
    assert len(compared) > 5, "the certificate moved on the way"


def test_the_monitors_agree_after_every_label():
    rng = np.random.default_rng(5)
    rates, behind = rng.uniform(0.005, 0.2, 94), 37.0
    ours = Monitors(references=[Reference(0, [round(p * 1e5) for p in rates], behind)])
    rates = np.round(rates * 1e5) / 1e5
    margin = rates / np.sqrt(behind + 4) + 0.006
    worse, better, audits = Monitor(1, 1.0), Monitor(1, -1.0), Monitor(1, 1.0)
    one = np.ones(1, bool)
    for monitor in (worse, audits):
        monitor.refer(one, (rates + margin)[None])
    better.refer(one, np.maximum(1e-3, rates - margin)[None])
    for _ in range(500):
        score_bin, automated = int(rng.integers(94)), bool(rng.random() < 0.5)
        error = bool(rng.random() < 2 * rates[score_bin])
        ours.update(score_bin, error, audit=automated)
        place = np.array([[score_bin]]), np.array([[error]])
        assert np.mean(ours.worse) == pytest.approx(worse.highest(*place, np.array([[True]]))[0], rel=1e-6)
        assert np.mean(ours.better) == pytest.approx(better.highest(*place, np.array([[True]]))[0], rel=1e-6)
        if automated:
            said = audits.highest(*place, np.array([[True]]))[0]
            assert np.mean(ours.worse_audits) == pytest.approx(said, rel=1e-6)


def tally(score_bin, automated, epoch, number):
    return ScoreTally(
        learning_key=KEY,
        epoch=epoch,
        bins=[score_bin, 1, int(automated)],
        policy_threshold=0.9,
        routed_at=number,
    )


def label(score_bin, error, automated, epoch, number):
    return LearningLabel(
        label_id=f"l{number}",
        decision_id=f"d{number}",
        learning_key=KEY,
        decision_type="expense.approval",
        epoch=epoch,
        raw=MIDPOINTS[score_bin],
        score=MIDPOINTS[score_bin],
        level=1 if automated else 3,
        automated=automated,
        evidence=True,
        inclusion_probability=0.5,
        source="review",
        kind=ReviewKind.AUDIT if automated else ReviewKind.REVIEW,
        blind=True,
        reviewer="ann",
        error=error,
        decided_at=number,
        labelled_at=number,
    )


def block(number, score_bin, error, automated, drawn):
    one, none = np.ones((1, 1), bool), np.zeros(1, np.int64)
    bins = np.array([[score_bin]], np.int8)
    return Batch(
        at=number,
        bins=bins,
        automated=one & automated,
        label_bins=bins,
        label_error=one & error,
        label_automated=one & automated,
        label_evidence=one,
        label_epoch=np.zeros((1, 1), np.int16),
        label_q=np.ones((1, 1), np.float32),
        known=one & bool(drawn and score_bin >= 0),
        gold=none,
        caught=none,
    )
