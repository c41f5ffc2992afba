"""Monitors: have errors become more frequent than what is known says they should be, or less?

For each shift s of the odds of an error, a likelihood-ratio CUSUM of the e-detector kind:

    M_s <- max(M_s, 1) * LR(e),   LR = Bernoulli(sigmoid(logit r + s)) / Bernoulli(r)

r is the known error probability of the label's bin, moved to the careful side by how little is known. While
errors are no more frequent than r, the mean of M over the shifts reaches a limit c after c labels on average,
or more (J. Shin, A. Ramdas and A. Rinaldo, E-detectors, arXiv 2203.03532, theorem 2.4). Limits are given in
decisions and turned into labels by how many labels a decision gives.

One monitor for the worse reads every label, another the audits of automated decisions only, where a change
confined to them is not diluted. The one that calls also says how far the odds have moved: the mean of the
shifts, each weighted by its M.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import lru_cache

import msgspec

from app.domain.learning.terms import LearningTerms

SHIFTS: tuple[float, ...] = (0.4, 0.8, 1.3, 2.0)
"""Shifts of the log-odds that are looked for: from a half more errors to seven times as many."""

_UNIT = 1e-5
_LEAST, _HIGHEST = 5e-4, 0.95
_LOWEST = 2.0


class Shift(StrEnum):
    """What a monitor found."""

    WORSE = "worse"
    """Errors have become more frequent."""
    BETTER = "better"
    """Errors have become rarer."""


class Found(msgspec.Struct, frozen=True):
    """What a monitor found, and how sure it is."""

    shift: Shift
    odds: float
    """The shift of the log-odds of an error that the labels speak for; negative where they became rarer."""
    evidence: float
    """Mean of M over the shifts."""
    limit: float
    """What it had to reach."""


class Reference(msgspec.Struct, frozen=True, array_like=True):
    """Error probabilities per bin as they were known at ``taken``, in units of 1e-5; ``doubt`` is their
    relative and ``margin`` their absolute margin."""

    taken: int
    probabilities: list[int]
    doubt: float
    margin: float

    def rate(self, score_bin: int, *, worse: bool) -> float:
        """r: the known probability, and a margin to the careful side.

        >>> known = Reference(0, [2000] * 94, 1.5 / math.sqrt(12.0 + 4), 0.003)
        >>> round(known.rate(80, worse=True), 4), round(known.rate(80, worse=False), 4)
        (0.0305, 0.0095)
        """
        return _rates(self.probabilities[score_bin], self.doubt, self.margin)[not worse]

    def ratios(self, score_bin: int, error: bool) -> tuple[Ratios, Ratios]:
        """What a label multiplies the monitors by: that for more errors, and that for fewer."""
        return _ratios(self.probabilities[score_bin], self.doubt, self.margin, error)


Ratios = tuple[float, ...]
"""LR of a label for each of ``SHIFTS``."""

Known = Callable[[], tuple[Sequence[float], float]]
"""Error probabilities per bin, shape (94,), as they are known now, and the (decayed) errors behind them."""


def _ones() -> list[float]:
    return [1.0] * len(SHIFTS)


class Monitors(msgspec.Struct):
    """The monitors of an epoch; silent until there is a reference.

    Blind labels and answers to shown recommendations each have a reference of their own: what people find
    depends on what they see, and only a change of it is news.
    """

    references: list[Reference] = msgspec.field(default_factory=list)
    """Of blind labels: the one in use first, then those that are too young."""
    shown_references: list[Reference] = msgspec.field(default_factory=list)
    """The same of answers to shown recommendations."""
    shown: int = 0
    """Such answers of this epoch."""
    heard: int = 0
    """Labels that were compared with a reference."""
    since: int = 0
    """The key's decisions when the first reference was taken."""
    worse: list[float] = msgspec.field(default_factory=_ones)
    worse_audits: list[float] = msgspec.field(default_factory=_ones)
    better: list[float] = msgspec.field(default_factory=_ones)

    def refresh(
        self, clock: int, labels: int, known: Known, known_of_shown: Known, terms: LearningTerms
    ) -> None:
        """Take new references when it is time, and use the youngest that are old enough: what a change
        has brought must not become the reference before it is noticed. The first is used at once."""
        if not self.references and not self.shown_references:
            self.since = clock
        _renew(self.references, clock, labels, known, terms)
        _renew(self.shown_references, clock, self.shown, known_of_shown, terms)

    def update(self, score_bin: int, error: bool, *, audit: bool, shown: bool = False) -> None:
        """Take a label. ``audit``: a blind check of a decision that ran alone.

        Examples
        --------
        >>> monitors = Monitors(references=[Reference(0, [2000] * 94, 0.375, 0.003)])
        >>> for error in [True, False] * 8:
        ...     monitors.update(80, error, audit=False)
        >>> monitors.found(0, 0.5, 0.1, LearningTerms(own_threshold=0.9)).shift
        <Shift.WORSE: 'worse'>
        """
        self.shown += shown
        references = self.shown_references if shown else self.references
        if not references or score_bin < 0:
            return
        self.heard += 1
        worse, better = references[0].ratios(score_bin, error)
        _multiply(self.worse, worse)
        if audit:
            _multiply(self.worse_audits, worse)
        _multiply(self.better, better)

    def suspicious(self, terms: LearningTerms) -> bool:
        """Whether there are signs of a change, too weak to be called one: time to look closer."""
        return (
            max(_mean(self.worse), _mean(self.worse_audits)) >= terms.suspicion_worse
            or _mean(self.better) >= terms.suspicion_better
        )

    def calm(self, terms: LearningTerms) -> bool:
        """No sign of anything: neither a finding nor a suspicion is near. What is so nearly always, and is
        looked at after every label, so in one step."""
        most = max(sum(self.worse), sum(self.worse_audits), sum(self.better))
        return most < len(SHIFTS) * min(_LOWEST, terms.suspicion_worse, terms.suspicion_better)

    def quiet(self, labels_per_decision: float, terms: LearningTerms) -> bool:
        """Nothing can be found: with at least so many labels for each decision no limit is so low."""
        lowest = max(min(terms.worse_limit, terms.better_limit) * labels_per_decision, _LOWEST)
        return max(_mean(self.worse), _mean(self.better)) < lowest and _mean(self.worse_audits) < _LOWEST

    def found(
        self, clock: int, labels_per_decision: float, audits_per_decision: float, terms: LearningTerms
    ) -> Found | None:
        """What has changed, if anything has. Rates are those expected; of all labels more may have come,
        since people also answer what rules sent them, and spot checks."""
        heard = self.heard / max(clock - self.since, terms.reference_lag)
        per_decision = max(labels_per_decision, heard)
        worse = _found(Shift.WORSE, self.worse, terms.worse_limit * per_decision)
        # Without automation there are no audits that could say anything new.
        audits = _found(Shift.WORSE, self.worse_audits, terms.worse_limit * audits_per_decision)
        if audits is None or audits_per_decision <= 0:
            return worse or _found(Shift.BETTER, self.better, terms.better_limit * per_decision)
        if worse is None or audits.evidence / audits.limit > worse.evidence / worse.limit:
            return audits
        return worse


