"""Changes of signals that have no right value, and the signs that a model should be retrained."""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.domain.learning.odds_shift import Found
from app.domain.learning.pattern_terms import ShiftTerms
from app.domain.learning.reasons import percent
from app.domain.learning.shifts import SignalShift, handling_seconds
from app.domain.learning.sighting import Pattern, Sighting
from app.domain.words import count


def override_shift(shift: SignalShift, decision_type: str, rules: ShiftTerms) -> Sighting:
    """The override rate of shown recommendations changed, up or down."""
    raised = shift.news(rules) and abs(shift.change) >= rules.override_by
    return _sighting(
        Pattern.OVERRIDE_SHIFT,
        shift,
        decision_type,
        raised,
        f"People override {percent(max(shift.window.mean, 0.0))} of the recommendations for {decision_type} "
        f"now, {percent(max(shift.origin, 0.0))} before",
        rules,
    )


def handling_shift(shift: SignalShift, decision_type: str, rules: ShiftTerms) -> Sighting:
    """Reviews take longer or shorter than they did."""
    now, before = handling_seconds(shift.window.mean), handling_seconds(shift.origin)
    ratio = (1 + now) / (1 + before)
    raised = shift.news(rules) and max(ratio, 1 / ratio) >= rules.handling_by
    return _sighting(
        Pattern.HANDLING_SHIFT,
        shift,
        decision_type,
        raised,
        f"A review of {decision_type} typically takes {now:.0f} s now, {before:.0f} s before",
        rules,
    )


def traffic_shift(shift: SignalShift, decision_type: str, rules: ShiftTerms) -> Sighting:
    """The scores of what comes in are others than they were."""
    raised = shift.news(rules) and abs(shift.change) >= rules.traffic_by
    return _sighting(
        Pattern.TRAFFIC_SHIFT,
        shift,
        decision_type,
        raised,
        f"Cases of {decision_type} come with a mean confidence of {shift.window.mean:.3f} now, "
        f"{shift.origin:.3f} before",
        rules,
    )


def retrain(signs: Sequence[Sighting], decision_type: str) -> Sighting:
    """Any sign that the model got worse: overrides rise, or its confidence announces too few errors.

    It ends when all signs have ended.
    """
    worse = [sign for sign in signs if sign.raised and sign.value > sign.limit]
    return Sighting(
        pattern=Pattern.RETRAIN,
        segment=decision_type,
        value=float(len(worse)),
        limit=0.0,
        count=max(sign.count for sign in signs),
        raised=bool(worse),
        over=all(sign.over for sign in signs),
        text=f"It is time to retrain {decision_type}. " + " ".join(sign.text for sign in worse)
        if worse
        else "",
    )


def got_worse(found: Found, labels: int, decision_type: str) -> Sighting:
    """A monitor found more errors than were known before: blind checks and answers of ``labels`` cases."""
    return Sighting(
        pattern=Pattern.RETRAIN,
        segment=decision_type,
        value=found.evidence,
        limit=found.limit,
        count=labels,
        raised=True,
        over=False,
        text=(
            f"It is time to retrain {decision_type}. Errors have become more frequent than what was known: "
            f"their odds are about {math.exp(found.odds):.1f} times as high. {count(labels)} checks and "
            f"answers make that {count(found.evidence)} times as likely as no change "
            f"(limit {count(found.limit)})."
        ),
    )


def _sighting(
    pattern: Pattern, shift: SignalShift, decision_type: str, raised: bool, text: str, rules: ShiftTerms
) -> Sighting:
    return Sighting(
        pattern=pattern,
        segment=decision_type,
        value=shift.window.mean,
        limit=shift.origin,
        count=shift.count,
        raised=raised,
        over=not shift.news(rules),
        text=f"{text}: more than chance explains (the last {count(shift.window.width)} of "
        f"{count(shift.count)} answers agree with one another)."
        if raised
        else "",
    )
