"""Three signals that have no right value, watched for a change: how often people override, how long they
take, and what comes in.

What comes in is seen through the scores of the evidence sample: it is drawn with one probability for all
decisions, so its mix is the traffic's.
"""

from __future__ import annotations

import math

import msgspec

from app.domain.events import LearningLabel
from app.domain.learning.adwin import Adwin
from app.domain.learning.pattern_terms import ShiftTerms

LONGEST_HANDLING = 4 * 3600.0
"""s. Whoever takes longer had the case open over lunch."""
_LONGEST_LOG = math.log1p(LONGEST_HANDLING)


class SignalShift(msgspec.Struct, array_like=True):
    """One signal: its window, and the change that is news.

    Examples
    --------
    >>> shift = SignalShift()
    >>> for i in range(1200):
    ...     shift.update(0.2 + 0.1 * (i % 3) if i < 1000 else 0.6 + 0.1 * (i % 3), ShiftTerms())
    >>> shift.news(ShiftTerms()), round(shift.origin, 2), round(shift.window.mean, 2)
    (True, 0.3, 0.67)
    """

    window: Adwin = msgspec.field(default_factory=Adwin)
    count: int = 0
    since: int = 0
    """Values since the last cut; 0 before the first one."""
    origin: float = 0.0
    """Mean before the change that is news."""

    def update(self, value: float, terms: ShiftTerms) -> None:
        """Take a value in [0, 1]."""
        self.count += 1
        news = self.news(terms)
        if self.window.update(value, delta=terms.delta):
            if not news:  # a slow change is cut several times: what counts is where it began
                self.origin = self.window.before
            self.since = 1
        elif self.since:
            self.since += 1

    def news(self, terms: ShiftTerms) -> bool:
        """Whether the signal changed within the latest values."""
        return 0 < self.since <= terms.recent

    @property
    def change(self) -> float:
        """Mean now less mean before; 0 without a change."""
        return self.window.mean - self.origin if self.since else 0.0


class SignalShifts(msgspec.Struct, array_like=True):
    """The three signals of a learning key."""

    overrides: SignalShift = msgspec.field(default_factory=SignalShift)
    handling: SignalShift = msgspec.field(default_factory=SignalShift)
    traffic: SignalShift = msgspec.field(default_factory=SignalShift)

    def add(self, label: LearningLabel, shown: bool, terms: ShiftTerms) -> None:
        """Take an answer; ``shown``: the recommendation was shown."""
        if shown:
            self.overrides.update(float(label.error), terms)
        if label.handling is not None:
            self.handling.update(handling_value(label.handling), terms)
        if label.evidence and 0 <= label.score <= 1:
            self.traffic.update(label.score, terms)


def handling_value(milliseconds: int) -> float:
    """A handling time on a logarithmic scale from 0 to 1: one slow case must not outweigh twenty.

    >>> round(handling_value(60_000), 3), handling_value(86_400_000)
    (0.429, 1.0)
    """
    seconds = min(max(milliseconds, 0) / 1000, LONGEST_HANDLING)
    return math.log1p(seconds) / _LONGEST_LOG


def handling_seconds(value: float) -> float:
    """Back: the geometric mean, in seconds.

    >>> round(handling_seconds(handling_value(60_000)), 6)
    60.0
    """
    return math.expm1(value * _LONGEST_LOG)
