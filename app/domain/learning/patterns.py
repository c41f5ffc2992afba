"""Five patterns in overrides, miscalibration, and when to retrain: what a person should look at, and do.

Each rule has a minimum count, a significance rule and a size that matters. A pattern is reported when it
begins and again only after it was over: ``raised`` needs all three, ``over`` a value clearly below the
limit; in between nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from app.domain.learning.calibration import CalibrationScores
from app.domain.learning.override_rates import OverrideRates, band_name
from app.domain.learning.pattern_terms import PatternTerms
from app.domain.learning.proportions import binomial_at_least, wilson
from app.domain.learning.reasons import percent
from app.domain.learning.shift_patterns import handling_shift, override_shift, retrain, traffic_shift
from app.domain.learning.sighting import ACTIONS, Pattern, Sighting
from app.domain.words import count

__all__ = ["ACTIONS", "Pattern", "sightings"]


def sightings(
    rates: OverrideRates, quality: CalibrationScores, calibrated: int, decision_type: str, rules: PatternTerms
) -> Iterator[Sighting]:
    """Every pattern in every segment of a key, in a fixed order; of segments only those where there is
    something, or not yet nothing, to say.

    Parameters
    ----------
    rates, quality
        Of the key; ``calibrated`` is the number of labels behind ``quality``.
    decision_type
        Names the segment of the patterns of the whole key.
    """
    yield high_override(rates, decision_type, rules)
    rising = rising_override(rates, decision_type, rules)
    shift = override_shift(rates.shifts.overrides, decision_type, rules.shifts)
    quality_sign = miscalibrated(quality, calibrated, decision_type, rules)
    yield rising
    yield from reviewer_outliers(rates, rules)
    yield from confidence_bands(rates, rules)
    yield from inconsistent_reasoning(rates, rules)
    yield quality_sign
    yield shift
    yield handling_shift(rates.shifts.handling, decision_type, rules.shifts)
    yield traffic_shift(rates.shifts.traffic, decision_type, rules.shifts)
    yield retrain((rising, shift, quality_sign), decision_type)


def high_override(rates: OverrideRates, decision_type: str, rules: PatternTerms) -> Sighting:
    """Wilson's lower bound of the override rate is above the limit."""
    shown, limit = rates.shown, rules.high_override
    rate = shown.usual
    enough = shown.count >= rules.min_count
    raised = enough and wilson(rate, shown.effective, rules.confidence_z)[0] > limit
    return Sighting(
        pattern=Pattern.HIGH_OVERRIDE,
        segment=decision_type,
        value=rate,
        limit=limit,
        count=shown.count,
        raised=raised,
        over=rate < limit * rules.clear_share,
        text=(
            f"People override {percent(rate)} of the recommendations they are shown for {decision_type}, "
            f"more than the {percent(limit)} allowed ({count(shown.count)} answers, recent ones weigh more)."
        )
        if raised
        else "",
    )


def rising_override(rates: OverrideRates, decision_type: str, rules: PatternTerms) -> Sighting:
    """The rate lately is above the usual one by the limit's standard errors; exact for the two means."""
    shown = rates.shown
    limit = shown.usual + max(rules.rising_z * shown.standard_error, rules.rising_by)
    raised = shown.count >= rules.rising_min_count and shown.lately > limit
    return Sighting(
        pattern=Pattern.RISING_OVERRIDE,
        segment=decision_type,
        value=shown.lately,
        limit=limit,
        count=shown.count,
        raised=raised,
        over=shown.lately - shown.usual < (limit - shown.usual) / 2,
        text=(
            f"People override {percent(shown.lately)} of recommendations for {decision_type} lately, "
            f"{percent(shown.usual)} over a longer time: more than chance explains "
            f"({count(shown.count)} answers)."
        )
        if raised
        else "",
    )


