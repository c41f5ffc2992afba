"""Seals beside records: what we wrote is known again (docs/evidence.md)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from app.domain.evidence_chain import SEAL_HEADER
from app.stream.records import ORIGIN, ORIGIN_SEAL, Headers, Incoming, Outgoing

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


def origin_of(record: Incoming, sealed: Sealed) -> str:
    """Where the record was read for the first time: a replayed dead letter is the record it was, not a repeat
    of it, and so keeps the position under which it was recognised. Only if that position bears our seal:
    otherwise whoever may write to the topic could have a decision taken twice.

    >>> headers = [("hitl_origin", b"decisions.submitted[3]@17"), ("hitl_origin_seal", b"ours")]
    >>> letter = Incoming("decisions.submitted", 3, 99, None, None, headers, 0)
    >>> origin_of(letter, lambda topic, key, value, seal: seal == "ours")
    'decisions.submitted[3]@17'
    >>> origin_of(letter, lambda topic, key, value, seal: False)
    'decisions.submitted[3]@99'
    """
    if not record.headers:
        return record.position
    named = dict(record.headers)
    origin, seal = named.get(ORIGIN), named.get(ORIGIN_SEAL)
    if origin is None or seal is None:
        return record.position
    told = _with_value(origin, record.value)
    ours = sealed(_origins_of(record.topic), record.key or b"", told, seal.decode(errors="replace"))
    return origin.decode(errors="replace") if ours else record.position


def origin_headers(record: Outgoing, origin: str, seal: Seal) -> Headers:
    """What a replayed record carries to be known as the one it was."""
    mark = seal(_origins_of(record.topic), record.key or b"", _with_value(origin.encode(), record.value))
    return [(ORIGIN, origin.encode()), (ORIGIN_SEAL, mark.encode())]


def _origins_of(topic: str) -> str:
    """No name of a topic: the seal of a record is none of an origin."""
    return f"{topic}/origin"


def _with_value(origin: bytes, value: bytes | None) -> bytes:
    return b"%b\n%b" % (origin, value or b"")
