"""How harmful an error would be, in the policy file."""

from __future__ import annotations

from typing import Literal

from app.policy.fields import Expression, Part, Probability, Weight


class Factor(Part):
    """One way in which a wrong decision hurts."""

    weight: Weight = 1.0
    """Share of this factor in the expected harm, relative to the other weights."""
    score: Expression
    """CEL expression for the harm, 0 (none) to 1 (worst); results outside are clamped."""


class Cuts(Part):
    """Expected harm from which a class begins."""

    medium: Probability = 0.15
    """From here: medium."""
    high: Probability = 0.40
    """From here: high."""
    critical: Probability = 0.75
    """From here: critical."""


class ConsequenceTerms(Part):
    """How harmful an error would be: weighted mean of the factors, times (1 - undo)."""

    financial: Factor | None = None
    """Money lost by a wrong decision."""
    customer: Factor | None = None
    """Satisfaction and churn."""
    compliance: Factor | None = None
    """Legal and regulatory exposure."""
    reputation: Factor | None = None
    """Public standing."""
    undo: Expression = "0.0"
    """CEL expression: share of the harm, 0 to 1, that undoing the decision takes away."""
    cuts: Cuts = Cuts()
    """Where the classes low, medium, high and critical begin."""


FactorName = Literal["financial", "customer", "compliance", "reputation"]
FACTOR_NAMES: tuple[FactorName, ...] = ("financial", "customer", "compliance", "reputation")
