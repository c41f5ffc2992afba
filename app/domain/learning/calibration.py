"""What a confidence really means: an online Platt fit on counts per bin, and how good it is.

Counts are decayed evidence labels per bin (any positive numbers); ``errors`` are those where the
recommendation was judged wrong. Probabilities speak of the recommendation being *right* unless a name
says error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from app.domain.learning.bins import MIDPOINTS

_CLIP = 1e-4
_LOGITS = tuple(math.log(m / (1 - m)) for m in MIDPOINTS)


class PlattFit(msgspec.Struct, frozen=True, array_like=True):
    """logit(p) = slope * logit(raw) + intercept. The default takes the confidence at its word."""

    slope: float = 1.0
    intercept: float = 0.0

    def probability(self, raw: float) -> float:
        """Calibrated probability that the recommendation is right, in [.0001, .9999]. NaN counts as 0.

        Examples
        --------
        >>> round(PlattFit().probability(0.9), 6)
        0.9
        >>> round(PlattFit(slope=0.6, intercept=0.0).probability(0.9), 3)
        0.789
        """
        raw = min(raw, 1 - _CLIP) if raw > _CLIP else _CLIP
        return min(max(_sigmoid(self.slope * math.log(raw / (1 - raw)) + self.intercept), _CLIP), 1 - _CLIP)

    def errors_by_bin(self) -> list[float]:
        """Error probability at the middle of each bin, shape (94,)."""
        return [1 - _sigmoid(self.slope * x + self.intercept) for x in _LOGITS]

    def distance(self, other: PlattFit) -> float:
        """Largest difference of the two in log-odds, over raw confidences .5 to .99."""
        slope, intercept = self.slope - other.slope, self.intercept - other.intercept
        return max(abs(intercept), abs(slope * math.log(99) + intercept))


TAKEN_AT_ITS_WORD = PlattFit()
EXACT = 1e-12


def fit_platt(
    counts: Sequence[float],
    errors: Sequence[float],
    ridge: float,
    start: PlattFit = TAKEN_AT_ITS_WORD,
    precision: float = EXACT,
) -> PlattFit:
    """Two-parameter Platt fit on counts per bin, pulled towards (1, 0).

    Minimises -sum_b [(n_b - e_b) log p_b + e_b log(1 - p_b)] + ridge/2 [(slope - 1)² + intercept²]
    by Newton's method with step halving from (1, 0), or ``start``; strictly convex for ridge > 0, so that
    where it starts makes a difference of rounding only. Platt (1999); Gupta and Ramdas, Online Platt
    Scaling (2305.00070).

    Parameters
    ----------
    counts, errors
        Shape (94,), 0 <= errors <= counts.
    ridge
        Positive; the weight of the prior in units of the log-likelihood.
    precision
        What may be left to gain before the last full step, as a share of 1 + loss. That step squares it: at
        1e-9 a loss of up to 1000 leaves log-odds right to 1e-5 (ridge 10).

    Examples
    --------
    >>> fit_platt([0.0] * 94, [0.0] * 94, 2.0)
    PlattFit(slope=1.0, intercept=0.0)
    >>> honest = [1 - m for m in MIDPOINTS]
    >>> fitted = fit_platt([100.0] * 94, [100 * p for p in honest], 2.0)
    >>> round(fitted.slope, 3), abs(round(fitted.intercept, 3))
    (1.0, 0.0)
    """
    rows = [(x, n, max(n - e, 0.0)) for x, n, e in zip(_LOGITS, counts, errors, strict=True) if n > 0]
    slope, intercept = start.slope, start.intercept
    loss, g0, g1, h00, h01, h11 = _newton(rows, slope, intercept, ridge)
    for _ in range(50):
        determinant = h00 * h11 - h01 * h01
        step0 = (h11 * g0 - h01 * g1) / determinant
        step1 = (h00 * g1 - h01 * g0) / determinant
        if g0 * step0 + g1 * step1 <= precision * (1 + loss):
            # what is left to gain is below the resolution of the loss: the last full step is the best one
            return PlattFit(slope - step0, intercept - step1)
        trial = _newton(rows, slope - step0, intercept - step1, ridge)
        while trial[0] > loss:
            step0, step1 = step0 / 2, step1 / 2
            trial = _newton(rows, slope - step0, intercept - step1, ridge)
        slope, intercept = slope - step0, intercept - step1
        loss, g0, g1, h00, h01, h11 = trial
    return PlattFit(slope, intercept)


def _newton(
    rows: list[tuple[float, float, float]], slope: float, intercept: float, ridge: float
) -> tuple[float, float, float, float, float, float]:
    """The loss, its gradient and its curvature, in one pass."""
    total = ridge / 2 * ((slope - 1) ** 2 + intercept**2)
    g0, g1 = ridge * (slope - 1), ridge * intercept
    h00 = h11 = ridge
    h01 = 0.0
    exp, log1p = math.exp, math.log1p
    for x, n, right in rows:
        z = slope * x + intercept
        # n log(1 + e^z) - right z, without overflow
        if z >= 0:
            e = exp(-z)
            p = 1 / (1 + e)
            total += n * (z + log1p(e)) - right * z
        else:
            e = exp(z)
            p = e / (1 + e)
            total += n * log1p(e) - right * z
        residual = n * p - right
        curvature = n * p * (1 - p)
        curved = curvature * x
        g0 += residual * x
        g1 += residual
        h00 += curved * x
        h01 += curved
        h11 += curvature
    return total, g0, g1, h00, h01, h11


def _sigmoid(z: float) -> float:
    if z >= 0:
        return 1 / (1 + math.exp(-z))
    e = math.exp(z)
    return e / (1 + e)


class CalibrationScores(msgspec.Struct, array_like=True):
    """Running quality of the calibration in force, each label judged by what was announced before it.

    Sums of weights w: ``weight`` = sum w, ``log_loss``, ``brier`` = sum w * loss, ``excess`` =
    sum w (e - p) and ``variance`` = sum w² p (1 - p) with e = 1 for an error and p its announced
    probability. Multiplying all weights by one number changes no answer.

    Examples
    --------
    >>> scores = CalibrationScores()
    >>> for error in [True] * 12 + [False] * 88:
    ...     scores.add(error, 0.05, 1.0)
    >>> round(scores.in_the_large, 2), round(scores.mean_brier, 4)
    (3.21, 0.1105)
    """

    weight: float = 0.0
    log_loss: float = 0.0
    brier: float = 0.0
    excess: float = 0.0
    variance: float = 0.0

    def add(self, error: bool, announced: float, weight: float) -> None:
        """Count a label: was it an error, and with which probability was one announced?"""
        self.weight += weight
        self.log_loss -= weight * math.log(announced if error else 1 - announced)
        self.brier += weight * ((1 - announced) if error else announced) ** 2
        self.excess += weight * ((1 - announced) if error else -announced)
        self.variance += weight * weight * announced * (1 - announced)

    def correct(self, error: bool, announced: float, weight: float) -> None:
        """A counted label turned out to be ``error``, the opposite of what was counted."""
        sign = 1 if error else -1
        self.log_loss += sign * weight * math.log((1 - announced) / announced)
        self.brier += sign * weight * (1 - 2 * announced)
        self.excess += sign * weight

    def scale(self, factor: float) -> None:
        """Multiply all weights."""
        self.weight *= factor
        self.log_loss *= factor
        self.brier *= factor
        self.excess *= factor
        self.variance *= factor * factor

    @property
    def in_the_large(self) -> float:
        """z = sum(e - p) / sqrt(sum p(1 - p)); positive when the AI is wrong more often than announced."""
        return self.excess / math.sqrt(self.variance) if self.variance > 0 else 0.0

    @property
    def mean_log_loss(self) -> float:
        """Mean log-loss in nats; 0 without labels."""
        return self.log_loss / self.weight if self.weight > 0 else 0.0

    @property
    def mean_brier(self) -> float:
        """Mean squared error of the announced probability; 0 without labels."""
        return self.brier / self.weight if self.weight > 0 else 0.0
