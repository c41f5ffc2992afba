"""Ids that are derived, so that a repeat of the same step finds what the first one wrote."""

from __future__ import annotations

import hashlib
import uuid

DERIVED = uuid.UUID("8f0b8c3e-3f0f-5c0e-9d57-2f6d8b1a44c1")
"""Name space of every id that is derived here."""

LONGEST = 256
"""Characters of a decision's id, at most."""

_NAME_SPACE = DERIVED.bytes
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""By digit, the digit with the two bits that every UUID has."""
_sha1 = hashlib.sha1
_VIEWS = frozenset({"events", "evidence"})
"""What is read at the address of a decision, behind its id."""


def derived_id(identifier: str, stage: str) -> str:
    """UUID version 5 of an id and a stage: ``str(uuid.uuid5(DERIVED, ...))``, without its cost.

    >>> derived_id("exp-001", "route") == str(uuid.uuid5(DERIVED, "exp-001\\nroute"))
    True
    """
    name = _NAME_SPACE + f"{identifier}\n{stage}".encode()
    text = _sha1(name, usedforsecurity=False).hexdigest()
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANT[text[16]]}{text[17:20]}-{text[20:32]}"


def unfit_id(decision_id: str) -> str:
    """Why a decision can not be called so, by the rule that every entry keeps: HTTP, files, Kafka. An id is
    part of addresses, and what addresses can not carry nobody could follow. Empty when it can.

    >>> unfit_id("exp-001"), unfit_id("INV/2026/17"), unfit_id("Rückgabe 7")
    ('', '', '')
    >>> unfit_id("a/../b")
    "has the part '..', which addresses leave out"
    >>> unfit_id("a\\n")
    'has a character that can not be seen (U+000A)'
    >>> unfit_id("a/events")
    "ends with '/events', which is another address"
    """
    if not 0 < len(decision_id) <= LONGEST:
        return f"has {len(decision_id)} characters; 1 to {LONGEST} are taken"
    if not decision_id.isprintable():
        unseen = next(character for character in decision_id if not character.isprintable())
        return f"has a character that can not be seen (U+{ord(unseen):04X})"
    parts = decision_id.split("/")
    if dots := next((part for part in parts if part in (".", "..")), ""):
        return f"has the part '{dots}', which addresses leave out"
    if len(parts) > 1 and parts[-1] in _VIEWS:
        return f"ends with '/{parts[-1]}', which is another address"
    return ""
