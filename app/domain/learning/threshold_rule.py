"""From evidence to the threshold in force and the evidence probability, with the reason in words.

Without a certificate the threshold is max(own, cap): the policy's own threshold, which the cap may only
tighten. Tightening is immediate; relaxing waits until the expected error is comfortably low, so that a
threshold does not move to and fro.
"""

from __future__ import annotations

import math

import msgspec

from app.domain.evidence import evidence_probability
from app.domain.learning.evidence_counts import EvidenceCounts
from app.domain.learning.fast_cap import (
    enough_evidence,
    error_by_bin,
    expected_errors,
    labels_needed,
    tau_cal,
)
from app.domain.learning.in_force import InForce
from app.domain.learning.reasons import Look
from app.domain.learning.terms import LearningTerms


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What the evidence asks for now, and why. ``changed`` says whether to announce it."""

    in_force: InForce
    labels: int
    errors: int
    labels_needed: int
    reason: str
    changed: bool


def propose(evidence: EvidenceCounts, before: InForce, terms: LearningTerms) -> Proposal:
    """The threshold that the evidence asks for. Pure; about half a millisecond."""
    own, alpha = terms.own_threshold, terms.alpha
    labels, errors = evidence.from_threshold(own)
    enough = before.enough or enough_evidence(labels, errors, alpha, terms.delta, terms.early_significance)
    counts, wrong, platt = evidence.fit_by_score(terms.ridge)
    curve = expected_errors(error_by_bin(counts, wrong, platt, terms.prior_labels), evidence.traffic)
    threshold = own
    if enough:
        tight = tau_cal(curve, own, terms.tighten_share * alpha)
        relaxed = tau_cal(curve, own, terms.relax_share * alpha)
        threshold = _settle(max(own, before.cap), tight, relaxed, own, terms.threshold_step)
    after = InForce(
        version=before.version + 1,
        own=own,
        cap=threshold if threshold > own else 0.0,
        evidence_probability=(
            terms.evidence_when_reviewed
            if threshold > 1
            else quantised_probability(terms, evidence.automated)
        ),
        enough=enough,
    )
    needed = labels_needed(alpha, terms.delta)
    return Proposal(
        in_force=after,
        labels=labels,
        errors=errors,
        labels_needed=max(0, needed - labels),
        reason=Look(
            before=before,
            after=after,
            evidence=evidence,
            curve=curve,
            alpha=alpha,
            tolerated=terms.tighten_share * alpha,
            labels=labels,
            errors=errors,
            needed=needed,
        ).reason(),
        changed=before.version == 0
        or (before.own, before.cap, before.evidence_probability, before.enough)
        != (after.own, after.cap, after.evidence_probability, after.enough),
    )


def quantised_probability(terms: LearningTerms, automated: int) -> float:
    """q = floor + initial exp(-A / scale), on the nearest step of a ladder that starts at the floor.

    The steps keep q from moving with every decision; it is never below the floor, never 0.

    Examples
    --------
    >>> terms = LearningTerms(own_threshold=0.9)
    >>> [round(quantised_probability(terms, a), 3) for a in (0, 500, 1000, 2000, 100_000)]
    [1.0, 0.437, 0.179, 0.047, 0.03]
    """
    floor = max(terms.evidence.floor, terms.evidence_minimum)
    exact = max(evidence_probability(terms.evidence, automated), floor)
    steps = round(math.log(exact / floor) / math.log(terms.evidence_step))
    return min(1.0, floor * terms.evidence_step**steps)


def _settle(current: float, tight: float, relaxed: float, own: float, step: float) -> float:
    if tight > current:
        return tight
    if relaxed < current and (relaxed == own or current > 1 or current - relaxed >= step - 1e-12):
        return relaxed
    return current
