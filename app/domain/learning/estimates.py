"""How often automation is wrong, from the uniform blind sample alone."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from app.domain.learning.betting import BettingBound
from app.domain.learning.bins import BINS
from app.domain.learning.proportions import wilson


class AutomatedError(msgspec.Struct, frozen=True, kw_only=True):
    """The error of automated decisions, with how sure we are of it.

    ``estimate`` is recent (decayed), ``lower`` and ``upper`` bound it at one look (95 %);
    ``upper_anytime`` bounds the error of the whole epoch at every look at once, with confidence
    1 - delta. ``audits`` and ``errors`` are plain counts of the epoch. ``coverage`` is audits done over
    audits drawn: well below 1 when audits are lost or not yet answered.
    """

    estimate: float
    lower: float
    upper: float
    upper_anytime: float
    audits: int
    errors: int
    coverage: float | None


def hajek(
    weights: Sequence[float],
    wrong: Sequence[float],
    automated: Sequence[float],
    fewest: float,
    mean_weight: float,
) -> float | None:
    """Post-stratified Hájek estimate of a share of errors.

    Within a stratum sum_L e/q / sum_L 1/q; strata are neighbouring bins merged from the top down until
    they hold at least ``fewest`` labels' worth of weight; strata are combined by automated traffic.
    Särndal, Swensson and Wretman, Model Assisted Survey Sampling (1992), 5.7 and 7.6.

    Parameters
    ----------
    weights, wrong
        Per bin, shape (94,): sum of w = decay/q over labels, and of w over errors.
    automated
        Per bin, shape (94,): automated decisions, decayed alike. Without any, labels weigh themselves.
    fewest, mean_weight
        Labels that a stratum needs; what one label weighs on average.

    Returns
    -------
    Share in [0, 1], or ``None`` without labels.

    Examples
    --------
    >>> w, e, a = [0.0] * 94, [0.0] * 94, [0.0] * 94
    >>> w[80], e[80], a[80] = 40.0, 4.0, 100.0
    >>> w[93], e[93], a[93] = 40.0, 0.0, 300.0
    >>> hajek(w, e, a, 20, 1.0), hajek(w, e, a, 100, 1.0)
    (0.025, 0.05)
    """
    strata: list[list[float]] = [[0.0, 0.0, 0.0]]
    for b in range(BINS - 1, -1, -1):
        if strata[-1][0] >= fewest * mean_weight:
            strata.append([0.0, 0.0, 0.0])
        stratum = strata[-1]
        stratum[0] += weights[b]
        stratum[1] += wrong[b]
        stratum[2] += automated[b]
    if len(strata) > 1 and strata[-1][0] < fewest * mean_weight:
        rest = strata.pop()
        strata[-1] = [a + b for a, b in zip(strata[-1], rest, strict=True)]
    labelled = [s for s in strata if s[0] > 0]
    if not labelled:
        return None
    traffic = sum(s[2] for s in labelled)
    if traffic <= 0:
        return sum(s[1] for s in labelled) / sum(s[0] for s in labelled)
    return sum(s[2] / traffic * s[1] / s[0] for s in labelled)


class Audits(msgspec.Struct, array_like=True):
    """Sums over evidence labels of automated decisions: all that the estimate needs.

    ``weights`` and ``wrong`` are per bin (decayed, 1/q), ``squares`` is the sum of squared weights;
    ``done`` and ``errors`` count the epoch; ``drawn`` sums q over the epoch's automated decisions.
    """

    weights: list[float] = msgspec.field(default_factory=lambda: [0.0] * BINS)
    wrong: list[float] = msgspec.field(default_factory=lambda: [0.0] * BINS)
    squares: float = 0.0
    done: int = 0
    errors: int = 0
    drawn: float = 0.0

    def add(self, score_bin: int, error: bool, weight: float) -> None:
        """Count a label of weight decay/q."""
        self.weights[score_bin] += weight
        self.squares += weight * weight
        self.done += 1
        if error:
            self.wrong[score_bin] += weight
            self.errors += 1

    def correct(self, score_bin: int, error: bool, weight: float) -> None:
        """A counted label turned out to be ``error``, the opposite of what was counted."""
        sign = 1 if error else -1
        self.wrong[score_bin] = max(0.0, self.wrong[score_bin] + sign * weight)
        self.errors += sign

    def scale(self, factor: float) -> None:
        """Multiply all weights."""
        self.weights = [w * factor for w in self.weights]
        self.wrong = [w * factor for w in self.wrong]
        self.squares *= factor * factor

    def share(self, automated: Sequence[float], fewest: float) -> float | None:
        """The estimate without bounds, which are dear: what an announcement says."""
        if self.done == 0 or self.squares < 1e-200:
            return None
        share = hajek(self.weights, self.wrong, automated, fewest, self.squares / sum(self.weights))
        return None if share is None else min(max(share, 0.0), 1.0)

    def estimate(self, automated: Sequence[float], fewest: float, delta: float) -> AutomatedError | None:
        """The automated error; ``None`` without a label, or when all have faded away.

        ``automated`` as for :func:`hajek`.
        """
        share = self.share(automated, fewest)
        if share is None:
            return None
        total = sum(self.weights)
        # Kish's effective number of labels
        lower, upper = wilson(share, total * total / self.squares, 1.96)
        return AutomatedError(
            estimate=share,
            lower=lower,
            upper=upper,
            upper_anytime=BettingBound({1.0: self.errors, 0.0: self.done - self.errors}).upper(delta),
            audits=self.done,
            errors=self.errors,
            coverage=self.done / self.drawn if self.drawn > 0 else None,
        )
