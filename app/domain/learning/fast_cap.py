"""The fast cap: where automation must stop for now. It may only tighten, so it needs no proof.

Labels are few and bins are many, so each bin's error probability leans on the Platt fit of all:
p_b = (e_b + m p_platt(b)) / (n_b + m) with m = 50 labels. The expected error of automating from bin k
up weighs p_b by traffic. tau_cal(f) is the lowest threshold at which it is at most f * alpha.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from app.domain.learning.bins import BINS, LOWER_EDGES, REVIEW_EVERYTHING, bin_of
from app.domain.learning.calibration import PlattFit
from app.domain.learning.proportions import binomial_at_least


def error_by_bin(
    counts: Sequence[float], errors: Sequence[float], calibration: PlattFit, prior_labels: float
) -> list[float]:
    """p_b for each bin, shape (94,): observed errors shrunk to the Platt fit.

    Examples
    --------
    >>> p = error_by_bin([0.0] * 93 + [50.0], [0.0] * 93 + [10.0], PlattFit(), 50.0)
    >>> round(p[0], 4), round(p[93], 5)
    (0.4975, 0.10025)
    """
    return [
        (e + prior_labels * p) / (n + prior_labels)
        for n, e, p in zip(counts, errors, calibration.errors_by_bin(), strict=True)
    ]


def expected_errors(error: Sequence[float], traffic: Sequence[float]) -> list[float | None]:
    """Expected error of automating from each bin up, shape (94,); ``None`` where nothing comes.

    sum_{b>=k} t_b p_b / sum_{b>=k} t_b with t_b the (decayed) decisions of bin b.

    Examples
    --------
    >>> curve = expected_errors([0.04] * 93 + [0.02], [0.0] * 92 + [1.0, 3.0])
    >>> round(curve[0], 6), round(curve[93], 6)
    (0.025, 0.02)
    """
    curve: list[float | None] = [None] * BINS
    wrong = mass = 0.0
    for k in range(BINS - 1, -1, -1):
        wrong += traffic[k] * error[k]
        mass += traffic[k]
        if mass > 0:
            curve[k] = wrong / mass
    return curve


def tau_cal(curve: Sequence[float | None], floor: float, limit: float) -> float:
    """The lowest threshold from ``floor`` up whose expected error is at most ``limit``.

    Thresholds are ``floor`` itself and the bin edges above it; the bin that contains the floor is
    judged whole, which is the careful side. 1.01 (review everything) if none will do, ``floor`` if
    the floor itself reviews everything. What a floor below .5 automates there has no bin and no cap.

    Examples
    --------
    >>> curve = [0.05] * 85 + [0.02] * 9
    >>> tau_cal(curve, 0.9, 0.03), tau_cal(curve, 0.97, 0.03), tau_cal(curve, 0.9, 0.01)
    (0.95, 0.97, 1.01)
    """
    if floor > 1:
        return floor
    first = bin_of(max(floor, LOWER_EDGES[0]))
    for k in range(first, BINS):
        expected = curve[k]
        if expected is not None and expected <= limit:
            return floor if k == first else LOWER_EDGES[k]
    return REVIEW_EVERYTHING


def labels_needed(alpha: float, delta: float) -> int:
    """Fewest labels that can say anything about ``alpha``: ceil(log delta / log(1 - alpha)).

    So many labels without a single error would show, at one look, that the error is below alpha with
    confidence 1 - delta. A certificate that is looked at again and again needs two to three times as
    many, and more for every error.

    Examples
    --------
    >>> labels_needed(0.05, 0.10), labels_needed(0.02, 0.05), labels_needed(0.01, 0.01)
    (45, 149, 459)
    """
    return math.ceil(math.log(delta) / math.log1p(-alpha))


def enough_evidence(labels: int, errors: int, alpha: float, delta: float, early_significance: float) -> bool:
    """May the cap act? With enough labels, or earlier when so many errors are already improbable.

    Examples
    --------
    >>> enough_evidence(60, 1, 0.02, 0.05, 0.01), enough_evidence(60, 6, 0.02, 0.05, 0.01)
    (False, True)
    """
    if labels >= labels_needed(alpha, delta):
        return True
    return labels > 0 and binomial_at_least(errors, labels, alpha) <= early_significance
