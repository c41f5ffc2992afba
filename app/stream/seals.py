"""Seals beside records: what we wrote is known again (docs/evidence.md)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from app.domain.evidence_chain import SEAL_HEADER
from app.stream.records import Incoming, Outgoing

Seal = Callable[[str, bytes, bytes], str]
"""The seal of a record: (topic, key, value)."""

Sealed = Callable[[str, bytes, bytes, str | None], bool]
"""Whether a record of this topic, key and value bears a seal of ours: (topic, key, value, seal)."""


def is_ours(record: Incoming, sealed: Sealed) -> bool:
    """Whether the seal in the record's header holds."""
    found = next((value for name, value in record.headers if name == SEAL_HEADER), None)
    text = None if found is None else found.decode(errors="replace")
    return sealed(record.topic, record.key or b"", record.value or b"", text)


def with_seal(record: Outgoing, seal: Seal) -> Outgoing:
    """The record with our seal among its headers."""
    mark = seal(record.topic, record.key, record.value or b"")
    return msgspec.structs.replace(record, headers=[*record.headers, (SEAL_HEADER, mark.encode())])
