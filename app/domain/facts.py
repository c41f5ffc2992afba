"""The facts of a decision: JSON text becomes plain values once, or a reason why not."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from app.domain.expression_context import context
from app.domain.terms import Context, Fact, Facts

MAX_CHARACTERS = 256 * 1024
"""Default size limit of a decision's facts, in characters."""

build_context = context
"""``build_context(decision, facts) -> Context``: what the policy's expressions see."""

__all__ = ["MAX_CHARACTERS", "Context", "Facts", "Invalid", "build_context", "missing_facts", "parse_facts"]

_decoder = msgspec.json.Decoder(dict[str, bool | float | str | None])


class Invalid(msgspec.Struct, frozen=True):
    """Why facts could not be taken: a stable ``reason`` and the words."""

    reason: str
    text: str


def parse_facts(text: str, limit: int = MAX_CHARACTERS) -> Facts | Invalid:
    """Flat JSON object -> facts, all numbers as floats.

    Reasons: ``facts_too_large`` (more than ``limit`` characters), ``facts_malformed`` (not JSON, which
    includes NaN and Infinity), ``facts_not_flat`` (a list or an object inside, or no object at all) and
    ``facts_number_range`` (a number that no float holds).

    >>> parse_facts('{"amount": 40, "vip": true, "note": null}')
    {'amount': 40.0, 'vip': True, 'note': None}
    >>> parse_facts('{"amount": NaN}').reason
    'facts_malformed'
    >>> parse_facts('{"lines": [1, 2]}').reason
    'facts_not_flat'
    """
    if len(text) > limit:
        return Invalid("facts_too_large", f"facts have {len(text)} characters; at most {limit} are taken")
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as error:
        message = str(error)
        if message.startswith("Number out of range"):
            return Invalid("facts_number_range", f"facts hold a number that is too large: {message}")
        return Invalid("facts_not_flat", f"facts are null, boolean, number or string: {message}")
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        return Invalid("facts_malformed", f"facts are not JSON: {error}")


def missing_facts(facts: Facts, required: tuple[str, ...], types: Mapping[str, str]) -> list[str]:
    """Required facts that are absent, null, or of another type than declared, in policy order.

    >>> required = ("amount", "currency", "tier")
    >>> missing_facts({"amount": "12", "currency": "EUR"}, required, {"amount": "number"})
    ['amount', 'tier']
    """
    return [name for name in required if not _usable(facts.get(name), types.get(name))]


def _usable(value: Fact, wanted: str | None) -> bool:
    if value is None:
        return False
    if wanted is None:
        return True
    if wanted == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str) if wanted == "string" else isinstance(value, bool)
