"""The product's rule beside the one of ``bench/learning``, which was written apart from it, in other terms
(numpy, all runs at once): the same traffic and labels must give the same numbers after every label."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from app.domain.events import LearningLabel, ReviewKind, ScoreTally
from app.domain.learning.bins import EDGES, MIDPOINTS, bin_of
from app.domain.learning.boundary import DEEP, SHALLOW, boundary
from app.domain.learning.drift import KeyState
from app.domain.learning.fast_cap import error_by_bin
from app.domain.learning.odds_shift import Found, Monitors, Reference, Shift
from app.domain.learning.terms import LearningTerms
from bench.learning import boundaries, streams
from bench.learning.monitors import Monitor
from bench.learning.replay import Batch
from bench.learning.rule import IMPROVED, Design, Rule
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
        rule.learn(block(i, score_bin, error, automated, drawn and score_bin >= 0))

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


@pytest.mark.parametrize("shift", list(Shift))
def test_they_agree_before_and_after_a_restart(shift):
    """Answers to shown recommendations, what is moved and kept, the next delta and the threshold that is
    deployed; the alarm itself is given to both, since they take their references at different moments."""
    stream = streams.draw(TABLE_STATIONARY, 1, [7])
    state = KeyState(learning_key=KEY)
    rule = Rule(1, ALPHA, DELTA, gold=False, design=replace(IMPROVED, looks=1, every=1))
    found = Found(shift, 0.9 if shift is Shift.WORSE else -0.9, 10.0, 5.0)
    deployed: set[int] = set()
    for i in range(3000):
        if i == 1500:
            state._restart(found, TERMS)
            state._rethreshold(TERMS, cause="the monitor called")
            called = np.array([True])
            rule.counts.move(called, np.array([found.odds]))
            rule._restart(called & (shift is Shift.WORSE), called & (shift is Shift.BETTER), i)
            rule._deploy(i)
        score_bin, error = int(stream.bins[0, i]), bool(stream.wrong[0, i])
        automated = score_bin >= 0 and MIDPOINTS[score_bin] >= state.in_force.threshold
        drawn = stream.coin[0, i] < (state.in_force.evidence_probability if state.in_force.version else 1.0)
        epoch = state.epoch
        state.apply(tally(score_bin, automated, epoch, i), TERMS)
        # to one of us the label of the decision that fixes the order is late
        answered = score_bin >= 0 and (drawn or not automated) and epoch == state.epoch
        if answered:
            state.apply(label(score_bin, error, automated, epoch, i, blind=drawn), TERMS)
        rule.learn(block(i, score_bin, error, automated, answered, evidence=drawn, epoch=int(rule.epoch[0])))
        state.automation.monitors = Monitors()
        for monitor in (rule._all, rule._audits, rule._fewer):
            monitor.restart(np.ones(1, bool))

        if i % 100 == 99:
            same(state.evidence.fit_by_score(TERMS.ridge), rule.counts)
            same(state.evidence.fit_of_epoch(TERMS.ridge), rule.counts, since_restart=True)
            same(state.evidence.fit_of_shown(TERMS.ridge), rule.shown_counts, since_restart=True)
        if state.automation.certificate.fixed and answered:  # without a label ours waits
            now = state.in_force.threshold
            ours, theirs = streams.BINS if now > 1 else bin_of(now), min(int(rule.k[0]), streams.BINS)
            # bins without a label say nothing: ours ends at the last one that has some
            assert ours == theirs or not any(state.evidence.labels[theirs:ours]), i
            deployed.add(ours)
            assert state.in_force.evidence_probability == pytest.approx(rule.q[0], rel=0.15), "on a ladder"
    assert len(deployed) > 5, "the threshold moved on the way"


def same(fit, theirs, since_restart=False):
    counts, wrong, platt = fit
    for _ in range(4):  # a few of its steps at a time, from where it was
        known = theirs.error_by_bin(since_restart=since_restart)[0]
    assert np.allclose(error_by_bin(counts, wrong, platt, TERMS.prior_labels), known, rtol=1e-5)


def test_the_monitors_agree_after_every_label():
    rng = np.random.default_rng(5)
    behind, rates, ours = {False: 37.0, True: 61.0}, {}, Monitors()
    worse, better, audits = Monitor(1, 1.0), Monitor(1, -1.0), Monitor(1, 1.0)
    one = np.ones(1, bool)
    for shown, references in ((False, ours.references), (True, ours.shown_references)):
        known = np.round(rng.uniform(0.005, 0.2, 94) * 1e5)
        doubt = TERMS.reference_doubt / math.sqrt(behind[shown] + 4)
        references.append(Reference(0, [int(p) for p in known], doubt, TERMS.reference_margin))
        rates[shown] = known = known / 1e5
        doubt = IMPROVED.doubt / np.sqrt(behind[shown] + 4)
        for monitor in (worse, audits):
            monitor.refer(one, np.minimum(0.95, known * (1 + doubt) + IMPROVED.margin)[None], shown)
        better.refer(one, np.maximum(5e-4, known * (1 - doubt) - IMPROVED.margin)[None], shown)
    for _ in range(500):
        score_bin, automated = int(rng.integers(94)), bool(rng.random() < 0.4)
        shown = not automated and bool(rng.random() < 0.5)
        error = bool(rng.random() < 2 * rates[shown][score_bin])
        ours.update(score_bin, error, audit=automated, shown=shown)
        place = np.array([[score_bin + 94 * shown]]), np.array([[error]]), np.array([[True]])
        assert np.mean(ours.worse) == pytest.approx(worse.highest(*place)[0], rel=1e-6)
        assert np.mean(ours.better) == pytest.approx(better.highest(*place)[0], rel=1e-6)
        if automated:
            assert np.mean(ours.worse_audits) == pytest.approx(audits.highest(*place)[0], rel=1e-6)
        looks = max(worse.now[0], audits.now[0]) >= IMPROVED.suspicion or better.now[0] >= IMPROVED.hope
        assert ours.suspicious(TERMS) == looks
    monitors = Monitors(worse=ours.worse)
    found = monitors.found(0, 1e-9, 0.0, TERMS)
    assert found is None or found.odds == pytest.approx(worse.found()[0])
    assert found is not None


def test_the_products_defaults_are_what_won():
    terms = LearningTerms(own_threshold=0.9)
    assert (terms.worse_limit, terms.better_limit) == (IMPROVED.worse_limit, IMPROVED.better_limit)
    assert (terms.reference_doubt, terms.reference_margin) == (IMPROVED.doubt, IMPROVED.margin)
    assert (terms.suspicion_worse, terms.suspicion_better) == (IMPROVED.suspicion, IMPROVED.hope)
    assert (terms.suspicion_share, terms.recheck_share) == (IMPROVED.suspicious_q, IMPROVED.worse_q)
    assert (terms.better_checks, terms.restart_weight) == (IMPROVED.scale_better, IMPROVED.keep_worse)
    assert (terms.evidence.floor, terms.first_mass) == (IMPROVED.q_floor, IMPROVED.start_mass)
    assert (terms.tighten_share, terms.restart_share) == (IMPROVED.cap, IMPROVED.cap_after)


def tally(score_bin, automated, epoch, number):
    return ScoreTally(
        learning_key=KEY,
        epoch=epoch,
        bins=[score_bin, 1, int(automated)],
        policy_threshold=0.9,
        routed_at=number,
    )


def label(score_bin, error, automated, epoch, number, blind=True):
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
        evidence=blind,
        inclusion_probability=0.5,
        source="review",
        kind=ReviewKind.AUDIT if automated else ReviewKind.REVIEW,
        blind=blind,
        reviewer="ann",
        error=error,
        decided_at=number,
        labelled_at=number,
    )


def block(number, score_bin, error, automated, answered, evidence=True, epoch=0):
    one, none = np.ones((1, 1), bool), np.zeros(1, np.int64)
    bins = np.array([[score_bin]], np.int8)
    return Batch(
        at=number,
        bins=bins,
        automated=one & automated,
        label_bins=bins,
        label_error=one & error,
        label_automated=one & automated,
        label_evidence=one & evidence,
        label_epoch=np.full((1, 1), epoch, np.int16),
        label_q=np.ones((1, 1), np.float32),
        known=one & bool(answered),
        gold=none,
        caught=none,
    )
