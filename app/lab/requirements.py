"""Requirements on a report, for a pipeline: ``automated_error<=0.02``."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence

import msgspec

from app.errors import UsageError
from app.policy.checks import did_you_mean

_FORM = re.compile(r"\s*([a-z_]+)\s*(<=|>=|==|<|>)\s*(\S+)\s*")
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "==": operator.eq,
}


class Requirement(msgspec.Struct, frozen=True):
    """A figure of the report, a comparison and a number."""

    figure: str
    sign: str
    limit: float

    def __str__(self) -> str:
        return f"{self.figure} {self.sign} {self.limit:g}"


def requirement(text: str) -> Requirement:
    """Read one. Raises ``UsageError``.

    >>> str(requirement("automated_error<=0.02"))
    'automated_error <= 0.02'
    """
    found = _FORM.fullmatch(text)
    try:
        limit = float(found[3]) if found else math.nan
    except ValueError:
        limit = math.nan
    if found is None or not math.isfinite(limit):
        raise UsageError(
            f"--require '{text}' is not FIGURE SIGN NUMBER",
            hint="like --require 'automated_error<=0.02'; signs: <= >= < > ==",
        )
    return Requirement(found[1], found[2], limit)


def requirements(texts: Sequence[str], report: msgspec.Struct) -> list[Requirement]:
    """Read all, each about a figure that ``report`` has. Raises ``UsageError``."""
    known = figures(report)
    wanted = [requirement(text) for text in texts]
    for each in wanted:
        if each.figure not in known:
            raise UsageError(
                f"--require: there is no figure '{each.figure}'{did_you_mean(each.figure, known)}",
                hint=f"one of {', '.join(sorted(known))}",
            )
    return wanted


def figures(report: msgspec.Struct) -> dict[str, float | None]:
    """What can be required: every number of a report by its name; the length of its lists."""
    found: dict[str, float | None] = {}
    for name in report.__struct_fields__:
        value = getattr(report, name)
        if isinstance(value, bool):
            continue
        if value is None or isinstance(value, int | float):
            found[name] = value
        elif isinstance(value, list):
            found[name] = len(value)
        elif name == "rejected":
            found[name] = value.total
    return found


def failures(required: Sequence[Requirement], report: msgspec.Struct) -> list[str]:
    """Why each requirement that is not met is not. A figure that is unknown meets nothing."""
    known = figures(report)
    failed = []
    for each in required:
        value = known[each.figure]
        if value is None:
            failed.append(f"{each}: unknown, there was nothing to measure it by")
        elif not _SIGNS[each.sign](value, each.limit):
            failed.append(f"{each}: it is {value:.6g}")
    return failed
