"""The anchoring gap: do people disagree less once they have seen the recommendation?

Who is asked first is drawn at random, so within a confidence band blind and shown answers face the same
kind of cases, and the difference of their override rates is what the recommendation does to the answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from app.domain.quality.figures import Anchoring

FEWEST = 10
"""Blind and shown answers that are needed in all before a gap is told."""


class Cell(msgspec.Struct):
    """Answers in one confidence band."""

    blind: int = 0
    blind_overrides: int = 0
    shown: int = 0
    shown_overrides: int = 0

    def add(self, *, blind: bool, override: bool) -> None:
        """Count an answer; in a blind review the first one, given before anything was shown."""
        if blind:
            self.blind += 1
            self.blind_overrides += override
        else:
            self.shown += 1
            self.shown_overrides += override


def anchoring(cells: Iterable[Cell], *, z: float = 1.96, fewest: int = FEWEST) -> Anchoring:
    """Override rate blind less override rate shown, over bands, in [-1, 1].

    Mantel-Haenszel risk difference: sum w d / sum w with w = n_b n_s / (n_b + n_s); its interval by Sato's
    variance, which holds for many thin strata as well as for few thick ones. S. Greenland and J. M. Robins,
    Biometrics 41 (1985); T. Sato, Biometrics 45 (1989).

    Examples
    --------
    >>> found = anchoring([Cell(40, 12, 160, 16), Cell(20, 2, 80, 4)])
    >>> [round(x, 3) for x in (found.gap, found.lower, found.upper)]
    [0.15, 0.038, 0.262]
    >>> anchoring([Cell(3, 1, 200, 9)]).gap is None
    True
    """
    cells = list(cells)
    counted = Anchoring(
        blind=sum(cell.blind for cell in cells),
        blind_overrides=sum(cell.blind_overrides for cell in cells),
        shown=sum(cell.shown for cell in cells),
        shown_overrides=sum(cell.shown_overrides for cell in cells),
    )
    both = [cell for cell in cells if cell.blind and cell.shown]
    if counted.blind < fewest or counted.shown < fewest or not both:
        return counted
    weights = [cell.blind * cell.shown / (cell.blind + cell.shown) for cell in both]
    total = sum(weights)
    gaps = [cell.blind_overrides / cell.blind - cell.shown_overrides / cell.shown for cell in both]
    gap = sum(w * d for w, d in zip(weights, gaps, strict=True)) / total
    spread = z * math.sqrt(max(gap * sum(map(_p, both)) + sum(map(_q, both)), 0.0)) / total
    return msgspec.structs.replace(
        counted, gap=gap, lower=max(-1.0, gap - spread), upper=min(1.0, gap + spread)
    )


def _p(cell: Cell) -> float:
    n1, n0 = cell.blind, cell.shown
    x1, x0 = cell.blind_overrides, cell.shown_overrides
    return (n1 * n1 * x0 - n0 * n0 * x1 + n1 * n0 * (n0 - n1) / 2) / (n1 + n0) ** 2


def _q(cell: Cell) -> float:
    n1, n0 = cell.blind, cell.shown
    x1, x0 = cell.blind_overrides, cell.shown_overrides
    return (x1 * (n0 - x0) + x0 * (n1 - x1)) / (2 * (n1 + n0))
