"""How often people decide otherwise than the AI: per key, confidence band and reviewer.

Only answers given with the recommendation shown are *overrides*. Blind answers and gold items are
counted apart: they measure the AI and the reviewer, not the use that people make of the AI. None of
these rates stands for the error of automation, since reviewed decisions are the hard ones.

All sums decay by answer: after ``half_life`` more answers of the same key, band or reviewer an answer
weighs half. Sums of z statistics decay by the square where they are variances.
"""

from __future__ import annotations

import math
from bisect import bisect_right

import msgspec

from app.domain.events import LearningLabel, ReviewKind
from app.domain.learning.calibration import PlattFit
from app.domain.learning.shifts import SignalShifts
from app.domain.learning.terms import LearningTerms

BAND_EDGES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Lower edges of the confidence bands in which reviews are compared."""

_ANSWERS = frozenset({ReviewKind.REVIEW, ReviewKind.DECIDE, ReviewKind.AUDIT, ReviewKind.HUMAN_ONLY})


def band_of(score: float) -> int:
    """Index of the confidence band of a routing score; an unusable score is in the lowest.

    Examples
    --------
    >>> band_of(0.3), band_of(0.9), band_of(1.0), band_of(float("nan"))
    (0, 5, 7, 0)
    """
    return bisect_right(BAND_EDGES, score) - 1 if score >= 0 else 0


def band_name(band: int) -> str:
    """In words, e.g. ``0.90 to 0.95``.

    >>> band_name(5), band_name(7)
    ('0.90 to 0.95', '0.99 to 1.00')
    """
    upper = BAND_EDGES[band + 1] if band + 1 < len(BAND_EDGES) else 1.0
    return f"{BAND_EDGES[band]:.2f} to {upper:.2f}"


class Trend(msgspec.Struct, array_like=True):
    """Override rate lately against the rate over longer: two exponentially weighted means.

    For weights f and s the difference of the means has variance
    p(1 - p) [sum f²/(sum f)² + sum s²/(sum s)² - 2 sum fs/(sum f sum s)]; all five sums are kept, so the
    z is exact from the first answer on (EWMA chart with exact variance, Lucas and Saccucci,
    Technometrics 32, 1990).

    Examples
    --------
    >>> trend = Trend()
    >>> for i in range(1000):
    ...     trend.add(i % 10 == 0 or i > 900 and i % 3 == 0, fast=0.99, slow=0.999)
    >>> round(trend.lately, 2), round(trend.usual, 2), round(trend.z, 1)
    (0.29, 0.14, 7.1)
    """

    count: int = 0
    fast: float = 0.0
    slow: float = 0.0
    fast_overrides: float = 0.0
    slow_overrides: float = 0.0
    fast_squares: float = 0.0
    slow_squares: float = 0.0
    products: float = 0.0

    def add(self, override: bool, fast: float, slow: float) -> None:
        """Count an answer; ``fast`` and ``slow`` are the factors by which older ones fade."""
        self.count += 1
        self.fast = self.fast * fast + 1
        self.slow = self.slow * slow + 1
        self.fast_overrides = self.fast_overrides * fast + override
        self.slow_overrides = self.slow_overrides * slow + override
        self.fast_squares = self.fast_squares * fast * fast + 1
        self.slow_squares = self.slow_squares * slow * slow + 1
        self.products = self.products * fast * slow + 1

    @property
    def lately(self) -> float:
        """Rate over about the last 1.4 fast half-lives; 0 without answers."""
        return self.fast_overrides / self.fast if self.fast > 0 else 0.0

    @property
    def usual(self) -> float:
        """Rate over about the last 1.4 slow half-lives; 0 without answers."""
        return self.slow_overrides / self.slow if self.slow > 0 else 0.0

    @property
    def effective(self) -> float:
        """Effective number of answers behind ``usual``."""
        return self.slow * self.slow / self.slow_squares if self.slow_squares > 0 else 0.0

    @property
    def standard_error(self) -> float:
        """Standard error of ``lately - usual`` if nothing has changed; 0 without answers."""
        if self.count == 0:
            return 0.0
        p = (self.slow_overrides + 0.5) / (self.slow + 1)
        spread = (
            self.fast_squares / self.fast**2
            + self.slow_squares / self.slow**2
            - 2 * self.products / (self.fast * self.slow)
        )
        return math.sqrt(p * (1 - p) * max(spread, 0.0))

    @property
    def z(self) -> float:
        """How many standard errors the rate is higher lately than usual."""
        error = self.standard_error
        return (self.lately - self.usual) / error if error > 1e-9 else 0.0


class Expectation(msgspec.Struct, array_like=True):
    """Observed against expected overrides over the same cases.

    ``observed`` = sum w o, ``expected`` = sum w p, ``variance`` = sum w² p (1 - p), with p the
    probability of an override stated before the answer.

    Examples
    --------
    >>> group = Expectation()
    >>> for i in range(40):
    ...     group.add(i % 2 == 0, 0.2, 1.0)
    >>> round(group.z(), 2), round(group.ratio(5.0), 2)
    (4.74, 1.92)
    """

    count: int = 0
    weight: float = 0.0
    observed: float = 0.0
    expected: float = 0.0
    variance: float = 0.0

    def add(self, override: bool, probability: float, fade: float) -> None:
        """Count an answer whose override had this probability; older ones fade by ``fade``."""
        self.count += 1
        self.weight = self.weight * fade + 1
        self.observed = self.observed * fade + override
        self.expected = self.expected * fade + probability
        self.variance = self.variance * fade * fade + probability * (1 - probability)

    @property
    def rate(self) -> float:
        """Observed override rate; 0 without answers."""
        return self.observed / self.weight if self.weight > 0 else 0.0

    @property
    def expected_rate(self) -> float:
        """Expected override rate; 0 without answers."""
        return self.expected / self.weight if self.weight > 0 else 0.0

    def z(self, typical: float = 1.0) -> float:
        """(O - E) / sqrt(sum p(1 - p)), two-sided (Spiegelhalter, Stat. Med. 24, 2005).

        ``typical`` multiplies what is expected; the variance is then an upper bound.
        """
        if self.variance <= 0:
            return 0.0
        return (self.observed - typical * self.expected) / math.sqrt(self.variance * max(typical, 1.0))

    def ratio(self, shrinkage: float, typical: float = 1.0) -> float:
        """(O + k) / (E + k): observed over expected, pulled to 1 where little is expected."""
        return (self.observed + shrinkage) / (typical * self.expected + shrinkage)


class Reviewer(msgspec.Struct, array_like=True):
    """One reviewer's answers: shown against what colleagues do in the same bands; blind and gold apart."""

    shown: Expectation = msgspec.field(default_factory=Expectation)
    blind: int = 0
    blind_disagreed: int = 0
    gold: int = 0
    gold_disagreed: int = 0


