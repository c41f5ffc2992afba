"""Monitors: have errors become more frequent than what is known says they should be, or less?

For each shift s of the odds of an error, a likelihood-ratio CUSUM of the e-detector kind:

    M_s <- max(M_s, 1) * LR(e),   LR = Bernoulli(sigmoid(logit r + s)) / Bernoulli(r)

r is the known error probability of the label's bin, moved to the careful side by how little is known. While
errors are no more frequent than r, the mean of M over the shifts reaches a limit c after c labels on average,
or more (J. Shin, A. Ramdas and A. Rinaldo, E-detectors, arXiv 2203.03532, theorem 2.4). Limits are given in
decisions and turned into labels by how many labels a decision gives.

One set of monitors reads every label, another the audits of automated decisions only, where a change
confined to them is not diluted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from app.domain.learning.terms import LearningTerms

SHIFTS: tuple[float, ...] = (0.4, 0.8, 1.3, 2.0)
"""Shifts of the log-odds that are looked for: from a half more errors to seven times as many."""

_UNIT = 1e-5
_LEAST = 1e-3
_LOWEST = 2.0


class Shift(StrEnum):
    """What a monitor found."""

    WORSE = "worse"
    """Errors have become more frequent."""
    BETTER = "better"
    """Errors have become rarer."""


class Reference(msgspec.Struct, frozen=True, array_like=True):
    """Error probabilities per bin as they were known at ``taken``, in units of 1e-5, and the (decayed)
    errors behind them."""

    taken: int
    probabilities: list[int]
    errors: float

    def rate(self, score_bin: int, *, worse: bool) -> float:
        """r: the known probability, and a margin.

        >>> known = Reference(0, [2000] * 94, 12.0)
        >>> round(known.rate(80, worse=True), 4), round(known.rate(80, worse=False), 4)
        (0.031, 0.009)
        """
        p = self.probabilities[score_bin] * _UNIT
        margin = p / math.sqrt(self.errors + 4) + 0.006
        return min(0.95, p + margin) if worse else max(_LEAST, p - margin)


def _ones() -> list[float]:
    return [1.0] * len(SHIFTS)


class Monitors(msgspec.Struct):
    """The monitors of an epoch; silent until there is a reference."""

    references: list[Reference] = msgspec.field(default_factory=list)
    """The one in use first, then those that are too young."""
    worse: list[float] = msgspec.field(default_factory=_ones)
    worse_audits: list[float] = msgspec.field(default_factory=_ones)
    better: list[float] = msgspec.field(default_factory=_ones)
    better_audits: list[float] = msgspec.field(default_factory=_ones)

    def refresh(
        self,
        clock: int,
        labels: int,
        known: Callable[[], tuple[Sequence[float], float]],
        terms: LearningTerms,
    ) -> None:
        """Take a new reference when it is time, and use the youngest that is old enough: what a change
        has brought must not become the reference before it is noticed. The first is used at once."""
        if not self.references:
            if labels < terms.reference_labels:
                return
        elif clock - self.references[-1].taken < terms.reference_refresh:
            return
        probabilities, errors = known()
        self.references.append(Reference(clock, [round(p / _UNIT) for p in probabilities], errors))
        while len(self.references) > 1 and clock - self.references[1].taken >= terms.reference_lag:
            del self.references[0]

    def update(self, score_bin: int, error: bool, *, audit: bool) -> None:
        """Take a label.

        Examples
        --------
        >>> monitors = Monitors(references=[Reference(0, [2000] * 94, 12.0)])
        >>> for error in [True, False] * 8:
        ...     monitors.update(80, error, audit=False)
        >>> monitors.found(0.5, 0.1, LearningTerms(own_threshold=0.9))
        <Shift.WORSE: 'worse'>
        """
        if not self.references or score_bin < 0:
            return
        reference = self.references[0]
        for worse, every, audits in (
            (True, self.worse, self.worse_audits),
            (False, self.better, self.better_audits),
        ):
            rate = reference.rate(score_bin, worse=worse)
            odds = rate / (1 - rate)
            for i, shift in enumerate(_FACTORS if worse else _INVERSE):
                moved = odds * shift / (1 + odds * shift)
                ratio = moved / rate if error else (1 - moved) / (1 - rate)
                every[i] = max(every[i], 1.0) * ratio
                if audit:
                    audits[i] = max(audits[i], 1.0) * ratio

    @property
    def quiet(self) -> bool:
        """Nothing can be found: no limit is so low."""
        return all(
            _mean(one) < _LOWEST for one in (self.worse, self.worse_audits, self.better, self.better_audits)
        )

    def found(
        self, labels_per_decision: float, audits_per_decision: float, terms: LearningTerms
    ) -> Shift | None:
        """What has changed, if anything has."""
        for shift, limit, every, audits in (
            (Shift.WORSE, terms.worse_limit, self.worse, self.worse_audits),
            (Shift.BETTER, terms.better_limit, self.better, self.better_audits),
        ):
            if _mean(every) >= max(limit * labels_per_decision, _LOWEST):
                return shift
            # Without automation there are no audits that could say anything new.
            if audits_per_decision > 0 and _mean(audits) >= max(limit * audits_per_decision, _LOWEST):
                return shift
        return None


_FACTORS = tuple(math.exp(s) for s in SHIFTS)
_INVERSE = tuple(math.exp(-s) for s in SHIFTS)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
