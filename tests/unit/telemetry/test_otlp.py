"""Spans as OpenTelemetry has them; its own variables decide which are recorded."""

import socket

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.telemetry.otlp import OtlpRecorder
from app.telemetry.spans import Parent, Span

TRACE, SPAN, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "b7ad6b7169203331"
A_SPAN = Span(
    name="scoring", trace_id=TRACE, span_id=SPAN, parent=Parent(PARENT, 1), flags=1,
    began_at=1_000, ended_at=1_250, attributes={"hitl.decision.id": "exp-001"},
)  # fmt: skip


@pytest.fixture
def recorder(monkeypatch):
    """``recorder(NAME=value)``: one under these variables."""
    made = []

    def make(**environ):
        for name in ("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_SERVICE_NAME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)
        made.append(OtlpRecorder("hitl-worker", InMemorySpanExporter()))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize(
    ("environ", "alone", "sampled", "unsampled"),
    [
        ({}, True, True, False),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, False, False, False),
        ({"OTEL_TRACES_SAMPLER": "always_on"}, True, True, True),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, False, True, False),
        (
            {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"},
            False,
            True,
            False,
        ),
    ],
)
def test_the_sampler_of_the_environment_decides(recorder, environ, alone, sampled, unsampled):
    samples = recorder(**environ).samples
    assert samples("scoring", TRACE, None) is alone
    assert samples("scoring", TRACE, Parent(PARENT, 1)) is sampled
    assert samples("scoring", TRACE, Parent(PARENT, 0)) is unsampled


def test_a_ratio_samples_so_many_traces_and_each_at_every_stage_alike(recorder):
    one, other = (
        recorder(OTEL_TRACES_SAMPLER="parentbased_traceidratio", OTEL_TRACES_SAMPLER_ARG="0.25") for _ in "ab"
    )
    ids = [f"{number * 2**54:032x}" for number in range(1, 1000)]
    found = [one.samples("scoring", trace, None) for trace in ids]
    assert found == [other.samples("routing", trace, None) for trace in ids]
    assert 200 < sum(found) < 300


def test_a_span_arrives_as_it_was_told(monkeypatch):
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    exporter = InMemorySpanExporter()
    recorder = OtlpRecorder("hitl-worker", exporter)
    recorder.record([A_SPAN])
    recorder.close()
    (found,) = exporter.get_finished_spans()
    assert (found.name, dict(found.attributes)) == ("scoring", {"hitl.decision.id": "exp-001"})
    assert f"{found.context.trace_id:032x}" == f"{found.parent.trace_id:032x}" == TRACE
    assert (f"{found.context.span_id:016x}", f"{found.parent.span_id:016x}") == (SPAN, PARENT)
    assert (found.start_time, found.end_time) == (1_000_000_000, 1_250_000_000)
    assert found.resource.attributes["service.name"] == "hitl-worker"
    assert found.resource.attributes["host.name"] == socket.gethostname()


def test_the_environment_says_who_and_where(monkeypatch):
    monkeypatch.setenv("OTEL_SERVICE_NAME", "expenses")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=worker-7,service.version=9")
    exporter = InMemorySpanExporter()
    recorder = OtlpRecorder("hitl-worker", exporter)
    recorder.record([A_SPAN])
    recorder.close()
    (found,) = exporter.get_finished_spans()
    expected = {"service.name": "expenses", "service.version": "9", "host.name": "worker-7"}
    assert expected.items() <= found.resource.attributes.items()


def test_the_environment_names_the_service(recorder):
    named = recorder(OTEL_SERVICE_NAME="risk-worker")
    assert named._resource.attributes["service.name"] == "risk-worker"
