"""Ids that are derived, so that a repeat of the same step finds what the first one wrote."""

from __future__ import annotations

import hashlib
import uuid

DERIVED = uuid.UUID("8f0b8c3e-3f0f-5c0e-9d57-2f6d8b1a44c1")
"""Name space of every id that is derived here."""

_NAME_SPACE = DERIVED.bytes


def derived_id(identifier: str, stage: str) -> str:
    """UUID version 5 of an id and a stage: ``str(uuid.uuid5(DERIVED, ...))``, without its cost.

    >>> derived_id("exp-001", "route") == str(uuid.uuid5(DERIVED, "exp-001\\nroute"))
    True
    """
    digest = bytearray(
        hashlib.sha1(_NAME_SPACE + f"{identifier}\n{stage}".encode(), usedforsecurity=False).digest()[:16]
    )
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
