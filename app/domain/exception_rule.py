"""A draft exception rule from the facts of one edge case, for a person to edit and another to approve."""

from __future__ import annotations

import json
import math
import re

from app.domain.terms import Facts

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_FACTS = 8
_LONGEST_TEXT = 40
"""Longer texts are free text, which no second case will repeat."""


def draft_rule(facts: Facts, required: tuple[str, ...]) -> str:
    """CEL that holds for this case and for those like it.

    Texts and booleans must be equal; a number must fall between its neighbours of two significant
    digits. Required facts come first, and no more than eight facts are used.

    >>> draft_rule({"amount": 1240.5, "category": "travel", "note": None}, ("amount",))
    'facts.amount >= 1200.0 && facts.amount <= 1300.0 && has(facts.category) && facts.category == "travel"'
    """
    names = [name for name in required if name in facts] + sorted(set(facts) - set(required))
    parts: list[str] = []
    used = 0
    for name in names:
        condition = _condition(name, facts[name])
        if condition and used < _MOST_FACTS and _NAME.fullmatch(name):
            used += 1
            parts.append(condition if name in required else f"has(facts.{name}) && {condition}")
    return " && ".join(parts) or "false"


def _condition(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"facts.{name} == {'true' if value else 'false'}"
    if isinstance(value, str):
        return f"facts.{name} == {json.dumps(value)}" if len(value) <= _LONGEST_TEXT else ""
    if isinstance(value, int | float) and math.isfinite(value):
        low, high = neighbours(float(value))
        if low == high:
            return f"facts.{name} == {low!r}"
        return f"facts.{name} >= {low!r} && facts.{name} <= {high!r}"
    return ""


def neighbours(value: float) -> tuple[float, float]:
    """The numbers of two significant digits around a value.

    >>> neighbours(1240.5), neighbours(-0.0371), neighbours(40.0), neighbours(0.0)
    ((1200.0, 1300.0), (-0.038, -0.037), (40.0, 40.0), (0.0, 0.0))
    """
    if value == 0.0:
        return 0.0, 0.0
    exponent = math.floor(math.log10(abs(value))) - 1
    low = math.floor(_scaled(value, -exponent))
    high = math.ceil(_scaled(value, -exponent))
    return float(f"{low}e{exponent}"), float(f"{high}e{exponent}")


def _scaled(value: float, exponent: int) -> float:
    """``value * 10**exponent`` in decimal, so that 40.0 stays exact."""
    return float(f"{value!r}e{exponent}") if "e" not in repr(value) else value * 10.0**exponent