def reviewer_outliers(rates: OverrideRates, rules: PatternTerms) -> Iterator[Sighting]:
    """Observed over expected overrides in the same bands, both ways, by funnel z and shrunk ratio.

    What is expected is that of the typical (median) colleague: otherwise one who overrides a lot raises
    the mean, and makes the others look as if they overrode too little. Nobody is an outlier alone.
    """
    compared = [r.shown for r in rates.reviewers.values() if r.shown.count >= rules.reviewer_min_count]
    typical = median(group.ratio(rules.reviewer_shrinkage) for group in compared) if compared else 1.0
    mild = 1 + (rules.reviewer_ratio - 1) * rules.clear_share
    for name, reviewer in rates.reviewers.items():
        group = reviewer.shown
        ratio = group.ratio(rules.reviewer_shrinkage, typical)
        more = ratio >= 1
        limit = rules.reviewer_ratio if more else 1 / rules.reviewer_ratio
        beyond = ratio > limit if more else ratio < limit
        raised = (
            beyond and group.count >= rules.reviewer_min_count and abs(group.z(typical)) > rules.reviewer_z
        )
        over = 1 / mild < ratio < mild
        if over and not raised:
            continue
        yield Sighting(
            pattern=Pattern.REVIEWER_OUTLIER,
            segment=name,
            value=ratio,
            limit=limit,
            count=group.count,
            raised=raised,
            over=over,
            text=(
                f"{name} overrides {percent(group.rate)} of recommendations; colleagues override "
                f"{percent(typical * group.expected_rate)} at the same confidence "
                f"({count(group.count)} answers). "
                + ("" if more else "So few may mean approval without a look.")
            ).rstrip()
            if raised
            else "",
        )


def confidence_bands(rates: OverrideRates, rules: PatternTerms) -> Iterator[Sighting]:
    """Overrides in a band exceed what its calibrated confidence announced, by z and by size."""
    for index, band in enumerate(rates.bands):
        group = band.shown
        limit = group.expected_rate + rules.band_excess
        raised = group.count >= rules.min_count and group.z() > rules.band_z and group.rate > limit
        over = group.rate < group.expected_rate + rules.band_excess * rules.clear_share
        if over and not raised:
            continue
        yield Sighting(
            pattern=Pattern.CONFIDENCE_BAND,
            segment=band_name(index),
            value=group.rate,
            limit=limit,
            count=group.count,
            raised=raised,
            over=over,
            text=(
                f"At confidence {band_name(index)} people override {percent(group.rate)}; the confidence "
                f"announced {percent(group.expected_rate)} errors ({count(group.count)} answers)."
            )
            if raised
            else "",
        )


def inconsistent_reasoning(rates: OverrideRates, rules: PatternTerms) -> Iterator[Sighting]:
    """Independent judgements of the same decisions differ more often than allowed (exact binomial)."""
    for index, band in enumerate(rates.bands):
        share = band.disagreements / band.pairs if band.pairs else 0.0
        limit = rules.disagreement
        raised = (
            band.pairs >= rules.disagreement_min_pairs
            and share > limit
            and binomial_at_least(band.disagreements, band.pairs, limit) <= rules.disagreement_significance
        )
        over = share < limit * rules.clear_share
        if over and not raised:
            continue
        yield Sighting(
            pattern=Pattern.INCONSISTENT,
            segment=band_name(index),
            value=share,
            limit=limit,
            count=band.pairs,
            raised=raised,
            over=over,
            text=(
                f"At confidence {band_name(index)} two people who judged the same decision disagreed in "
                f"{count(band.disagreements)} of {count(band.pairs)} cases, more than {percent(limit)}."
            )
            if raised
            else "",
        )


def miscalibrated(
    quality: CalibrationScores, calibrated: int, decision_type: str, rules: PatternTerms
) -> Sighting:
    """Calibration-in-the-large: |sum(e - p)| is beyond the limit's standard errors."""
    z = quality.in_the_large
    raised = calibrated >= rules.calibration_min_labels and abs(z) > rules.calibration_z
    return Sighting(
        pattern=Pattern.MISCALIBRATED,
        segment=decision_type,
        value=z,
        limit=rules.calibration_z if z >= 0 else -rules.calibration_z,
        count=calibrated,
        raised=raised,
        over=abs(z) < rules.calibration_z * rules.clear_share,
        text=(
            f"Blind checks of {decision_type} find {'more' if z > 0 else 'fewer'} errors than its confidence "
            f"announced, by {abs(z):.1f} standard errors ({count(calibrated)} checks)."
        )
        if raised
        else "",
    )
