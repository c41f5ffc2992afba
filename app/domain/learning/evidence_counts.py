"""What a learning key has seen: traffic per bin, and the uniform blind sample of it.

Decayed sums use forward decay (Cormode et al., ICDE 2009): a record at clock c is added with weight
2^((c - base) / half_life) and older sums stay as they are; ratios need no rescaling. Once in 30
half-lives everything is divided by an exact power of two. The clock counts the key's decisions.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from app.domain.learning.bins import BINS, bin_of
from app.domain.learning.calibration import (
    EXACT,
    TAKEN_AT_ITS_WORD,
    CalibrationScores,
    PlattFit,
    fit_platt,
)
from app.domain.learning.estimates import Audits
from app.domain.learning.judgement import Judgement


def _floats() -> list[float]:
    return [0.0] * BINS


def _integers() -> list[int]:
    return [0] * BINS


class EvidenceCounts(msgspec.Struct):
    """Counts of one key. Lists have shape (94,). Decayed sums are in units of :attr:`scale`."""

    clock: int = 0
    """Decisions routed so far."""
    base: float = 0.0
    half_life: float = 4000.0
    automated: int = 0
    """Decisions automated in this epoch."""
    traffic: list[float] = msgspec.field(default_factory=_floats)
    automated_traffic: list[float] = msgspec.field(default_factory=_floats)
    labels: list[int] = msgspec.field(default_factory=_integers)
    """Evidence labels of the epoch by score bin, undecayed: what a certificate counts."""
    errors: list[int] = msgspec.field(default_factory=_integers)
    score_labels: list[float] = msgspec.field(default_factory=_floats)
    score_errors: list[float] = msgspec.field(default_factory=_floats)
    old_labels: list[float] = msgspec.field(default_factory=_floats)
    """What is kept of epochs before, for the fast cap alone."""
    old_errors: list[float] = msgspec.field(default_factory=_floats)
    shown_labels: list[float] = msgspec.field(default_factory=_floats)
    """Answers of the epoch to shown recommendations, for the monitors alone."""
    shown_errors: list[float] = msgspec.field(default_factory=_floats)
    raw_labels: list[float] = msgspec.field(default_factory=_floats)
    raw_errors: list[float] = msgspec.field(default_factory=_floats)
    calibrated: int = 0
    """Evidence labels with a raw confidence of at least .5, ever."""
    audits: Audits = msgspec.field(default_factory=Audits)
    quality: CalibrationScores = msgspec.field(default_factory=CalibrationScores)

    @property
    def scale(self) -> float:
        """What a record weighs now."""
        return self._weight(self.clock)

    def count_traffic(self, bins: Sequence[int], evidence_probability: float) -> int:
        """Count a tally's (bin, decisions, automated) triples; returns its number of decisions."""
        total = sum(bins[1::3])
        self.clock += total
        if (self.clock - self.base) / self.half_life > 30:
            self._rebase()
        weight = self.scale
        for i in range(0, len(bins), 3):
            score_bin, decisions, automated = bins[i], bins[i + 1], bins[i + 2]
            if score_bin >= 0:
                self.traffic[score_bin] += weight * decisions
                self.automated_traffic[score_bin] += weight * automated
            self.automated += automated
            self.audits.drawn += evidence_probability * automated
        return total

    def count(self, judged: Judgement) -> None:
        """Count an evidence label, at the clock's weight."""
        if judged.score_bin >= 0:
            self.labels[judged.score_bin] += 1
            self.errors[judged.score_bin] += judged.error
            if judged.automated:
                weight = self._weight(judged.clock) * judged.weight
                self.audits.add(judged.score_bin, judged.error, weight)
        self.count_for_cap(judged)

    def count_missed(self, judged: Judgement) -> None:
        """A check that nobody answered in time is an error for the certificate, until it is answered. The
        cap learns nothing from it: people who are overloaded would make it send them even more."""
        if judged.score_bin >= 0:
            self.labels[judged.score_bin] += 1
            self.errors[judged.score_bin] += 1

    def correct_missed(self, judged: Judgement) -> None:
        """It was answered after all."""
        if judged.score_bin >= 0:
            self.labels[judged.score_bin] -= 1
            self.errors[judged.score_bin] -= 1
        self.count(judged)

    def count_for_cap(self, judged: Judgement, *, late: bool = False) -> None:
        """Count an evidence label in what may only tighten: cap and calibration. ``late``: an older one."""
        weight, error = self._weight(judged.clock), judged.error
        if judged.score_bin >= 0:
            labels, errors = self.score_labels, self.score_errors
            if late:
                labels, errors = self.old_labels, self.old_errors
            labels[judged.score_bin] += weight
            errors[judged.score_bin] += weight * error
        if judged.raw_bin >= 0:
            self.calibrated += 1
            self.raw_labels[judged.raw_bin] += weight
            self.raw_errors[judged.raw_bin] += weight * error
            self.quality.add(error, judged.probability, weight)

    def count_shown(self, score_bin: int, error: bool) -> None:
        """Count an answer to a shown recommendation."""
        if score_bin >= 0:
            weight = self.scale
            self.shown_labels[score_bin] += weight
            self.shown_errors[score_bin] += weight * error

    def correct(self, judged: Judgement, error: bool) -> None:
        """A counted label turned out to be ``error``; nothing changes if it was counted so."""
        if judged.error == error:
            return
        weight, sign = self._weight(judged.clock), 1 if error else -1
        if judged.score_bin >= 0:
            self.errors[judged.score_bin] += sign
            self.score_errors[judged.score_bin] = max(
                0.0, self.score_errors[judged.score_bin] + sign * weight
            )
            if judged.automated:
                self.audits.correct(judged.score_bin, error, weight * judged.weight)
        if judged.raw_bin >= 0:
            self.raw_errors[judged.raw_bin] = max(0.0, self.raw_errors[judged.raw_bin] + sign * weight)
            self.quality.correct(error, judged.probability, weight)

    def begin_epoch(self, restart_weight: float, expected: Sequence[float] | None = None) -> None:
        """Start counting anew; the fast cap keeps ``restart_weight`` of what it knew. With ``expected``, the
        error probability of each bin from now on, it keeps the labels with so many errors."""
        labels = [new + old for new, old in zip(self.score_labels, self.old_labels, strict=True)]
        errors = [new + old for new, old in zip(self.score_errors, self.old_errors, strict=True)]
        if expected is not None:
            errors = [n * p for n, p in zip(labels, expected, strict=True)]
        self.old_labels = [x * restart_weight for x in labels]
        self.old_errors = [x * restart_weight for x in errors]
        for name in ("raw_labels", "raw_errors"):
            setattr(self, name, [x * restart_weight for x in getattr(self, name)])
        self.score_labels, self.score_errors = _floats(), _floats()
        self.shown_labels, self.shown_errors = _floats(), _floats()
        self.automated = 0
        self.automated_traffic = _floats()
        self.labels, self.errors = _integers(), _integers()
        self.audits = Audits()
        self.quality = CalibrationScores()

    def begin_counting(self) -> None:
        """The certificate's labels begin here; all else goes on."""
        self.labels, self.errors = _integers(), _integers()

    def keep_half_life(self, half_life: float) -> None:
        """Take a changed half-life from here on."""
        if half_life != self.half_life:
            self._multiply(1 / self.scale)
            self.base, self.half_life = float(self.clock), half_life

    def fit_by_score(self, ridge: float) -> tuple[list[float], list[float], PlattFit]:
        """Decayed labels and errors by score bin, and the Platt fit of them; of epochs before, too."""
        labels = [new + old for new, old in zip(self.score_labels, self.old_labels, strict=True)]
        errors = [new + old for new, old in zip(self.score_errors, self.old_errors, strict=True)]
        return self._fit(labels, errors, ridge)

    def fit_of_epoch(
        self, ridge: float, pending: Sequence[Judgement] = (), upheld: float = 1.0
    ) -> tuple[list[float], list[float], PlattFit]:
        """The same of this epoch alone; of findings that wait to be confirmed so much as will be upheld."""
        errors = list(self.score_errors)
        for judged in pending:
            if judged.score_bin >= 0:
                doubtful = self._weight(judged.clock) * (1 - upheld)
                errors[judged.score_bin] = max(0.0, errors[judged.score_bin] - doubtful)
        return self._fit(self.score_labels, errors, ridge)

    def fit_of_shown(self, ridge: float) -> tuple[list[float], list[float], PlattFit]:
        """The same of this epoch's answers to shown recommendations."""
        return self._fit(self.shown_labels, self.shown_errors, ridge)

    def fit_by_raw(
        self, ridge: float, start: PlattFit = TAKEN_AT_ITS_WORD, precision: float = EXACT
    ) -> PlattFit:
        """The Platt fit of raw confidences, before contextual adjustments."""
        unit = 1 / self.scale
        labels, errors = [x * unit for x in self.raw_labels], [x * unit for x in self.raw_errors]
        return fit_platt(labels, errors, ridge, start, precision)

    def from_threshold(self, threshold: float) -> tuple[int, int]:
        """Evidence labels and errors of the epoch in the bins from a threshold up."""
        return self.between(threshold, 2.0)

    def recent_from(self, threshold: float) -> tuple[int, int]:
        """Evidence labels and errors of any epoch in the bins from a threshold up, as the cap weighs them."""
        first = bin_of(max(threshold, 0.5)) if threshold <= 1 else BINS
        unit = 1 / self.scale
        labels = sum(self.score_labels[first:]) + sum(self.old_labels[first:])
        errors = sum(self.score_errors[first:]) + sum(self.old_errors[first:])
        return round(labels * unit), round(errors * unit)

    def between(self, lower: float, upper: float) -> tuple[int, int]:
        """Evidence labels and errors of the epoch from a threshold up to below another."""
        first = bin_of(max(lower, 0.5)) if lower <= 1 else BINS
        last = bin_of(max(upper, 0.5)) if upper <= 1 else BINS
        return sum(self.labels[first:last]), sum(self.errors[first:last])

    def _fit(
        self, labels: Sequence[float], errors: Sequence[float], ridge: float
    ) -> tuple[list[float], list[float], PlattFit]:
        unit = 1 / self.scale
        labels, errors = [x * unit for x in labels], [x * unit for x in errors]
        return labels, errors, fit_platt(labels, errors, ridge)

    def _weight(self, clock: int) -> float:
        return float(2.0 ** ((clock - self.base) / self.half_life))

    def _rebase(self) -> None:
        halvings = int((self.clock - self.base) / self.half_life)
        self.base += halvings * self.half_life
        self._multiply(2.0**-halvings)

    def _multiply(self, factor: float) -> None:
        for name in (
            "traffic",
            "automated_traffic",
            "score_labels",
            "score_errors",
            "old_labels",
            "old_errors",
            "shown_labels",
            "shown_errors",
            "raw_labels",
            "raw_errors",
        ):
            setattr(self, name, [x * factor for x in getattr(self, name)])
        self.audits.scale(factor)
        self.quality.scale(factor)
