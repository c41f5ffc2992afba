"""Headers of our records: CloudEvents 1.0 (Kafka binding, binary mode) and W3C trace context.

Everything is derived from the record that caused the event, so that a batch processed again writes
the same headers. Sources: CloudEvents 1.0.2 and its Kafka protocol binding; W3C Trace Context, level 1.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from app.domain.review import Review
from app.stream.records import Headers, Incoming
from app.stream.schemas import NAMESPACE

LEVEL = "hitl_level"
"""Involvement level (1 to 5, decimal) of a routed decision: readers can skip a record unread."""

ROUTED = "hitl_routed"
"""On a scored decision: the same transaction routes it, no other router must."""

SOURCE = b"/hitl"
CONTENT_TYPE = b"application/avro"

_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_LAST_TIME = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, the last time that RFC 3339 can write; ms since the epoch."""

_LEVELS = {level: (LEVEL, b"%d" % level) for level in range(1, 6)}


def event_headers(event: str, identifier: str, cause: Incoming, *, level: int | None = None) -> Headers:
    """Headers of the event named ``event`` about ``identifier`` (decision or review id), written
    because of ``cause``.

    ``ce_id`` is event and identifier, so that a repeat is recognised as one. ``ce_time`` is the
    cause's record time. An incoming trace goes on unchanged; without one, it starts here, derived
    from the identifier. ``level`` adds the ``hitl_level`` header.
    """
    headers = _headers(event, identifier, cause.headers, cause.timestamp)
    if level is not None:
        headers.append(_LEVELS[level])
    return headers


def routed_already(record: Incoming) -> bool:
    """Scored by a chain, which routed it in the same transaction: deployments may mix or change over."""
    return any(name == ROUTED for name, _ in record.headers)


def answer_headers(event: str, identifier: str, at: int, review: Review) -> list[tuple[str, bytes]]:
    """As ``event_headers``, of what a person or a clock caused at ``at`` (ms UTC), not a record: ``review``
    knows the trace."""
    incoming = [("traceparent", review.trace.encode())] if review.trace else []
    return _headers(event, identifier, incoming, at, review.decision_id)


def _headers(
    event: str, identifier: str, incoming: Headers, at: int, traced: str = ""
) -> list[tuple[str, bytes]]:
    event_type, id_start = _constant(event)
    headers = [
        _SPEC_VERSION,
        event_type,
        _SOURCE,
        _CONTENT_TYPE,
        ("ce_id", id_start + identifier.encode()),
        *trace_headers(incoming, traced or identifier),
    ]
    seconds, milliseconds = divmod(at, 1000)
    if 0 <= at <= _LAST_TIME:
        headers.append(("ce_time", b"%b.%03dZ" % (_second(seconds), milliseconds)))
    return headers


def trace_headers(incoming: Headers, identifier: str) -> Sequence[tuple[str, bytes]]:
    """``traceparent`` and ``tracestate`` as they came, or a new ``traceparent`` from the identifier."""
    parent = state = None
    for header in incoming:
        if header[0] == "traceparent":
            parent = header
        elif header[0] == "tracestate":
            state = header
    if parent is None or not _TRACEPARENT.fullmatch(parent[1]):
        return (("traceparent", new_traceparent(identifier)),)
    return (parent,) if state is None else (parent, state)


def trace_to_keep(incoming: Headers, identifier: str) -> str:
    """The ``traceparent`` that came, for who answers later; empty where it follows from the identifier."""
    parent = trace_headers(incoming, identifier)[0][1]
    return "" if parent == new_traceparent(identifier) else parent.decode()


@lru_cache(maxsize=8192)
def new_traceparent(identifier: str) -> bytes:
    """The trace of an identifier, always the same. Not sampled: nobody has recorded a span for it.

    >>> new_traceparent("exp-001")
    b'00-59360971bc616653dca59fab2c5406e3-52d06c83d8c78b90-00'
    """
    digest = hashlib.blake2b(identifier.encode(), digest_size=24, person=b"hitl trace").hexdigest()
    return f"00-{digest[:32]}-{digest[32:]}-00".encode()


_SPEC_VERSION = ("ce_specversion", b"1.0")
_SOURCE = ("ce_source", SOURCE)
_CONTENT_TYPE = ("content-type", CONTENT_TYPE)


@lru_cache(maxsize=64)
def _constant(event: str) -> tuple[tuple[str, bytes], bytes]:
    return ("ce_type", f"{NAMESPACE}.{event}".encode()), f"{event}/".encode()


@lru_cache(maxsize=256)
def _second(seconds: int) -> bytes:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
