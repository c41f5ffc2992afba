"""Kinds of values that the policy file is made of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from app.policy.durations import DURATION_PATTERN, format_duration, parse_duration

MAX_EXPRESSION = 4000


def _expression(value: object) -> object:
    """``true`` or ``0.5`` without quotes are YAML scalars; as an expression they mean the same."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else value


def _instant(value: object) -> object:
    if not isinstance(value, str | datetime):
        raise ValueError(f"{value!r} is not a time; write it like 2026-03-01T00:00:00Z")
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is not a time; write it like 2026-03-01T00:00:00Z") from None
    if at.tzinfo is None:
        raise ValueError(f"{value!s} has no time zone; write it like 2026-03-01T00:00:00Z")
    return at.astimezone(UTC)


def _within_epoch(at: datetime) -> datetime:
    if not 1970 < at.year < 2200:
        raise ValueError(f"the year {at.year} is out of range; use 1971 to 2199")
    return at


Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "examples": ["10m", "4h", "24h", "7d"]}),
]
"""Milliseconds in memory, text such as ``4h`` in the file."""

Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    AfterValidator(_within_epoch),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Expression = Annotated[
    str,
    BeforeValidator(_expression),
    StringConstraints(min_length=1, max_length=MAX_EXPRESSION),
    WithJsonSchema({"type": ["string", "number", "boolean"], "maxLength": MAX_EXPRESSION}),
]
"""A CEL expression (docs/policy.md, "Expressions")."""

Share = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(gt=0, lt=1)]
Level = Annotated[int, Field(ge=1, le=5)]
Weight = Annotated[float, Field(ge=0, le=1000)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
TypeName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
PoolName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
FactName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]


class Part(BaseModel):
    """Base of every part: unknown fields are refused, values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=False, allow_inf_nan=False, use_attribute_docstrings=True
    )
