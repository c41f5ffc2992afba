"""Lengths of time as people write them in the policy file: ``10m``, ``4h``, ``7d``, ``1d12h``."""

from __future__ import annotations

import re

_UNITS = {"w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000}
DURATION_PATTERN = r"^(?=\d)(\d{1,6}w)?(\d{1,6}d)?(\d{1,6}h)?(\d{1,6}m)?(\d{1,6}s)?$"


def parse_duration(text: object) -> int:
    """Milliseconds of ``text``; raises ``ValueError`` saying what was expected.

    >>> parse_duration("4h"), parse_duration("1d12h")
    (14400000, 129600000)
    """
    if not isinstance(text, str) or not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is not a duration; write it like 30s, 10m, 4h, 7d or 1d12h")
    parts = re.findall(r"(\d+)([wdhms])", text)
    duration = sum(int(count) * _UNITS[unit] for count, unit in parts)
    if duration == 0:
        raise ValueError(f"{text!r} is no time at all; write a duration above zero, like 10m or 4h")
    return duration


def format_duration(milliseconds: int) -> str:
    """The shortest text that ``parse_duration`` reads back to whole seconds of ``milliseconds``.

    >>> format_duration(129_600_000), format_duration(14_400_000), format_duration(604_800_000)
    ('1d12h', '4h', '7d')
    """
    rest, text = milliseconds, ""
    for unit in "dhms":
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            text += f"{count}{unit}"
    return text or "0s"
