"""The exact sequential boundary: how many labels, with so many errors, show that few enough are wrong.

Labels arrive one by one and are looked at again and again. After ``n`` labels with ``j`` errors the
hypothesis "the rate is at least a" is rejected as soon as ``n >= N_j``, with

    N_j = min{n : P(Bin(n, a) <= j) <= g (j + 1)^rho}

and ``g`` as large as possible while the chance that this ever happens at the rate ``a`` is at most delta.
That chance falls with every error, so it is smaller still at any higher rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache

SHALLOW, DEEP = 0.25, 1.0
"""``rho`` of regions with few decisions and with many: deep ones have more labels, and wait for them."""

_BISECTIONS = 24
_LARGEST = 0.5
_TINY = 1e-18


@lru_cache(maxsize=512)
def boundary(rate: float, delta: float, planned: int, rho: float) -> tuple[int, ...]:
    """N_0 < N_1 < ...: labels that are enough with 0, 1, ... errors. Those above ``planned`` are left out.

    Exact: ``g`` is found by bisection on :func:`crossing`, which adds up all paths. Learning without a
    martingale's factor for the unknown time of the look, so tighter than betting where labels are few.
    After J. Bather and the sequential probability ratio tests of Wald; docs/learning.md.

    Parameters
    ----------
    rate
        The limit a, in (0, 1).
    delta
        Chance of ever rejecting at the rate ``a``, in (0, 1); reached from below, as closely as whole
        numbers of labels allow.
    planned
        Labels over which the chance is spread, at least 1. Later labels reject only what these would have.
    rho
        Shape, at least 0: 0 spends the chance on few errors, larger values keep some for many.

    Examples
    --------
    >>> boundary(0.02, 0.09, 1800, SHALLOW)[:4], boundary(0.02, 0.09, 1800, DEEP)[:4]
    ((223, 313, 393, 468), (316, 390, 459, 525))
    >>> crossing(boundary(0.02, 0.09, 1800, SHALLOW), 0.02) <= 0.09
    True
    """
    low, high = 0.0, min(delta / (1 - rate), _LARGEST)  # N_0 alone is crossed with more than g (1 - a)
    best: tuple[int, ...] = ()
    for _ in range(_BISECTIONS):
        g = (low + high) / 2
        tried = _within(delta, rate, _labels_enough(rate, g, planned, rho), round(planned * rate) + 2)
        if tried is not None:
            low, best = g, tried
        else:
            high = g
    return best


def crossing(enough: tuple[int, ...], rate: float) -> float:
    """Chance that ``n >= N_j`` ever holds with ``j`` errors among ``n`` labels that are wrong at ``rate``.

    Dynamic programme over (labels, errors), in the steps from one N_j to the next: who has not crossed
    at N_j has more than j errors there.

    Examples
    --------
    >>> round(crossing((10,), 0.1), 6) == round(0.9**10, 6)
    True
    >>> round(crossing((10, 20), 0.1), 6) == round(0.9**10 + 10 * 0.1 * 0.9**9 * 0.9**10, 6)
    True
    """
    return _Paths(rate, len(enough)).crossed_by(enough)


class _Paths:
    """All paths of (labels, errors) that have not crossed: ``alive[i]`` is the chance of ``i`` errors. With
    ``top`` errors nothing is crossed any more."""

    def __init__(self, rate: float, top: int) -> None:
        self._rate = rate
        self._top = top
        self._alive = [1.0]
        self._labels = self._errors = 0
        self.crossed = 0.0

    def crossed_by(self, enough: Iterable[int]) -> float:
        for labels in enough:
            self.go_on(labels)
        return self.crossed

    def go_on(self, labels: int) -> None:
        """To the next N_j."""
        steps = _binomial(labels - self._labels, self._rate, self._top)
        after = [0.0] * self._top
        for i, probability in enumerate(self._alive):
            if probability:
                for k in range(min(len(steps), self._top - i)):
                    after[i + k] += probability * steps[k]
        self.crossed += after[self._errors]
        after[self._errors] = 0.0
        self._alive, self._labels = after, labels
        self._errors += 1


def _within(delta: float, rate: float, enough: Iterable[int], top: int) -> tuple[int, ...] | None:
    """``enough``, or ``None`` as soon as it is crossed with more than ``delta``."""
    paths, found = _Paths(rate, top), []
    for labels in enough:
        found.append(labels)
        paths.go_on(labels)
        if paths.crossed > delta:
            return None
    return tuple(found)


def _labels_enough(rate: float, g: float, planned: int, rho: float) -> Iterator[int]:
    errors, labels = 0, 0
    while True:
        limit = g * (errors + 1) ** rho
        # leaving one out is always safe, and at more than an even chance there is nothing to show
        if limit > _LARGEST or _at_most(errors, planned, rate) > limit:
            return
        # P(Bin(n, a) <= j) falls with n: stride until it is low enough, then search between
        stride = max(int(1 / rate), 1)
        low, high = labels + 1, min(labels + stride, planned)
        while _at_most(errors, high, rate) > limit:
            low, high, stride = high + 1, min(high + stride, planned), 2 * stride
        while low < high:
            middle = (low + high) // 2
            if _at_most(errors, middle, rate) <= limit:
                high = middle
            else:
                low = middle + 1
        labels = low
        errors += 1
        yield labels


def _at_most(errors: int, labels: int, rate: float) -> float:
    return sum(_binomial(labels, rate, errors + 1)) if labels > errors else 1.0


def _binomial(labels: int, rate: float, values: int) -> list[float]:
    """P(Bin(labels, rate) = 0), ... for so many values, without those that do not matter."""
    probability = math.exp(labels * math.log1p(-rate))
    odds = rate / (1 - rate)
    row = [probability]
    for k in range(1, min(values, labels + 1)):
        probability *= (labels - k + 1) / k * odds
        if probability < _TINY and k > labels * rate:
            break
        row.append(probability)
    return row