class Band(msgspec.Struct, array_like=True):
    """One confidence band: shown answers against what the confidence announced, and double reviews."""

    shown: Expectation = msgspec.field(default_factory=Expectation)
    pairs: int = 0
    disagreements: int = 0


class OverrideRates(msgspec.Struct):
    """Override rates of one learning key."""

    shown: Trend = msgspec.field(default_factory=Trend)
    blind: int = 0
    blind_disagreed: int = 0
    bands: list[Band] = msgspec.field(default_factory=lambda: [Band() for _ in BAND_EDGES])
    reviewers: dict[str, Reviewer] = msgspec.field(default_factory=dict)
    shifts: SignalShifts = msgspec.field(default_factory=SignalShifts)

    def add(self, label: LearningLabel, calibration: PlattFit, terms: LearningTerms) -> None:
        """Count a reviewer's answer. Items of a calibration session and later truths are not answers.

        What a reviewer is expected to override is the rate of the band so far, that reviewer included,
        shrunk to the rate of the key; what a band is expected to is its announced error probability.
        """
        if label.kind is ReviewKind.GOLD:
            reviewer = self._reviewer(label.reviewer, terms.reviewers)
            reviewer.gold += 1
            reviewer.gold_disagreed += label.error
        elif label.kind in _ANSWERS or label.kind is ReviewKind.SECOND_LOOK:
            reviewer = self._reviewer(label.reviewer, terms.reviewers)
            shown = not label.blind and label.kind in _ANSWERS and label.kind is not ReviewKind.HUMAN_ONLY
            self.shifts.add(label, shown, terms.patterns.shifts)
            if not shown:
                reviewer.blind += 1
                reviewer.blind_disagreed += label.error
                self.blind += 1
                self.blind_disagreed += label.error
            else:
                self._shown(label, reviewer, calibration, terms)

    def _shown(
        self, label: LearningLabel, reviewer: Reviewer, calibration: PlattFit, terms: LearningTerms
    ) -> None:
        rules = terms.patterns
        band = self.bands[band_of(label.score)].shown
        overall = (self.shown.slow_overrides + 1) / (self.shown.slow + 5)
        usual = (band.observed + 10 * overall) / (band.weight + 10)
        reviewer.shown.add(label.error, usual, rules.fade)
        band.add(label.error, 1 - calibration.probability(label.score), rules.fade)
        self.shown.add(label.error, rules.fast_fade, rules.fade)

    def add_pair(self, score: float, *, agreed: bool, half_life: float) -> None:
        """Two people judged the same decision without seeing the recommendation or each other."""
        band = self.bands[band_of(score)]
        if band.pairs >= half_life:
            band.pairs, band.disagreements = band.pairs // 2, band.disagreements // 2
        band.pairs += 1
        band.disagreements += not agreed

    def _reviewer(self, name: str, limit: int) -> Reviewer:
        reviewer = self.reviewers.pop(name, None) or Reviewer()
        while len(self.reviewers) >= max(limit, 1):
            del self.reviewers[next(iter(self.reviewers))]
        self.reviewers[name] = reviewer  # last = seen last
        return reviewer
