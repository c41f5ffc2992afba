"""How often a reviewer catches a known error of the AI: a test that may be looked at after every item,
and a bound of the rate."""

from __future__ import annotations

from app.domain.learning.proportions import beta_at_most

TARGET = 0.8
"""Share of known errors that a reviewer should catch."""
ALTERNATIVE = 0.5
"""The catch rate that the test is sharpest against: half of the errors go through."""
ALARM = 100.0
"""Evidence from which a reviewer is said to miss too much. Whoever catches the target share gets there
after 100 known errors on average, or more."""


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

    Bisection to 1e-9.

    Examples
    --------
    >>> round(lower_bound(18, 20), 4), round(lower_bound(0, 0), 4)
    (0.7294, 0.05)
    """
    below, above = 1e-12, 1.0 - 1e-12
    while above - below > 1e-9:
        middle = (below + above) / 2
        if beta_at_most(middle, 1.0 + caught, 1.0 + shown - caught) < tail:
            below = middle
        else:
            above = middle
    return (below + above) / 2
