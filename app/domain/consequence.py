"""How harmful would an error be? Five factors, one expected harm, one class.

    harm = ( sum_i w_i f_i / sum_i w_i ) * (1 - undo)

over financial, customer, compliance and reputation; ``undo`` is the share of the harm that undoing
the decision takes away. The class begins at the policy's cuts: a harm equal to a cut is in the higher
class. What is unknown counts as worst: a factor as 1, ``undo`` as 0.
"""

from __future__ import annotations

import math

from app.domain import findings as codes
from app.domain.events import Consequence, ConsequenceClass, Factor, Finding, StatedFactors
from app.domain.terms import Context, FactorTerms, Terms

STATED = "stated by the producer"
"""Source of a factor that came with the decision."""

UNDO = "undo"


def assess_consequence(
    stated: StatedFactors | None, context: Context, terms: Terms, findings: list[Finding]
) -> Consequence:
    """Harm in [0, 1], its class, and every factor with where it came from. Appends to ``findings``."""
    evaluated = terms.evaluate_factors(context)
    factors: list[Factor] = []
    total = weighted = undo = 0.0
    for number, part in enumerate(terms.factors):
        factor = None if stated is None else _stated(part, stated, findings)
        if factor is None:
            factor = _evaluated(part, evaluated[number], findings)
        factors.append(factor)
        if part.name == UNDO:
            undo = factor.score
        else:
            total += part.weight
            weighted += part.weight * factor.score
    if total > 0.0:
        harm = weighted / total * (1.0 - undo)
    else:
        harm = 1.0
        findings.append(
            Finding(code=codes.NO_WEIGHTS, text="the policy gives no consequence factor any weight")
        )
    return Consequence(harm=harm, consequence_class=class_of(harm, terms.class_cuts), factors=factors)


def class_of(harm: float, cuts: tuple[float, float, float]) -> ConsequenceClass:
    """The class of a harm; a harm that equals a cut is in the class the cut begins.

    >>> [class_of(h, (0.15, 0.4, 0.75)).value for h in (0.1499, 0.15, 0.4, 0.75)]
    ['low', 'medium', 'high', 'critical']
    >>> class_of(float("nan"), (0.15, 0.4, 0.75)).value
    'critical'
    """
    if harm < cuts[0]:
        return ConsequenceClass.LOW
    if harm < cuts[1]:
        return ConsequenceClass.MEDIUM
    return ConsequenceClass.HIGH if harm < cuts[2] else ConsequenceClass.CRITICAL


def _stated(part: FactorTerms, stated: StatedFactors, findings: list[Finding]) -> Factor | None:
    value: float | None = getattr(stated, part.name, None)
    if value is None:
        return None
    if 0.0 <= value <= 1.0:
        return Factor(name=part.name, score=value, source=STATED)
    text = f"the producer states {value!r} for {part.name}, not a number from 0 to 1; it is not used"
    findings.append(Finding(code=f"{part.name}{codes.INVALID_NUMBER}", text=text))
    return None


def _evaluated(part: FactorTerms, value: float | str, findings: list[Finding]) -> Factor:
    """The policy promises clamping: what is above 1 is 1, what is below 0 is 0. Infinite is unknown:
    an infinite ``undo`` must not make every error harmless."""
    if isinstance(value, str) or not math.isfinite(value):
        why = value if isinstance(value, str) else f"gave {value!r}, not a finite number"
        worst = 0.0 if part.name == UNDO else 1.0
        text = f"the score for '{part.name}' could not be evaluated ({why}); it counts as worst"
        findings.append(Finding(code=f"{part.name}{codes.UNKNOWN_FACTOR}", text=text))
        return Factor(name=part.name, score=worst, source=f"{part.expression} (could not be evaluated)")
    score = 1.0 if value > 1.0 else 0.0 if value < 0.0 else value
    return Factor(name=part.name, score=score, source=part.expression)
