"""Contextual adjustments: shifts of the routing score, in log-odds, before it is compared.

Stricter shifts always count. Looser ones (peak load) count only for low consequence, and only where the
score without them already reaches ``ThresholdInForce.loosest``: they can relax the preset's caution, but
neither a certificate nor the learner's cap nor the policy's floor.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from app.domain.confidence import shifted
from app.domain.events import Assessment, ConsequenceClass, Reason
from app.domain.terms import AdjustmentTerms, Terms
from app.domain.thresholds import ThresholdInForce
from app.domain.words import against, number


class Adjusted(msgspec.Struct, frozen=True, gc=False):
    """Confidence as routing compares it."""

    score: float
    """Raw confidence after all shifts: what is compared with the learned threshold and binned."""
    probability: float
    """Calibrated confidence after the same shifts: what the preset's bands are compared with."""


FADED = 0.005
"""Log-odds: a decaying shift smaller than this is over, and no reason any more."""


def shift_of(adjustment: AdjustmentTerms, at: int) -> float:
    """The shift at a time (ms UTC): none before ``starts_at``, halving every ``half_life`` after it.

    >>> recent = AdjustmentTerms(
    ...     name="new_policy", text="", expression="true", shift=-1.0, starts_at=0, half_life=1000
    ... )
    >>> shift_of(recent, -1), shift_of(recent, 0), shift_of(recent, 2000)
    (0.0, -1.0, -0.25)
    """
    start = adjustment.starts_at
    if start is None:
        return adjustment.shift
    if at < start:
        return 0.0
    if not adjustment.half_life:
        return adjustment.shift
    shift = float(adjustment.shift * 0.5 ** ((at - start) / adjustment.half_life))
    return shift if abs(shift) >= FADED else 0.0


def adjust(
    assessment: Assessment,
    answers: Sequence[bool | str],
    terms: Terms,
    in_force: ThresholdInForce,
    reasons: list[Reason],
) -> Adjusted:
    """Apply the type's adjustments. ``answers`` are theirs, in order; appends to ``reasons``."""
    confidence, limit = assessment.confidence, terms.certainty_limit
    if not terms.adjustments:
        return Adjusted(confidence.raw, confidence.probability)
    stricter, looser = 0.0, []
    for adjustment, answer in zip(terms.adjustments, answers, strict=True):
        if answer is False:
            continue
        shift = shift_of(adjustment, assessment.received_at)
        if shift > 0.0:
            # Unknown (a text) is not a reason to be less careful.
            if answer is True:
                looser.append((adjustment, shift))
        elif shift < 0.0:
            stricter += shift
            text = adjustment.text if answer is True else f"{adjustment.text} (assumed: {answer})"
            reasons.append(
                Reason(
                    step="adjustment",
                    code=adjustment.name,
                    text=f"stricter by {-shift:.2f}: {text}",
                    value=shift,
                )
            )
    score = shifted(confidence.raw, stricter, limit)
    if (
        looser
        and assessment.consequence.consequence_class is ConsequenceClass.LOW
        and score >= in_force.loosest
    ):
        return _loosened(assessment, stricter, looser, terms=terms, in_force=in_force, reasons=reasons)
    return Adjusted(score, shifted(confidence.probability, stricter, limit))


def _loosened(
    assessment: Assessment,
    stricter: float,
    looser: Sequence[tuple[AdjustmentTerms, float]],
    *,
    terms: Terms,
    in_force: ThresholdInForce,
    reasons: list[Reason],
) -> Adjusted:
    """Also apply the looser shifts, and say what they cost: ``value`` is the added expected error,
    ``limit`` the expected error at the threshold."""
    confidence, limit = assessment.confidence, terms.certainty_limit
    probability = shifted(confidence.probability, stricter, limit)
    expected, allowed = 1.0 - probability, 1.0 - in_force.threshold
    added = max(0.0, expected - allowed)
    for adjustment, shift in looser:
        text = f"looser by {shift:.2f}: {adjustment.text}"
        if added > 0.0:
            said = against(expected, allowed)
            text += (
                f"; running such a decision alone adds about {number(added)} expected error"
                f" ({said[0]} instead of at most {said[1]})"
            )
        reasons.append(Reason(step="adjustment", code=adjustment.name, text=text, value=added, limit=allowed))
    total = stricter + sum(shift for _, shift in looser)
    return Adjusted(shifted(confidence.raw, total, limit), shifted(confidence.probability, total, limit))
