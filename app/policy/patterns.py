"""What a policy says about patterns in people's answers: from which count and size on they are reported."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.domain.learning.pattern_terms import PatternTerms, ScanTerms, ShiftTerms
from app.policy.fields import Part, Probability

Answers = Annotated[int, Field(ge=5, le=1_000_000)]
Ratio = Annotated[float, Field(gt=1, le=100)]


class Patterns(Part):
    """How much of something people have to do before the lead hears of it. How surely it has to be more than
    chance is not for choice: these limits are looked at again and again."""

    answers: Answers = 50
    """Fewest answers behind a pattern of a type or a confidence band."""
    high_override: Probability = 0.30
    """Override rate above which a type is reported."""
    rising_by: Probability = 0.05
    """Smallest rise of the override rate that matters, as a difference."""
    reviewer_answers: Answers = 30
    """Fewest answers of a reviewer who is compared with colleagues."""
    reviewer_ratio: Ratio = 1.5
    """Overrides over expected ones above this, or below its inverse, matter."""
    band_excess: Probability = 0.10
    """Smallest excess of a band's override rate over what its confidence announced."""
    disagreement: Probability = 0.20
    """Share of double reviews that may disagree."""
    disagreement_pairs: Answers = 20
    """Fewest double reviews."""
    override_shift: Probability = 0.05
    """Smallest change of the override rate that matters, up or down, as a difference."""
    handling_shift: Ratio = 1.25
    """Smallest change of the handling time that matters, as a ratio."""
    traffic_shift: Probability = 0.02
    """Smallest change of the mean confidence of what comes in that matters, as a difference."""
    recent: Annotated[int, Field(ge=32, le=8192)] = 200
    """Answers for which such a change is news."""
    reason_answers: Annotated[int, Field(ge=2, le=10_000)] = 5
    """Answers with the same reason or scenario from which on a new code is proposed."""
    reason_people: Annotated[int, Field(ge=1, le=1000)] = 2
    """People behind such a proposal."""
    reasons_differ: Probability = 0.30
    """Share of pairs that decide alike and may give different reasons."""


def pattern_terms(said: Patterns) -> PatternTerms:
    """As the detectors need it."""
    return PatternTerms(
        min_count=said.answers,
        high_override=said.high_override,
        rising_by=said.rising_by,
        reviewer_min_count=said.reviewer_answers,
        reviewer_ratio=said.reviewer_ratio,
        band_excess=said.band_excess,
        disagreement=said.disagreement,
        disagreement_min_pairs=said.disagreement_pairs,
        shifts=ShiftTerms(
            recent=said.recent,
            override_by=said.override_shift,
            handling_by=said.handling_shift,
            traffic_by=said.traffic_shift,
        ),
    )


def scan_terms(said: Patterns) -> ScanTerms:
    """As the nightly look needs it."""
    return ScanTerms(
        fewest=said.reason_answers, people=said.reason_people, reasons_differ=said.reasons_differ
    )
