"""Preset, threshold and authority: may the machine decide alone, and if not, how much human is needed?

The preset's bands are compared with the calibrated confidence, the threshold with the routing score (raw
confidence). Both carry the same contextual shifts. Running alone needs both; a certificate stands in for
the preset's high band, one step at a time and only for low consequence: what an expert would decide never
runs alone. While a canary runs, a lower threshold holds for the decisions that are drawn for it.
"""

from __future__ import annotations

from app.domain.adjustments import Adjusted
from app.domain.events import Assessment, ConsequenceClass, Reason
from app.domain.presets import plain_level
from app.domain.terms import Preset, Terms
from app.domain.thresholds import SUSPENDED, ThresholdInForce
from app.domain.words import against, percent


def decided_level(
    assessment: Assessment,
    adjusted: Adjusted,
    terms: Terms,
    in_force: ThresholdInForce,
    reasons: list[Reason],
    canary: float = 0.999,
) -> int:
    """The level after preset, threshold and authority. Appends to ``reasons``. ``canary`` is the draw of
    that name (:class:`~app.domain.evidence.Draws`)."""
    drawn = canary < in_force.canary_share
    tau = in_force.canary if drawn else in_force.threshold
    probability, high = adjusted.probability, terms.high_confidence
    consequence = assessment.consequence.consequence_class
    level = plain_level(terms.preset, probability, consequence, high=high, low=terms.low_confidence)
    if level > 2:
        if _certified(level, consequence, adjusted, terms, in_force, tau):
            said = against(adjusted.score, in_force.certified or 0.0)
            text = (
                f"score {said[0]} reaches {said[1]}, which certified evidence has shown to be good enough"
                f" ({in_force.labels} checked decisions): one step towards automation"
            )
            reasons.append(
                Reason(
                    step="authority",
                    code="certified",
                    text=text,
                    value=adjusted.score,
                    limit=in_force.certified,
                )
            )
            level = 2
        else:
            _explain(level, probability, assessment, terms, reasons)
            return level
    elif terms.preset is Preset.MATRIX and level == 2:
        said = against(probability, high)
        text = (
            f"confidence {said[0]} is not above {said[1]}, consequence is low: the AI decides, people audit"
        )
        reasons.append(Reason(step="preset", code="low_low", text=text, value=probability, limit=high))
    # Written so that a score or threshold that is no number fails the comparison.
    if not adjusted.score >= tau:
        reasons.append(_below_threshold(adjusted.score, in_force))
        return 3
    if in_force.labels < terms.min_volume:
        text = (
            f"not enough evidence ({in_force.labels} of about {terms.min_volume} labels): a person approves"
        )
        reasons.append(
            Reason(
                step="threshold",
                code="not_enough_evidence",
                text=text,
                value=float(in_force.labels),
                limit=float(terms.min_volume),
            )
        )
        return 3
    return level


def _certified(
    level: int,
    consequence: ConsequenceClass,
    adjusted: Adjusted,
    terms: Terms,
    in_force: ThresholdInForce,
    tau: float,
) -> bool:
    """Whether certified evidence moves a review of low consequence one step towards automation."""
    return (
        in_force.certified is not None
        and level == 3
        and consequence is ConsequenceClass.LOW
        and terms.preset is Preset.FLOWCHART
        and adjusted.score >= tau
    )


def _explain(
    level: int, probability: float, assessment: Assessment, terms: Terms, reasons: list[Reason]
) -> None:
    """Why the preset asks for a person: confidence, consequence, or both."""
    high, low = terms.high_confidence, terms.low_confidence
    if not probability > high:
        if terms.preset is Preset.FLOWCHART and level == 4:
            said = against(probability, low)
            text = f"confidence {said[0]} is below {said[1]}: an expert decides"
            reasons.append(
                Reason(step="preset", code="low_confidence", text=text, value=probability, limit=low)
            )
        else:
            said = against(probability, high)
            word = "is below" if probability < high else "is not above"
            text = f"confidence {said[0]} {word} the {said[1]} needed to run without a person"
            reasons.append(
                Reason(step="preset", code="medium_confidence", text=text, value=probability, limit=high)
            )
    consequence = assessment.consequence
    if consequence.consequence_class is not ConsequenceClass.LOW:
        harm, cut = consequence.harm, terms.class_cuts[0]
        said = against(harm, cut)
        name = consequence.consequence_class.value
        text = f"{name} consequence: expected harm {said[0]}, low ends at {said[1]}"
        reasons.append(Reason(step="preset", code="consequence", text=text, value=harm, limit=cut))


def _below_threshold(score: float, in_force: ThresholdInForce) -> Reason:
    tau = in_force.threshold
    if in_force.canary <= score < tau:
        text = (
            f"the threshold goes down to {against(score, in_force.canary)[1]}, at first for"
            f" {percent(in_force.canary_share)} of decisions: this one was not drawn"
        )
        return Reason(step="threshold", code="canary", text=text, value=score, limit=tau)
    if tau >= SUSPENDED:
        text = "nothing of this kind runs without a person for now"
        if in_force.reason:
            text += f": {in_force.reason}"
        return Reason(step="authority", code="suspended", text=text, value=score, limit=tau)
    said = against(score, tau)
    text = f"score {said[0]} is below the {said[1]} needed to run without a person"
    if tau in (in_force.own, in_force.floor):
        return Reason(step="threshold", code="policy", text=text, value=score, limit=tau)
    if tau == in_force.cap:
        text += ", tightened by recent errors"
        return Reason(step="threshold", code="cap", text=text, value=score, limit=tau)
    return Reason(
        step="threshold", code="certificate", text=f"{text}, by certified evidence", value=score, limit=tau
    )
