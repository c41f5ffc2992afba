"""How sure are we that the recommendation is right? Five signals, one calibrated probability.

Fusion is a weighted mean in log-odds: with signals s_i, weights w_i and L = logit,

    raw = sigmoid( sum_i w_i L(s_i) / sum_i w_i ),   each s_i clipped to [eps, 1 - eps].

An absent signal keeps its weight and counts as its prior, so that silence is never good news.
Calibration (Platt) then maps raw to the observed frequency: L(p) = slope * L(raw) + intercept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from app.domain import findings as codes
from app.domain.events import CalibrationUpdated, Confidence, DecisionSubmitted, Finding
from app.domain.terms import SignalTerms, Terms
from app.domain.words import SIGNALS


class Calibration(msgspec.Struct, frozen=True, gc=False):
    """Platt parameters in force for a learning key; the default changes nothing."""

    version: int = 0
    slope: float = 1.0
    intercept: float = 0.0

    @classmethod
    def of(cls, update: CalibrationUpdated | None) -> Calibration:
        """The calibration an event announced; the identity without one."""
        return IDENTITY if update is None else cls(update.version, update.slope, update.intercept)


IDENTITY = Calibration()


def logit(probability: float) -> float:
    """Log-odds of a probability in (0, 1).

    >>> logit(0.5), round(logit(0.9), 4)
    (0.0, 2.1972)
    """
    return math.log(probability / (1.0 - probability))


def sigmoid(log_odds: float) -> float:
    """Probability of log-odds; never overflows.

    >>> sigmoid(0.0), round(sigmoid(2.1972), 4), sigmoid(-1000.0)
    (0.5, 0.9, 0.0)
    """
    if log_odds >= 0.0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    odds = math.exp(log_odds) if log_odds > -700.0 else 0.0
    return odds / (1.0 + odds)


def clip(value: float, limit: float) -> float:
    """``value`` within [limit, 1 - limit]."""
    return limit if value < limit else 1.0 - limit if value > 1.0 - limit else value


def _settled(log_odds: float, limit: float) -> float:
    """A confidence as it is compared: clipped, and rounded to nine decimals, so that .90 in is .90 out and
    another machine's logarithm can not move a decision across a boundary.

    >>> sigmoid(logit(0.95)) == 0.95, _settled(logit(0.95), 0.001) == 0.95
    (False, True)
    """
    return clip(round(sigmoid(log_odds), 9), limit)


def shifted(probability: float, shift: float, limit: float) -> float:
    """A probability moved by ``shift`` log-odds, clipped to [limit, 1 - limit].

    >>> round(shifted(0.9, -0.5, 0.001), 3)
    0.845
    """
    if shift == 0.0:
        return clip(probability, limit)
    return _settled(logit(clip(probability, limit)) + shift, limit)


def fuse(values: Mapping[str, float | None], signals: Sequence[SignalTerms], limit: float) -> float | None:
    """The raw confidence of ``values`` (by signal name, ``None`` or no entry for absent), or ``None`` if no
    signal has any weight. ``limit`` is the eps of the formula.

    A probability of .93 (weight .75) and an absent similarity (weight .25, prior .5):
    sigmoid(.75 * 2.5867 + .25 * 0) = sigmoid(1.9400).

    >>> from app.domain.terms import SignalAction
    >>> def signal(name, weight):
    ...     return SignalTerms(name=name, weight=weight, prior=0.5, below=0.0, action=SignalAction.FLAG)
    >>> two = (signal("model_probability", 0.75), signal("similarity", 0.25))
    >>> round(fuse({"model_probability": 0.93}, two, 0.001), 4)
    0.8744
    """
    total = log_odds = 0.0
    highest, log = 1.0 - limit, math.log
    for signal in signals:
        weight = signal.weight
        if weight > 0.0:
            value = values.get(signal.name)
            if value is None:
                value = signal.prior
            value = limit if value < limit else highest if value > highest else value  # clip, in line
            total += weight
            log_odds += weight * log(value / (1.0 - value))
    return _settled(log_odds / total, limit) if total > 0.0 else None


def calibrate(raw: float, calibration: Calibration, limit: float) -> float | None:
    """The calibrated probability, or ``None`` when the parameters are not finite numbers.

    >>> round(calibrate(0.9, Calibration(3, 0.8, -0.4), 0.001), 4)
    0.7954
    >>> calibrate(0.9, Calibration(4, float("nan"), 0.0), 0.001) is None
    True
    """
    if calibration.slope == 1.0 and calibration.intercept == 0.0:
        return raw
    log_odds = calibration.slope * logit(clip(raw, limit)) + calibration.intercept
    return _settled(log_odds, limit) if math.isfinite(log_odds) else None


def assess_confidence(
    decision: DecisionSubmitted,
    missing: int,
    terms: Terms,
    calibration: Calibration,
    findings: list[Finding],
) -> Confidence:
    """Fuse and calibrate. ``missing`` of the type's required facts are absent.

    Appends to ``findings``. ``valid`` is false when the model's probability is absent or no number in
    [0, 1], when no signal has a weight, or when the calibration is unusable; the numbers are then still
    finite, and good for display only.
    """
    probability = _usable("model_probability", decision.recommendation.probability, findings)
    signals = decision.signals
    similarity = _usable("similarity", signals.similarity, findings)
    consensus = _usable("consensus", signals.consensus, findings)
    rule_clarity = _usable("rule_clarity", signals.rule_clarity, findings)
    required = len(terms.required_facts)
    completeness = 1.0 - missing / required if required else 1.0
    valid = probability is not None
    if decision.recommendation.probability is None:
        findings.append(Finding(code=codes.ABSENT_PROBABILITY, text="the model gave no probability"))
    raw = fuse(
        {
            "model_probability": probability,
            "similarity": similarity,
            "consensus": consensus,
            "rule_clarity": rule_clarity,
            # Where nothing is required nothing was checked: the prior, not a perfect score.
            "completeness": completeness if required else None,
        },
        terms.signals,
        terms.certainty_limit,
    )
    if raw is None:
        valid, raw = False, 0.5
        findings.append(
            Finding(code=codes.NO_WEIGHTS, text="the policy gives no confidence signal any weight")
        )
    calibrated = calibrate(raw, calibration, terms.certainty_limit)
    if calibrated is None:
        valid, calibrated = False, raw
        text = f"version {calibration.version} of the calibration has no usable parameters"
        findings.append(Finding(code=codes.UNUSABLE_CALIBRATION, text=text))
    return Confidence(
        probability=calibrated,
        raw=raw,
        valid=valid,
        model_probability=probability,
        similarity=similarity,
        consensus=consensus,
        rule_clarity=rule_clarity,
        completeness=completeness,
        calibration_version=calibration.version,
    )


def _usable(name: str, value: float | None, findings: list[Finding]) -> float | None:
    if value is None or 0.0 <= value <= 1.0:  # NaN is in no range
        return value
    text = f"{SIGNALS[name]} is {value!r}, not a number from 0 to 1; it counts as absent"
    findings.append(Finding(code=f"{name}{codes.INVALID_NUMBER}", text=text))
    return None
