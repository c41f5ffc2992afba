"""The client hands on the span that is active in the caller's program, if there is one."""

from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from app.client.flow import Flows, trace_headers

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_without_a_span_there_is_no_header():
    assert trace_headers() == {}
    assert "traceparent" not in next(Flows(0).submit({})).headers


def test_the_active_span_is_the_parent_of_what_is_handed_in():
    _, trace, span, flags = TRACEPARENT.split("-")
    active = SpanContext(
        int(trace, 16), int(span, 16), is_remote=False, trace_flags=TraceFlags(int(flags, 16))
    )
    with use_span(NonRecordingSpan(active)):
        assert next(Flows(0).submit({})).headers["traceparent"] == TRACEPARENT
