"""How the chance of a false statement is spread over restarts, so that all of them together keep delta."""

from __future__ import annotations


def delta_of(restarts: int, delta: float) -> float:
    """The share of ``delta`` that the epoch after so many restarts may spend.

    .9 delta before the first restart, .1 delta 2^-j after the j-th, for ever: the sum is delta.

    Examples
    --------
    >>> delta_of(0, 0.05), delta_of(1, 0.05), delta_of(2, 0.05)
    (0.045000000000000005, 0.0025000000000000005, 0.0012500000000000002)
    >>> 0.0499 < sum(delta_of(j, 0.05) for j in range(60)) < 0.0500001
    True
    """
    return 0.9 * delta if restarts == 0 else 0.1 * delta * 2.0**-restarts


def spent(restarts: int, delta: float) -> float:
    """What all epochs up to this one may have spent together.

    >>> round(spent(0, 0.05), 4), round(spent(1, 0.05), 4)
    (0.045, 0.0475)
    """
    return sum(delta_of(j, delta) for j in range(restarts + 1))
