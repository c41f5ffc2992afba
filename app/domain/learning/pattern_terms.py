"""When a pattern in people's answers is worth attention: what the policy says, with its defaults."""

from __future__ import annotations

from functools import cached_property

import msgspec


class ShiftTerms(msgspec.Struct, frozen=True, kw_only=True):
    """When a change is worth a person's attention."""

    delta: float = 0.002
    """Chance, for each look, of a change that is none (ADWIN's)."""
    recent: int = 200
    """Values for which a change is news."""
    override_by: float = 0.05
    """Smallest change of the override rate that matters, as a difference."""
    handling_by: float = 1.25
    """Smallest change of the handling time that matters, as a ratio."""
    traffic_by: float = 0.02
    """Smallest change of the mean score that matters, as a difference."""


class PatternTerms(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """When a pattern in the overrides is worth a person's attention.

    Every rule has a minimum count, a significance rule and a size that matters. The z limits are
    higher than for one look, since the rules are looked at again every ``refresh_labels`` labels.
    """

    half_life: float = 500.0
    """Answers after which an answer weighs half, in override rates (per key, band and reviewer)."""
    fast_half_life: float = 100.0
    """The same for "lately" in the rising rate."""
    min_count: int = 50
    """Fewest answers behind a pattern of a type or a band."""
    high_override: float = 0.30
    """Override rate of shown recommendations above which a type is flagged."""
    confidence_z: float = 2.58
    """Standard errors by which a rate must be above its limit."""
    rising_min_count: int = 150
    rising_z: float = 4.0
    rising_by: float = 0.05
    """Smallest rise, as a difference of rates, that matters."""
    reviewer_min_count: int = 30
    reviewer_z: float = 3.5
    reviewer_ratio: float = 1.5
    """Shrunk observed/expected overrides above this, or below its inverse, matter."""
    reviewer_shrinkage: float = 5.0
    """Pseudo-overrides that pull a small reviewer's ratio to 1."""
    band_z: float = 4.0
    band_excess: float = 0.10
    """Smallest excess of a band's override rate over what its confidence announced."""
    disagreement: float = 0.20
    """Share of double reviews that may disagree."""
    disagreement_min_pairs: int = 20
    disagreement_significance: float = 0.01
    calibration_z: float = 3.0
    calibration_min_labels: int = 50
    shifts: ShiftTerms = ShiftTerms()
    clear_share: float = 0.8
    """A raised pattern is over when its value is back below this share of the limit."""

    @cached_property
    def fade(self) -> float:
        """What an answer weighs of what the one after it does."""
        return float(0.5 ** (1 / self.half_life))

    @cached_property
    def fast_fade(self) -> float:
        """The same for "lately"."""
        return float(0.5 ** (1 / self.fast_half_life))


class ScanTerms(msgspec.Struct, frozen=True, kw_only=True):
    """When something that only a nightly look sees is worth a person's attention."""

    fewest: int = 5
    """Answers behind a proposal."""
    people: int = 2
    """People behind a proposal."""
    reasons_differ: float = 0.3
    """Share of pairs that decide alike and may give different reasons."""
    fewest_pairs: int = 20
    """Pairs that decide alike, at least."""
    significance: float = 0.01
