"""Shares of few cases: intervals, tails and differences, without a statistics package at run time."""

from __future__ import annotations

import math
from collections.abc import Callable


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


def anytime_interval(
    errors: int, n: int, delta: float, prior: tuple[float, float] = (0.5, 0.5)
) -> tuple[float, float]:
    """Confidence sequence for a share, valid at every look at once.

    The wealth of a bettor who spreads the stakes over all alternatives by Beta(a, b),
    K(m) = B(a + x, b + n - x) / (B(a, b) m^x (1 - m)^(n - x)), is a martingale when m is true; by
    Ville's inequality it ever reaches 1/delta with probability at most delta. The interval is
    {m : K(m) < 1/delta}. H. Robbins, Ann. Math. Statist. 41 (1970); Waudby-Smith and Ramdas,
    arXiv 2010.09686. Assumes that the conditional error probability stays the same.

    Examples
    --------
    >>> [round(x, 4) for x in anytime_interval(6, 300, 0.05)]
    [0.0031, 0.062]
    """
    if n <= 0:
        return 0.0, 1.0
    a, b = prior
    mixture = _log_beta(a + errors, b + n - errors) - _log_beta(a, b)
    limit = math.log(1 / delta)

    def refuted(m: float) -> bool:
        likelihood = (errors * math.log(m) if errors else 0.0) + (
            (n - errors) * math.log1p(-m) if n > errors else 0.0
        )
        return mixture - likelihood >= limit

    share = errors / n
    lower = 0.0 if errors == 0 else _boundary(refuted, 1e-15, share)
    upper = 1.0 if errors == n else _boundary(refuted, 1 - 1e-15, share)
    return lower, upper


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _boundary(refuted: Callable[[float], bool], outside: float, inside: float) -> float:
    for _ in range(60):
        middle = (outside + inside) / 2
        if refuted(middle):
            outside = middle
        else:
            inside = middle
    return outside
