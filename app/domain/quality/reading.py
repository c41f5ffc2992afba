"""How long a package takes to read at the very least. Recorded as a flag, never enforced by a dead button."""

from __future__ import annotations

import re

import msgspec

WORDS_PER_MINUTE = 400.0
"""Faster than nearly anybody reads: adults read English non-fiction silently at 238 words a minute,
with a standard deviation of about 51 (M. Brysbaert, Journal of Memory and Language 109, 2019)."""

_WORD = re.compile(r"[^\W_]+(?:[.,:'’-][^\W_]+)*")


def words(package: str) -> int:
    """Words in a context package's values; names of fields are labels on the page, and not read.

    ``package`` is JSON; what is not counts word by word. Digits with their separators are one word.

    Examples
    --------
    >>> words('{"question": "Approve this expense report?", "facts": {"amount": 1240.5, "ok": true}}')
    5
    >>> words("not json at all")
    4
    """
    try:
        return _count(msgspec.json.decode(package))
    except msgspec.DecodeError:
        return len(_WORD.findall(package))


def _count(value: object) -> int:
    if isinstance(value, dict):
        return sum(_count(item) for item in value.values())
    if isinstance(value, list):
        return sum(_count(item) for item in value)
    if isinstance(value, str):
        return len(_WORD.findall(value))
    return int(isinstance(value, int | float) and not isinstance(value, bool))


def reading_floor(package: str, words_per_minute: float = WORDS_PER_MINUTE) -> int:
    """The shortest time, in ms, in which the package can have been read.

    Examples
    --------
    >>> reading_floor('{"text": "' + "word " * 200 + '"}')
    30000
    """
    return round(words(package) / words_per_minute * 60_000)
