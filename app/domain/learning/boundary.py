"""The exact sequential boundary: how many labels, with so many errors, show that few enough are wrong.

Labels arrive one by one and are looked at again and again. After ``n`` labels with ``j`` errors the
hypothesis "the rate is at least a" is rejected as soon as ``n >= N_j``, with

    N_j = min{n : P(Bin(n, a) <= j) <= g (j + 1)^rho}

and ``g`` as large as possible while the chance that this ever happens at the rate ``a`` is at most delta.
That chance falls with every error, so it is smaller still at any higher rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

SHALLOW, DEEP = 0.25, 1.0
"""``rho`` of regions with few decisions and with many: deep ones have more labels, and wait for them."""

_HALVINGS = 24
_LARGEST = 0.5
_TINY = 1e-18


@lru_cache(maxsize=512)
def boundary(rate: float, delta: float, planned: int, rho: float) -> tuple[int, ...]:
    """N_0 < N_1 < ...: labels that are enough with 0, 1, ... errors. Those above ``planned`` are left out.

    Exact: ``g`` is searched on :func:`crossing`, which adds up all paths. Learning without a
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
    close = high * 2.0**-_HALVINGS
    enough, too_few = _Paths(), _Paths()
    while high - low > close:
        g = _next(low, high, enough, delta)
        # N_j falls with g: it lies between those of the two that are known
        labels = _labels_enough(rate, g, planned, rho, too_few.labels, enough.labels)
        tried = _Paths()
        if tried.within(delta, labels, rate, round(planned * rate) + 2, (enough, too_few)):
            low, enough = g, tried
        else:
            high, too_few = g, tried
    return tuple(enough.labels)


def _next(low: float, high: float, enough: _Paths, delta: float) -> float:
    """Which ``g`` to try between two. The chance of crossing grows about as ``g`` does: what is crossed at
    ``low`` tells where delta is reached, and an eighth of the way from there brings the other end close."""
    if not enough.crossed:
        return (low + high) / 2
    step = (high - low) / 8
    return min(max(low * delta / enough.crossed[-1], low + step), high - step)


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
    paths = _Paths()
    paths.within(math.inf, enough, rate, len(enough), ())
    return paths.crossed[-1] if enough else 0.0


class _Paths:
    """All paths of (labels, errors) that have not crossed, after each N_j: ``alive[j][i]`` is the chance of
    ``i`` errors, ``crossed[j]`` that of having crossed."""

    def __init__(self) -> None:
        self.labels: list[int] = []
        self.alive: list[list[float]] = []
        self.crossed: list[float] = []

    def within(
        self, delta: float, enough: Iterable[int], rate: float, top: int, known: Sequence[_Paths]
    ) -> bool:
        """Goes through all of ``enough``, as long as they are crossed with no more than ``delta``; whether
        that is all of them. With ``top`` errors nothing is crossed any more. What begins as one of the
        ``known`` does is taken from there."""
        for labels in enough:
            j = len(self.labels)
            known = [one for one in known if j < len(one.labels) and one.labels[j] == labels]
            self.labels.append(labels)
            if known:
                self.alive.append(known[0].alive[j])
                self.crossed.append(known[0].crossed[j])
            else:
                self._go_on(labels, rate, top)
            if self.crossed[-1] > delta:
                return False
        return True

    def _go_on(self, labels: int, rate: float, top: int) -> None:
        errors = len(self.labels) - 1
        before = self.labels[-2] if errors else 0
        steps = _binomial(labels - before, rate, top)
        after = [0.0] * top
        for i, probability in enumerate(self.alive[-1] if errors else [1.0]):
            if probability > _TINY:
                for k, step in enumerate(steps[: top - i], start=i):
                    after[k] += probability * step
        self.crossed.append((self.crossed[-1] if errors else 0.0) + after[errors])
        after[errors] = 0.0
        self.alive.append(after)


def _labels_enough(
    rate: float, g: float, planned: int, rho: float, least: Sequence[int], most: Sequence[int]
) -> Iterator[int]:
    """N_0, N_1, ... for ``g``, as far as they are of use; known to lie from ``least`` to ``most`` where those
    have a number for them."""
    errors, labels = 0, 0
    while True:
        limit = g * (errors + 1) ** rho
        # leaving one out is always safe, and at more than an even chance there is nothing to show
        if limit > _LARGEST or _at_most(errors, planned, rate) > limit:
            return
        # P(Bin(n, a) <= j) falls with n: stride until it is low enough, then search between
        low = max(labels + 1, least[errors] if errors < len(least) else 0)
        if errors < len(most):
            high = most[errors]
        else:
            stride = max(int(1 / rate), 1)
            high = min(low + stride, planned)
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


@lru_cache(maxsize=8192)
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