def _renew(references: list[Reference], clock: int, labels: int, known: Known, terms: LearningTerms) -> None:
    if not references:
        if labels < terms.reference_labels:
            return
    elif clock - references[-1].taken < terms.reference_refresh:
        return
    probabilities, errors = known()
    doubt = terms.reference_doubt / math.sqrt(errors + 4)
    references.append(
        Reference(clock, [round(p / _UNIT) for p in probabilities], doubt, terms.reference_margin)
    )
    while len(references) > 1 and clock - references[1].taken >= terms.reference_lag:
        del references[0]


def _rates(probability: int, doubt: float, margin: float) -> tuple[float, float]:
    p = probability * _UNIT
    return min(_HIGHEST, p * (1 + doubt) + margin), max(_LEAST, p * (1 - doubt) - margin)


@lru_cache(maxsize=4096)
def _ratios(probability: int, doubt: float, margin: float, error: bool) -> tuple[Ratios, Ratios]:
    """Remembered: a reference has few rates, and stays for hundreds of decisions."""
    worse, better = _rates(probability, doubt, margin)
    return _ratios_at(worse, error, _FACTORS), _ratios_at(better, error, _INVERSE)


def _ratios_at(rate: float, error: bool, factors: Ratios) -> Ratios:
    odds = rate / (1 - rate)
    if error:
        return tuple((1 + odds) * factor / (1 + odds * factor) for factor in factors)
    return tuple((1 + odds) / (1 + odds * factor) for factor in factors)


def _multiply(values: list[float], ratios: Ratios) -> None:
    for i, ratio in enumerate(ratios):
        values[i] = ratio * (values[i] if values[i] > 1.0 else 1.0)


def _found(shift: Shift, values: Sequence[float], limit: float) -> Found | None:
    limit, mean = max(limit, _LOWEST), _mean(values)
    if mean < limit:
        return None
    odds = sum(s * value for s, value in zip(SHIFTS, values, strict=True)) / sum(values)
    return Found(shift, odds if shift is Shift.WORSE else -odds, mean, limit)


_FACTORS = tuple(math.exp(s) for s in SHIFTS)
_INVERSE = tuple(math.exp(-s) for s in SHIFTS)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
