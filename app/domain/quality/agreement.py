"""Do several people answer alike? Gwet's AC1, which does not collapse when nearly all answers are the same
(as Cohen's kappa and Fleiss' do: with 95 % approvals two people who agree on 90 % get a kappa near 0)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from app.domain.quality.figures import Agreement


def agreement(items: Sequence[Sequence[str]], *, z: float = 1.96) -> Agreement | None:
    """AC1 over items, each the answers of the people who rated it (in any order, two or more).

    Items with fewer than two answers do not count for agreement, but do for chance. ``None`` without an
    item that two have answered. With q categories, r_i raters and r_ik answers k on item i:
    pa = mean of sum_k r_ik (r_ik - 1) / (r_i (r_i - 1)), pi_k = mean of r_ik / r_i,
    pe = sum_k pi_k (1 - pi_k) / (q - 1), AC1 = (pa - pe) / (1 - pe). The variance is over items, for raters
    as they are. K. L. Gwet, British Journal of Mathematical and Statistical Psychology 61 (2008), 29-48;
    Handbook of Inter-Rater Reliability (4th ed., 2014), ch. 5.

    Examples
    --------
    Two people, 100 cases: both approve 90, both reject 2, they differ on 8.

    >>> found = agreement([["approve"] * 2] * 90 + [["reject"] * 2] * 2 + [["approve", "reject"]] * 8)
    >>> [round(x, 3) for x in (found.observed, found.expected, found.coefficient, found.standard_error)]
    [0.92, 0.113, 0.91, 0.033]
    >>> agreement([["approve"] * 3] * 4).coefficient, agreement([["approve"]]) is None
    (1.0, True)
    """
    rated = [Counter(answers) for answers in items if answers]
    several = [counts for counts in rated if counts.total() >= 2]
    if not several:
        return None
    categories = sorted({answer for counts in rated for answer in counts})
    n, paired = len(rated), len(several)
    observed = sum(map(agreeing, several)) / paired
    shares = {k: sum(counts[k] / counts.total() for counts in rated) / n for k in categories}
    q = len(categories)
    expected = sum(p * (1 - p) for p in shares.values()) / (q - 1) if q > 1 else 0.0
    coefficient = (observed - expected) / (1 - expected)
    error = _standard_error(rated, n / paired, shares, expected, coefficient)
    return Agreement(
        items=paired,
        raters=max(counts.total() for counts in several),
        observed=observed,
        expected=expected,
        coefficient=coefficient,
        standard_error=error,
        lower=max(-1.0, coefficient - z * error),
        upper=min(1.0, coefficient + z * error),
    )


def agreeing(counts: Counter[str]) -> float:
    """Share of pairs of answers to one item that are the same; needs two.

    >>> round(agreeing(Counter(["a", "a", "b"])), 3)
    0.333
    """
    r = counts.total()
    return sum(c * (c - 1) for c in counts.values()) / (r * (r - 1))


def _standard_error(
    rated: Sequence[Counter[str]],
    scale: float,
    shares: Mapping[str, float],
    expected: float,
    coefficient: float,
) -> float:
    n, q = len(rated), len(shares)
    if n < 2:
        return 0.0
    total = 0.0
    for counts in rated:
        r = counts.total()
        own = scale * (agreeing(counts) - expected) / (1 - expected) if r >= 2 else 0.0
        chance = sum(counts[k] / r * (1 - p) for k, p in shares.items()) / (q - 1) if q > 1 else 0.0
        adjusted = own - 2 * (1 - coefficient) * (chance - expected) / (1 - expected)
        total += (adjusted - coefficient) ** 2
    return math.sqrt(total / (n * (n - 1)))
