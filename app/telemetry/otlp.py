"""Spans to a collector, by OpenTelemetry's SDK: sampled and sent as OpenTelemetry's variables say.

Source: OpenTelemetry specification, environment variables of the SDK and of the OTLP exporter.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import HOST_NAME, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)

from app import __version__
from app.telemetry.spans import Parent, Span

_KINDS = {"submit": SpanKind.PRODUCER, "desk": SpanKind.INTERNAL}
_UNNAMED = "unknown_service"


class OtlpRecorder:
    """Queues spans in memory and sends them from a thread of its own. When a collector is away or slow,
    spans are dropped (``OTEL_BSP_MAX_QUEUE_SIZE``), never decisions."""

    def __init__(self, service: str, exporter: SpanExporter | None = None) -> None:
        """``exporter`` unless the environment's."""
        # Without a host Jaeger takes any two stages for machines whose clocks differ.
        ours = Resource({SERVICE_VERSION: __version__, HOST_NAME: socket.gethostname()})
        resource = ours.merge(Resource.create())  # what the environment says, counts
        if str(resource.attributes.get(SERVICE_NAME, _UNNAMED)).startswith(_UNNAMED):
            resource = resource.merge(Resource({SERVICE_NAME: service}))
        # Only the sampler of OTEL_TRACES_SAMPLER is used of it: spans have ids that a repeat has, too.
        self._sampler = TracerProvider(resource=resource, shutdown_on_exit=False).sampler
        self._resource = resource
        self._scope = InstrumentationScope("hitl", __version__)
        self._processor = BatchSpanProcessor(exporter or OTLPSpanExporter())

    def samples(self, name: str, trace_id: str, parent: Parent | None) -> bool:
        """Whether this span is to be recorded; the same answer whenever it is asked."""
        context = Context()
        if parent is not None:
            context = set_span_in_context(NonRecordingSpan(_parent(trace_id, parent)), context)
        kind = _KINDS.get(name, SpanKind.CONSUMER)
        decision = self._sampler.should_sample(context, int(trace_id, 16), name, kind).decision
        return decision is Decision.RECORD_AND_SAMPLE

    def record(self, spans: Sequence[Span]) -> None:
        """Take them; never waits, never raises."""
        for span in spans:
            self._processor.on_end(self._readable(span))

    def close(self) -> None:
        """Send what is left."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]

    def _readable(self, span: Span) -> ReadableSpan:
        parent = span.parent
        return ReadableSpan(
            name=span.name,
            context=_context(span.trace_id, span.span_id, span.flags, is_remote=False),
            parent=None if parent is None else _parent(span.trace_id, parent),
            resource=self._resource,
            attributes=dict(span.attributes),
            kind=_KINDS.get(span.name, SpanKind.CONSUMER),
            start_time=span.began_at * 1_000_000,
            end_time=span.ended_at * 1_000_000,
            instrumentation_scope=self._scope,
        )


def _parent(trace_id: str, parent: Parent) -> SpanContext:
    return _context(trace_id, parent.span_id, parent.flags, is_remote=True)


def _context(trace_id: str, span_id: str, flags: int, *, is_remote: bool) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote, TraceFlags(flags))
