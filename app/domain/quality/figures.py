"""What the pages show about people, pools and work: plain values that never change once made.

Times are ms UTC, durations ms, shares in [0, 1]. A number that can not be told yet is ``None``, never 0.
Blind answers, gold items and sessions are kept apart from answers given with the recommendation shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from app.domain.events import OverrideCategory


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every value here."""


class SignalName(StrEnum):
    """The four signals of a rubber stamp."""

    OVERRIDES = "overrides"
    """Fewer overrides than colleagues over the same cases: below the funnel's lower limit."""
    GOLD = "gold"
    """Known errors of the AI go through."""
    ANCHORING = "anchoring"
    """Disagrees when asked first, agrees when the recommendation is shown."""
    READING = "reading"
    """Answers come faster than the package can be read."""


class Signal(Figure, frozen=True, kw_only=True):
    """One signal with the numbers behind it. ``fired`` is ``None`` where there is not enough to tell."""

    name: SignalName
    fired: bool | None
    value: float | None
    limit: float | None
    count: int
    text: str
    """In words, numbers included; for the reviewer and the lead alike."""


class RubberStamp(Figure, frozen=True, kw_only=True):
    """The four-signal score. ``stamped`` needs all four; ``raw`` is a flag to look at and no more."""

    signals: tuple[Signal, ...] = ()
    fired: int = 0
    stamped: bool = False
    agreement: float | None = None
    """Raw agreement with shown recommendations."""
    raw: bool = False
    """Agreement of 99 % or more over at least 50 shown answers."""


class FunnelPoint(Figure, frozen=True, kw_only=True):
    """One dot of the funnel plot: observed over expected overrides of the same cases.

    ``lower`` and ``upper`` are the funnel's limits of the ratio at this reviewer's precision.
    """

    reviewer: str
    answers: int
    observed: float
    expected: float
    ratio: float | None
    z: float
    lower: float
    upper: float
    flagged: bool


class Funnel(Figure, frozen=True, kw_only=True):
    """The funnel plot of a group of reviewers. ``dispersion`` (phi) widens the limits when above 1."""

    points: tuple[FunnelPoint, ...] = ()
    dispersion: float = 1.0
    limit: float = 3.0
    """|z| beyond this is flagged: 3 sqrt(max(phi, 1))."""


class GoldFigures(Figure, frozen=True, kw_only=True):
    """Items with known truth. ``caught`` of ``wrong`` items on which the AI was wrong; ``confirmed`` of
    ``right`` ones on which it was right. ``lower`` is the 5 % bound of the catch rate."""

    wrong: int = 0
    caught: int = 0
    right: int = 0
    confirmed: int = 0
    rate: float | None = None
    lower: float | None = None
    evidence: float = 1.0
    """e-value against "catches at least the target share"."""


class GoldFeedback(Figure, frozen=True, kw_only=True):
    """A gold item after its burst is over: what was answered and what is true."""

    item_id: str
    decision_type: str
    answered: str
    truth: str
    recommended: str
    answered_at: int
    right: bool


class Anchoring(Figure, frozen=True, kw_only=True):
    """Overrides when asked first against overrides with the recommendation shown, within score bands."""

    blind: int = 0
    blind_overrides: int = 0
    shown: int = 0
    shown_overrides: int = 0
    gap: float | None = None
    lower: float | None = None
    upper: float | None = None


class Handling(Figure, frozen=True, kw_only=True):
    """How long answers took, from claim to answer (ms), and how many came faster than reading allows."""

    answers: int = 0
    median: int | None = None
    quartiles: tuple[int, int] | None = None
    under_floor: int = 0
    under_share: float | None = None


class DayCount(Figure, frozen=True, kw_only=True):
    """Answers of one day (UTC), for a small trend line."""

    day: int
    """Start of the day, ms UTC."""
    answered: int
    agreed: int


class ReviewerFigures(Figure, frozen=True, kw_only=True):
    """One reviewer's numbers. The reviewer sees the same page as the lead."""

    name: str
    pools: tuple[str, ...] = ()
    answered: int = 0
    """All answers to real work, blind ones included; no gold, no sessions."""
    agreed: int = 0
    overridden: int = 0
    categories: Mapping[OverrideCategory, int] = {}
    human_only: int = 0
    """Answers without any AI content: what keeps skills fresh."""
    audits: int = 0
    second_looks: int = 0
    escalated: int = 0
    delegated: int = 0
    released: int = 0
    lapsed: int = 0
    """Leases that ran out."""
    asked_for_information: int = 0
    late: int = 0
    """Answers after the deadline."""
    in_hand: int = 0
    """Reviews this person holds now."""
    today: int = 0
    types: Mapping[str, int] = {}
    days: tuple[DayCount, ...] = ()
    last_answer_at: int | None = None
    handling: Handling = Handling()
    funnel: FunnelPoint | None = None
    gold: GoldFigures = GoldFigures()
    """As of the last burst that is over."""
    gold_feedback: tuple[GoldFeedback, ...] = ()
    """Newest first; only items of bursts that are over."""
    anchoring: Anchoring = Anchoring()
    rubber_stamp: RubberStamp = RubberStamp()
    sessions: int = 0


class CoachingNote(Figure, frozen=True, kw_only=True):
    """Something that one person may learn from an answer of theirs."""

    item_id: str
    decision_type: str
    text: str
    at: int


class Agreement(Figure, frozen=True, kw_only=True):
    """Gwet's AC1 of several raters: chance-corrected agreement in [-1, 1] with a 95 % interval."""

    items: int
    raters: int
    observed: float
    """Raw share of agreeing pairs."""
    expected: float
    """Share expected by chance."""
    coefficient: float
    standard_error: float
    lower: float
    upper: float


class PoolFigures(Figure, frozen=True, kw_only=True):
    """One pool's numbers over the ledger's horizon."""

    pool: str
    answered: int = 0
    overridden: int = 0
    on_time: int = 0
    late: int = 0
    escalated: int = 0
    delegated: int = 0
    lapsed: int = 0
    paused: int = 0
    reviewers: tuple[str, ...] = ()
    handling: Handling = Handling()
    funnel: Funnel = Funnel()
    agreement: Agreement | None = None
    """Of double reviews."""
    gold: GoldFigures = GoldFigures()
    stamped: tuple[str, ...] = ()


class HourCount(Figure, frozen=True, kw_only=True):
    """What happened to one decision type in one hour; ``hour`` is its start, ms UTC."""

    hour: int
    routed: int = 0
    automated: int = 0
    answered: int = 0


class HourForecast(Figure, frozen=True, kw_only=True):
    """Decisions expected in one hour, with a 90 % prediction interval."""

    hour: int
    expected: float
    lower: float
    upper: float


class VolumeFigures(Figure, frozen=True, kw_only=True):
    """One decision type's traffic by hour, oldest first."""

    decision_type: str
    hours: tuple[HourCount, ...] = ()
    routed: int = 0
    automated: int = 0
    answered: int = 0
    automation_rate: float | None = None
    handling: Handling = Handling()


class PatternFigures(Figure, frozen=True, kw_only=True):
    """A pattern that was detected, newest first."""

    pattern_id: str
    pattern: str
    learning_key: str
    decision_type: str
    segment: str
    value: float
    limit: float
    count: int
    text: str
    action: str
    detected_at: int
