"""Does this person still decide? Four signals that point to approval without a look.

One alone says little: whoever works on easy cases overrides little, and whoever knows the work is quick.
All four together are a rubber stamp. The raw agreement of 99 % is shown as a flag and decides nothing.
"""

from __future__ import annotations

from app.domain.learning.proportions import wilson
from app.domain.learning.reasons import percent
from app.domain.quality.figures import (
    Anchoring,
    FunnelPoint,
    GoldFigures,
    Handling,
    RubberStamp,
    Signal,
    SignalName,
)
from app.domain.quality.gold_catch import ALARM, TARGET

RAW_AGREEMENT = 0.99
RAW_FEWEST = 50
"""Shown answers before the raw agreement is flagged."""
GAP = 0.05
"""Smallest anchoring gap that matters."""
UNDER_FLOOR = 0.25
"""Share of answers under the reading floor that may happen (answers to cases seen before, say)."""
FEWEST = 20
"""Answers before handling times say something."""


def rubber_stamp(
    funnel: FunnelPoint | None, gold: GoldFigures, anchoring: Anchoring, handling: Handling
) -> RubberStamp:
    """The four signals of one person, each fired, not fired, or not enough to tell.

    Examples
    --------
    >>> dot = FunnelPoint(reviewer="ann", answers=200, observed=2, expected=40, ratio=0.05, z=-6.7,
    ...                   lower=0.55, upper=1.45, flagged=True)
    >>> ann = rubber_stamp(
    ...     dot,
    ...     GoldFigures(wrong=10, caught=2, rate=0.2, lower=0.08, evidence=595.0),
    ...     Anchoring(blind=40, blind_overrides=12, shown=160, shown_overrides=2, gap=0.28, lower=0.15),
    ...     Handling(answers=200, median=4000, under_floor=150, under_share=0.75))
    >>> ann.fired, ann.stamped, ann.raw, round(ann.agreement, 4)
    (4, True, False, 0.9875)
    >>> print(ann.signals[1].text)
    caught 2 of 10 known errors of the AI; 80 % is the target
    >>> [s.fired for s in rubber_stamp(None, GoldFigures(), Anchoring(), Handling()).signals]
    [None, None, None, None]
    """
    signals = (_overrides(funnel), _gold(gold), _anchored(anchoring), _reading(handling))
    fired = sum(signal.fired is True for signal in signals)
    shown = anchoring.shown
    agreement = 1 - anchoring.shown_overrides / shown if shown else None
    return RubberStamp(
        signals=signals,
        fired=fired,
        stamped=fired == len(signals),
        agreement=agreement,
        raw=agreement is not None and shown >= RAW_FEWEST and agreement >= RAW_AGREEMENT,
    )


def _overrides(dot: FunnelPoint | None) -> Signal:
    if dot is None or dot.ratio is None or dot.lower <= 0:
        count = dot.answers if dot else 0
        return Signal(
            name=SignalName.OVERRIDES, fired=None, value=dot.ratio if dot else None, limit=None, count=count,
            text=f"too few answers to compare with colleagues ({count})",
        )  # fmt: skip
    return Signal(
        name=SignalName.OVERRIDES,
        fired=dot.flagged and dot.ratio < dot.lower,
        value=dot.ratio,
        limit=dot.lower,
        count=dot.answers,
        text=f"{dot.observed:.0f} overrides where colleagues make {dot.expected:.1f} over the same cases; "
        f"the funnel begins at {dot.lower * dot.expected:.1f}",
    )


def _gold(gold: GoldFigures) -> Signal:
    fired = gold.evidence >= ALARM
    # Whether somebody passes can not be told from a handful of items either.
    known = fired or gold.wrong >= 8
    return Signal(
        name=SignalName.GOLD,
        fired=fired if known else None,
        value=gold.rate,
        limit=TARGET,
        count=gold.wrong,
        text=f"caught {gold.caught} of {gold.wrong} known errors of the AI; {percent(TARGET)} is the target",
    )


def _anchored(found: Anchoring) -> Signal:
    if found.gap is None or found.lower is None:
        return Signal(
            name=SignalName.ANCHORING, fired=None, value=None, limit=GAP, count=found.blind,
            text=f"too few answers before the recommendation was shown ({found.blind})",
        )  # fmt: skip
    return Signal(
        name=SignalName.ANCHORING,
        fired=found.lower > 0 and found.gap > GAP,
        value=found.gap,
        limit=GAP,
        count=found.blind,
        text=f"overrides {percent(found.blind_overrides / found.blind)} when asked first, "
        f"{percent(found.shown_overrides / found.shown)} with the recommendation shown",
    )


def _reading(handling: Handling) -> Signal:
    share, count = handling.under_share, handling.answers
    if share is None or count < FEWEST:
        return Signal(
            name=SignalName.READING, fired=None, value=share, limit=UNDER_FLOOR, count=count,
            text=f"too few answers with a handling time ({count})",
        )  # fmt: skip
    return Signal(
        name=SignalName.READING,
        fired=wilson(share, count, 1.96)[0] > UNDER_FLOOR,
        value=share,
        limit=UNDER_FLOOR,
        count=count,
        text=f"{percent(share)} of answers came faster than the case can be read",
    )
