"""The exact sequential boundary of docs/learning.md, written apart from the product's."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

PLANNED = 1800
NEVER = 1 << 30


@lru_cache(maxsize=4096)
def boundary(rate: float, delta: float, rho: float, planned: int = PLANNED) -> NDArray[np.int64]:
    """N_j = min{n : P(Bin(n, rate) <= j) <= g (j+1)^rho}, g by bisection so that all of it costs delta.

    >>> boundary(0.03, 0.09, 0.25)[:4].tolist(), boundary(0.01, 0.09, 1.0)[:4].tolist()
    ([156, 218, 272, 323], [538, 673, 800, 921])
    """
    top = int(binom.ppf(0.6, planned, rate)) + 1
    errors, labels = np.arange(top + 1), np.arange(planned + 1)
    tail = binom.cdf(errors[:, None], labels[None, :], rate)
    low, high, best = 0.0, 1.0, np.zeros(0, np.int64)
    shape = (errors + 1.0) ** rho
    for _ in range(30):
        g = (low + high) / 2
        enough = (tail > (g * shape)[:, None]).sum(1)  # the tail falls with n
        enough = np.maximum.accumulate(enough - errors) + errors  # strictly rising
        enough = enough[enough <= planned]
        if crossing(enough, rate) <= delta:
            low, best = g, enough
        else:
            high = g
    return best


def crossing(enough: NDArray[np.int64], rate: float) -> float:
    """P(n >= N_j with j errors, for any n), by the law of the errors among those that have not crossed."""
    top = len(enough)
    if top == 0:
        return 0.0
    alive = np.zeros(top + 1)
    alive[0] = 1.0
    total = 0.0
    for j, step in enumerate(np.diff(enough, prepend=0)):
        alive = np.convolve(alive, binom.pmf(np.arange(top + 1), step, rate))[: top + 1]
        total += alive[j]
        alive[j] = 0.0
    return float(total)
