"""Shares of few cases: intervals, tails and differences, without a statistics package at run time."""

from __future__ import annotations

import math


def wilson(share: float, n: float, z: float) -> tuple[float, float]:
    """Wilson's score interval of a share in [0, 1] seen in ``n`` (effective) cases.

    (s + z²/2n ± z sqrt(s(1-s)/n + z²/4n²)) / (1 + z²/n); E. B. Wilson, JASA 22 (1927). Valid at one
    look. (0, 1) without cases.

    Examples
    --------
    >>> [round(x, 4) for x in wilson(0.1, 100, 1.96)]
    [0.0552, 0.1744]
    """
    if n <= 0:
        return 0.0, 1.0
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(max(share * (1 - share), 0.0) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def binomial_at_least(x: int, n: int, p: float) -> float:
    """P(Bin(n, p) >= x), exact, for 0 < p < 1.

    Examples
    --------
    >>> round(binomial_at_least(5, 50, 0.02), 5)
    0.00321
    """
    if x <= 0:
        return 1.0
    log_p, log_q, log_n = math.log(p), math.log1p(-p), math.lgamma(n + 1)

    def term(k: int) -> float:
        return math.exp(log_n - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * log_p + (n - k) * log_q)

    if x > n * p:
        return min(1.0, math.fsum(term(k) for k in range(x, n + 1)))
    return max(0.0, 1.0 - math.fsum(term(k) for k in range(x)))
