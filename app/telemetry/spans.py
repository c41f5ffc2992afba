"""Spans, and where they go: to an OpenTelemetry collector, where OpenTelemetry's own variables name one.

Nothing here imports OpenTelemetry before it is asked for: without a collector traces cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from app.errors import UsageError

_PLACES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SPOKEN = "http/protobuf"


class Parent(msgspec.Struct, frozen=True):
    """The span that led here, as the W3C header names it: 16 hex digits, and the flags (0 to 255)."""

    span_id: str
    flags: int


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of one decision. Ids in hex digits, 32 of a trace and 16 of a span; times in ms UTC.
    ``attributes`` say which decision it is, never what is in it."""

    name: str
    trace_id: str
    span_id: str
    parent: Parent | None
    flags: int
    began_at: int
    ended_at: int
    attributes: Mapping[str, str]


class Recorder(Protocol):
    """Takes spans. ``app.telemetry.otlp`` sends them to a collector."""

    def samples(self, name: str, trace_id: str, parent: Parent | None) -> bool:
        """Whether this span is to be recorded; the same answer whenever it is asked."""

    def record(self, spans: Sequence[Span]) -> None:
        """Take them; never waits, never raises."""

    def close(self) -> None:
        """Send what is left."""


def open_recorder(environ: Mapping[str, str], service: str) -> Recorder | None:
    """Where spans go by the environment, ``None`` where they go nowhere. ``service`` is what the process is
    called unless the environment says it. Raises ``UsageError`` for what can not be done."""
    disabled = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp"
    if disabled or exporter == "none" or not any(environ.get(name) for name in _PLACES):
        return None
    protocol = next((environ[name] for name in _PROTOCOLS if environ.get(name)), _SPOKEN)
    if exporter != "otlp" or protocol != _SPOKEN:
        raise UsageError(
            f"traces can not be sent by exporter '{exporter}' with protocol '{protocol}'",
            hint=f"set OTEL_TRACES_EXPORTER=otlp and OTEL_EXPORTER_OTLP_PROTOCOL={_SPOKEN}",
        )
    try:
        from app.telemetry.otlp import OtlpRecorder  # noqa: PLC0415 - the extra `tracing`
    except ImportError as error:
        raise UsageError(
            "traces are to be sent, and the package 'opentelemetry-sdk' is not installed",
            hint="pip install 'hitl-stream[tracing]', or unset OTEL_EXPORTER_OTLP_ENDPOINT",
        ) from error
    return OtlpRecorder(service)
