"""Score bins: the grid on which traffic and labels of a learning key are counted.

94 bins cover [0.5, 1]: 80 of width .005 up to .9, 9 of .01 up to .99, then .9925, .995, .9975, .999
and 1. They are finer where most automation happens. A score below .5 has no bin (-1): the AI itself
thinks it is more likely wrong than right, so such a decision is never automated.

Every threshold that learning asks for is a lower edge, so "bin >= k" and "score >= threshold" are the
same set of decisions.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

EDGES: tuple[float, ...] = (
    *(round(0.5 + 0.005 * i, 4) for i in range(80)),
    *(round(0.9 + 0.01 * i, 4) for i in range(9)),
    0.99,
    0.9925,
    0.995,
    0.9975,
    0.999,
    1.0,
)
"""95 edges, ascending, as the doubles nearest to their decimal form (so a JSON ``0.9`` hits its edge)."""

LOWER_EDGES: tuple[float, ...] = EDGES[:-1]
MIDPOINTS: tuple[float, ...] = tuple((a + b) / 2 for a, b in pairwise(EDGES))
BINS = len(LOWER_EDGES)

NO_BIN = -1
REVIEW_EVERYTHING = 1.01
"""A threshold that no score reaches: everything is reviewed."""


def bin_of(score: float) -> int:
    """The bin of a score; -1 below .5, above 1 and for NaN.

    A bin contains its lower edge; the last one also contains 1.

    Examples
    --------
    >>> bin_of(0.5), bin_of(0.9), bin_of(0.989999), bin_of(0.99), bin_of(1.0)
    (0, 80, 88, 89, 93)
    >>> bin_of(0.4999), bin_of(float("nan")), bin_of(1.2)
    (-1, -1, -1)
    """
    if 0.5 <= score < 1.0:
        return bisect_right(LOWER_EDGES, score) - 1
    return BINS - 1 if score == 1.0 else NO_BIN
