"""How often a reviewer catches a known error of the AI: a test that may be looked at after every item,
and a bound of the rate."""

from __future__ import annotations

import math
from statistics import NormalDist

from app.domain.learning.proportions import beta_at_most

TARGET = 0.8
"""Share of known errors that a reviewer should catch."""
ALTERNATIVE = 0.5
"""The catch rate that the test is sharpest against: half of the errors go through."""
ALARM = 100.0
"""Evidence from which a reviewer is said to miss too much. Whoever catches the target share gets there
after 100 known errors on average, or more."""

_NEWTON_STEPS = 20
_NEAR, _CLOSE, _LEAST = 1e-6, 1e-10, 1e-12


def update(evidence: float, caught: bool, target: float = TARGET, alternative: float = ALTERNATIVE) -> float:
    """The evidence against "catches at least ``target``" after one more item, from 1 before the first.

    An e-detector of the CUSUM kind: M <- max(M, 1) x likelihood ratio of ``alternative`` to ``target``, .625
    when caught, 2.5 when missed. The ratio's expectation is at most 1 whenever the true rate is at least
    ``target``, so that the mean time to ``M >= 100`` is at least 100 items for such a person, however
    often one looks; and years of good work do not hide that somebody has stopped looking. J. Shin,
    A. Ramdas and A. Rinaldo, E-detectors, arXiv 2203.03532, theorem 2.4.

    Examples
    --------
    >>> e = 1.0
    >>> for caught in (True, True, True, False, False, True, False, False, False, False, False):
    ...     e = update(e, caught)
    >>> round(e), e >= ALARM
    (381, True)
    """
    ratio = alternative / target if caught else (1 - alternative) / (1 - target)
    return max(evidence, 1.0) * ratio


def lower_bound(caught: int, shown: int, tail: float = 0.05) -> float:
    """The ``tail`` quantile of Beta(1 + caught, 1 + shown - caught), the catch rate's posterior from a
    uniform prior.

    Bisection to 1e-9. Newton's method finds the place first, so that only the last steps ask for the
    distribution.

    Examples
    --------
    >>> round(lower_bound(18, 20), 4), round(lower_bound(0, 0), 4)
    (0.7294, 0.05)
    """
    a, b = 1.0 + caught, 1.0 + shown - caught
    surely_below, surely_above = _around_quantile(tail, a, b)
    below, above = 1e-12, 1.0 - 1e-12
    while above - below > 1e-9:
        middle = (below + above) / 2
        if middle <= surely_below or (middle < surely_above and beta_at_most(middle, a, b) < tail):
            below = middle
        else:
            above = middle
    return (below + above) / 2


def _around_quantile(tail: float, a: float, b: float) -> tuple[float, float]:
    """Two numbers with the ``tail`` quantile of Beta(a, b) between them, close to each other."""
    below, above, mean = 0.0, 1.0, a / (a + b)
    x = max(mean + NormalDist().inv_cdf(tail) * math.sqrt(mean * (1.0 - mean) / (a + b + 1.0)), mean / 8)
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    for _ in range(_NEWTON_STEPS):
        excess = beta_at_most(x, a, b) - tail
        if excess < 0.0:
            below = x
        else:
            above = x
        density = math.exp((a - 1.0) * math.log(x) + (b - 1.0) * math.log1p(-x) - log_beta)
        step = excess / density if density > 0.0 else 1.0
        x = x - step if below < x - step < above else (below + above) / 2
        if abs(step) < _NEAR:  # the error left is of the order of its square
            break
    if beta_at_most(max(x - _CLOSE, below, _LEAST), a, b) < tail:
        below = max(x - _CLOSE, below)
    if beta_at_most(min(x + _CLOSE, above, 1.0 - _LEAST), a, b) >= tail:
        above = min(x + _CLOSE, above)
    return below, above
