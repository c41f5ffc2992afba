"""How often people override the AI in cases like this one: what a single person's rate is compared with."""

from __future__ import annotations

from app.domain.learning.override_rates import Expectation

HALF_LIFE = 500.0
"""Answers after which one of them weighs half in override rates."""
PRIOR = 10.0
"""Answers that the rate of a type is worth in each of its bands."""

_FADE = 0.5 ** (1 / HALF_LIFE)


class CaseMix:
    """Override rates of everybody, by decision type and score band."""

    def __init__(self) -> None:
        self._bands: dict[tuple[str, int], Expectation] = {}
        self._types: dict[str, Expectation] = {}

    def add(self, decision_type: str, band: int, override: bool, *groups: Expectation) -> None:
        """Count an answer, for everybody and for ``groups``, against what was usual until then."""
        overall = self._types.setdefault(decision_type, Expectation())
        cell = self._bands.setdefault((decision_type, band), Expectation())
        rate = (overall.observed + 1) / (overall.weight + 5)
        usual = (cell.observed + PRIOR * rate) / (cell.weight + PRIOR)
        for group in (*groups, cell, overall):
            group.add(override, usual, _FADE)
