"""From evidence to the threshold in force and the evidence probability, with the reason in words.

    tau = max(fast cap, min(certificate, max(certificate before a restart, a stricter fast cap)), floor)

Where the policy lets a type run on its own threshold without a guarantee, that threshold stands beside the
certificate, and the cap tightens it only once there is enough evidence, without moving to and fro.
"""

from __future__ import annotations

import math
from functools import cache

import msgspec

from app.domain.learning.automation import Automation
from app.domain.learning.bins import REVIEW_EVERYTHING
from app.domain.learning.evidence_counts import EvidenceCounts
from app.domain.learning.fast_cap import enough_evidence, error_by_bin, expected_errors, tau_cal
from app.domain.learning.in_force import InForce
from app.domain.learning.reasons import Look
from app.domain.learning.terms import LearningTerms


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What the evidence asks for now, and why."""

    in_force: InForce
    labels: int
    errors: int
    labels_needed: int
    reason: str


def propose(
    evidence: EvidenceCounts,
    automation: Automation,
    before: InForce,
    terms: LearningTerms,
    *,
    epoch: int,
    cause: str = "",
) -> Proposal | None:
    """The threshold that the evidence asks for; settles ``automation.expansion``. About half a millisecond.

    ``cause`` is what happened besides evidence, in words; it makes an announcement. ``None`` when there is
    nothing to announce: nothing by which routing or people act has changed."""

    @cache  # dear, and of no consequence while everything is reviewed
    def curve() -> list[float | None]:
        counts, wrong, platt = evidence.fit_by_score(terms.ridge)
        return expected_errors(error_by_bin(counts, wrong, platt, terms.prior_labels), evidence.traffic)

    seen = terms.alpha * automation.catch(terms) / 100
    comfortable = REVIEW_EVERYTHING
    if automation.certified_before < REVIEW_EVERYTHING:
        comfortable = tau_cal(curve(), terms.floor, terms.restart_share * seen)
    automation.expansion.settle(automation.allowed(evidence, comfortable, terms), evidence.clock, terms)
    own = REVIEW_EVERYTHING if terms.guaranteed else terms.own_threshold
    base = max(min(own, automation.expansion.in_force), terms.floor)
    labels, errors = evidence.recent_from(base)
    enough = before.enough or enough_evidence(
        labels, errors, terms.alpha, terms.delta, terms.early_significance
    )
    cap = base
    if base < REVIEW_EVERYTHING:
        cap = _cap(curve(), base, before, terms, seen, enough=enough)
    if terms.guaranteed and automation.certificate.fixed and cap > automation.top:
        cap = REVIEW_EVERYTHING
    if automation.expansion.rolled_back:
        cap = max(cap, automation.expansion.in_force)
    after = InForce(
        version=before.version + 1,
        epoch=epoch,
        own=own,
        floor=terms.floor,
        certified=automation.expansion.in_force,
        canary_above=automation.expansion.canary_above,
        canary_share=terms.canary_share if automation.expansion.canary_above else 1.0,
        cap=cap if cap > base else 0.0,
        evidence_probability=before.evidence_probability,
        enough=enough,
        frozen=automation.expansion.frozen,
        awaiting=automation.expansion.awaiting,
    )
    q = _drawn(evidence, automation, after, terms)
    after = msgspec.structs.replace(after, evidence_probability=q)
    step = automation.next_step(evidence, terms) if after.certified > 1 else None
    if step is not None and step.needed:
        after = msgspec.structs.replace(after, progress=min(10, 10 * step.labels // step.needed))
    if not cause and before.version and before == msgspec.structs.replace(after, version=before.version):
        return None
    look = Look(
        before=before,
        after=after,
        evidence=evidence,
        curve=curve,
        terms=terms,
        catch=automation.catch(terms),
        gold=(automation.gold_caught, automation.gold_shown),
        step=step or automation.next_step(evidence, terms),
        suspicious=q > automation.usual_probability,
        cause=cause,
    )
    labels, errors = look.behind
    return Proposal(
        in_force=after,
        labels=labels,
        errors=errors,
        labels_needed=look.missing,
        reason=look.reason(),
    )


def _drawn(evidence: EvidenceCounts, automation: Automation, now: InForce, terms: LearningTerms) -> float:
    """q. It depends on what happened before alone and is the same for all decisions of the key."""
    q = terms.evidence_when_reviewed
    if now.canary <= 1:
        q = quantised_probability(terms, evidence.automated)
        if evidence.clock < automation.recheck_until:
            q = max(q, terms.recheck_share)
    automation.usual_probability = q
    automation.suspicious = automation.monitors.suspicious(terms)
    return max(q, terms.suspicion_share) if automation.suspicious else q


def _cap(
    curve: list[float | None],
    base: float,
    before: InForce,
    terms: LearningTerms,
    seen: float,
    *,
    enough: bool,
) -> float:
    """``seen`` is what reviewers find of the tolerated error: the share of it that they catch."""
    if terms.guaranteed:
        return tau_cal(curve, terms.floor, terms.tighten_share * seen)
    if not enough:
        return base
    tight = tau_cal(curve, base, terms.tighten_share * terms.alpha)
    relaxed = tau_cal(curve, base, terms.relax_share * terms.alpha)
    return _settle(max(base, before.cap), tight, relaxed, base, terms.threshold_step)


def quantised_probability(terms: LearningTerms, automated: int) -> float:
    """q = floor + initial exp(-A / scale), on the nearest step of a ladder that starts at the floor.

    The steps keep q from moving with every decision; it is never below the floor, never 0.

    Examples
    --------
    >>> terms = LearningTerms(own_threshold=0.9)
    >>> [round(quantised_probability(terms, a), 3) for a in (0, 500, 1000, 2000, 100_000)]
    [1.0, 0.364, 0.149, 0.039, 0.025]
    """
    floor = max(terms.evidence.floor, terms.evidence_minimum)
    plan = terms.evidence
    # below 0 after a change for the better, when more is checked than at the start
    exact = max(min(1.0, plan.floor + plan.initial * math.exp(-automated / plan.scale)), floor)
    steps = round(math.log(exact / floor) / math.log(terms.evidence_step))
    return min(1.0, floor * terms.evidence_step**steps)


def _settle(current: float, tight: float, relaxed: float, own: float, step: float) -> float:
    if tight > current:
        return tight
    if relaxed < current and (relaxed == own or current > 1 or current - relaxed >= step - 1e-12):
        return relaxed
    return current
