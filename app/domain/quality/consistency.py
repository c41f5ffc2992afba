"""Are like cases decided alike, and for the same reasons? Spread in a cell against what two people differ by.

A cell is what should be alike: the same type, confidence band and rules that applied. Cases in a cell
still differ, so spread alone says nothing. Two independent answers to one and the same case are the
floor: they differ by people only.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from app.domain.learning.proportions import wilson


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How much the answers of one cell differ. ``gini`` is the chance that two of them differ, ``entropy`` is
    normalised to [0, 1]; ``floor`` is the chance that two people differ over the same case."""

    cell: str
    answers: int
    gini: float
    entropy: float
    pairs: int
    floor: float | None
    upper_floor: float | None
    """Wilson's upper bound of the floor."""

    @property
    def by_people(self) -> float | None:
        """Share of the spread that people alone explain, 0 to 1; ``None`` where it can not be told."""
        if self.floor is None or self.gini == 0:
            return None
        return min(1.0, self.floor / self.gini)


def gini(counts: Mapping[str, int]) -> float:
    """Gini's impurity without bias: the chance that two different answers of the cell differ.

    1 - sum n_k (n_k - 1) / (n (n - 1)); E. H. Simpson, Nature 163 (1949). 0 for fewer than two answers.

    >>> round(gini({"approve": 9, "reject": 1}), 2), gini({"approve": 4}), gini({"a": 1, "b": 1, "c": 1})
    (0.2, 0.0, 1.0)
    """
    n = sum(counts.values())
    return 1 - sum(k * (k - 1) for k in counts.values()) / (n * (n - 1)) if n > 1 else 0.0


def normalised_entropy(counts: Mapping[str, int], possible: int | None = None) -> float:
    """Shannon's entropy over that of equal shares of ``possible`` answers (those seen, unless given).

    With the Miller-Madow correction (s - 1) / 2n for s answers seen, as few answers look too much alike; at
    most 1. G. A. Miller, Information Theory in Psychology (1955).

    >>> normalised_entropy({"a": 50, "b": 50}), normalised_entropy({"a": 100}, 5)
    (1.0, 0.0)
    >>> round(normalised_entropy({"a": 90, "b": 10}, 4), 3)
    0.238
    """
    seen = [k for k in counts.values() if k > 0]
    n, categories = sum(seen), max(possible or 0, len(seen))
    if n == 0 or categories < 2:
        return 0.0
    entropy = -sum(k / n * math.log(k / n) for k in seen) + (len(seen) - 1) / (2 * n)
    return min(1.0, entropy / math.log(categories))


def spreads(
    answers: Iterable[tuple[str, str]],
    pairs: Iterable[tuple[str, str, str]],
    *,
    possible: int | None = None,
    fewest: int = 10,
) -> list[Spread]:
    """The spread of each cell with at least ``fewest`` answers, the widest first.

    Parameters
    ----------
    answers
        (cell, answer) of single answers: decisions, or the reason codes of equal decisions.
    pairs
        (cell, one answer, other answer) of two people over the same case.

    Examples
    --------
    >>> told = [("travel", "approve")] * 12 + [("travel", "reject")] * 8
    >>> pairs = [("travel", "approve", "reject")] * 3 + [("travel", "approve", "approve")] * 9
    >>> [found] = spreads(told, pairs)
    >>> round(found.gini, 2), found.floor, round(found.by_people, 2)
    (0.51, 0.25, 0.49)
    """
    cells: dict[str, Counter[str]] = {}
    for cell, answer in answers:
        cells.setdefault(cell, Counter())[answer] += 1
    differing: dict[str, list[bool]] = {}
    for cell, one, other in pairs:
        differing.setdefault(cell, []).append(one != other)
    found = [
        _spread(cell, counts, differing.get(cell, ()), possible)
        for cell, counts in cells.items()
        if counts.total() >= fewest
    ]
    return sorted(found, key=lambda one: (-one.gini, one.cell))


def _spread(cell: str, counts: Counter[str], differing: Sequence[bool], possible: int | None) -> Spread:
    pairs = len(differing)
    floor = sum(differing) / pairs if pairs else None
    return Spread(
        cell=cell,
        answers=counts.total(),
        gini=gini(counts),
        entropy=normalised_entropy(counts, possible),
        pairs=pairs,
        floor=floor,
        upper_floor=None if floor is None else wilson(floor, pairs, 1.96)[1],
    )
