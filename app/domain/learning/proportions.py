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


def beta_at_most(x: float, a: float, b: float) -> float:
    """P(Beta(a, b) <= x): the regularised incomplete beta function, for 0 < x < 1 and a, b > 0.

    Lentz's continued fraction; Numerical Recipes, 3rd edition, 6.4. A few dozen steps, however many cases.

    Examples
    --------
    >>> round(beta_at_most(0.3, 2, 5), 6), round(beta_at_most(0.5, 400, 400), 6)
    (0.579825, 0.5)
    """
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta_at_most(1.0 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1.0 / (1.0 - (a + b) * x / (a + 1))
    fraction = d
    for m in range(1, 10_000):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1.0 / (1.0 + even * d), 1.0 + even / c
        fraction *= c * d
        d, c = 1.0 / (1.0 + odd * d), 1.0 + odd / c
        fraction *= c * d
        if abs(c * d - 1.0) < 1e-14:
            break
    return math.exp(log_front) * fraction / a
