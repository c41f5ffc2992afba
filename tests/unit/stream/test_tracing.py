"""Which spans a batch leaves, and what the records' headers say: the rules, on a recorder of plain values."""

import subprocess
import sys

import msgspec
import pytest

from app.domain.review import QueueTerms, requested
from app.errors import UsageError
from app.stream.codec import Codec
from app.stream.headers import answer_headers, event_headers, new_traceparent, trace_to_keep
from app.stream.records import Incoming, Outgoing
from app.stream.schemas import Schemas
from app.stream.topics import Topic
from app.stream.tracing import Tracing
from app.telemetry.spans import open_recorder
from tests.unit.demo import story

CODEC = Codec(Schemas.load())
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, QUIET = f"00-{TRACE}-{CALLER}-01".encode(), f"00-{TRACE}-{CALLER}-00".encode()
ROUTED = story.routed(1)
ID = ROUTED.scored.decision.decision_id


class Kept:
    """Samples as the usual sampler does: what the parent does; without one, everything."""

    def __init__(self):
        self.spans = []

    def samples(self, _name, _trace_id, parent):
        return parent is None or bool(parent.flags & 1)

    def record(self, spans):
        self.spans += spans

    def close(self):
        """Nothing is left."""


@pytest.fixture
def kept():
    return Kept()


@pytest.fixture
def tracing(kept):
    times = iter(range(1000, 9000, 1000))
    return Tracing(kept, CODEC, lambda: next(times))


def record(topic, event, trace=None, identifier=ID, key=ID):
    cause = Incoming("any", 0, 0, b"", b"", [("traceparent", trace)] if trace else [], 1_772_443_800_123)
    headers = event_headers(type(event).__name__, identifier, cause)
    return Outgoing(topic, key.encode(), CODEC.encode(event), headers)


def chain(trace=None):
    return [
        record(Topic.DECISIONS_SCORED, ROUTED.scored, trace),
        record(Topic.DECISIONS_ROUTED, ROUTED, trace),
    ]


def parent_of(outgoing):
    return dict(outgoing.headers)["traceparent"].decode()


def test_each_stage_is_the_child_of_the_one_before(tracing, kept):
    batch = tracing.batch()
    scored, routed = batch.outgoing(chain(SAMPLED))
    batch.committed()
    first, second = kept.spans
    assert (first.name, first.trace_id, first.parent.span_id) == ("scoring", TRACE, CALLER)
    assert (second.name, second.trace_id, second.parent.span_id) == ("routing", TRACE, first.span_id)
    assert parent_of(scored) == f"00-{TRACE}-{first.span_id}-01"
    assert parent_of(routed) == f"00-{TRACE}-{second.span_id}-01"
    assert (first.began_at, first.ended_at) == (1000, 2000)


def test_a_span_says_which_decision_and_nothing_of_what_is_in_it(tracing, kept):
    batch = tracing.batch()
    batch.outgoing(chain())
    batch.committed()
    assert [span.attributes for span in kept.spans] == [
        {
            "messaging.system": "kafka",
            "messaging.destination.name": topic,
            "hitl.decision.id": ID,
            "hitl.decision.type": ROUTED.scored.decision.decision_type,
        }
        for topic in ("decisions.scored", "decisions.routed")
    ]


def test_an_aborted_batch_leaves_no_span_and_a_repeat_has_the_same_headers(tracing, kept):
    first = tracing.batch().outgoing(chain())
    assert kept.spans == []
    assert tracing.batch().outgoing(chain()) == first


def test_a_trace_that_nobody_recorded_begins_here(tracing, kept):
    batch = tracing.batch()
    scored, _ = batch.outgoing(chain())
    batch.committed()
    assert kept.spans[0].parent is None
    assert kept.spans[0].trace_id == new_traceparent(ID).decode().split("-")[1]
    assert parent_of(scored).endswith("-01")


def test_what_the_caller_did_not_sample_goes_on_untouched(tracing, kept):
    batch = tracing.batch()
    assert batch.outgoing(chain(QUIET)) == chain(QUIET)
    batch.committed()
    assert kept.spans == []


def test_what_routing_resolves_is_part_of_routing_and_what_people_decide_is_not(tracing, kept):
    resolved = record(Topic.DECISIONS_RESOLVED, story.resolved(ROUTED, "approve"), SAMPLED)
    batch = tracing.batch()
    *_, routed, automated = batch.outgoing([*chain(SAMPLED), resolved])
    assert parent_of(automated) == parent_of(routed)
    batch.outgoing([resolved])
    batch.committed()
    assert [span.name for span in kept.spans] == ["scoring", "routing", "outcome"]


def test_decisions_of_one_caller_are_not_mixed_up(tracing, kept):
    other = record(Topic.DECISIONS_ROUTED, ROUTED, SAMPLED, identifier="other", key="other")
    batch = tracing.batch()
    batch.outgoing([*chain(SAMPLED), other])
    batch.committed()
    assert kept.spans[2].parent.span_id == CALLER


def test_the_desk_takes_from_the_claim_to_the_answer(tracing, kept):
    answered = story.answered(story.requested(ROUTED), "approve")
    answer = msgspec.structs.replace(answered.answer, claimed_at=5_000, decided_at=65_000)
    decided = msgspec.structs.replace(answered, answer=answer)
    batch = tracing.batch()
    batch.outgoing([record(Topic.REVIEWS_OUTCOMES, decided, SAMPLED)])
    batch.committed()
    assert [(span.name, span.began_at, span.ended_at) for span in kept.spans] == [("desk", 5_000, 65_000)]


def test_other_events_hand_on_what_they_got(tracing, kept):
    label = Outgoing(Topic.LEARNING_CASES, b"k", b"", event_headers("LearningLabel", "l", Incoming(
        "any", 0, 0, b"", b"", [("traceparent", SAMPLED)], 0)))  # fmt: skip
    bare = Outgoing(Topic.LEARNING_CASES, b"k", b"", [])
    batch = tracing.batch()
    assert batch.outgoing([label, bare]) == [label, bare]
    batch.committed()
    assert kept.spans == []


def test_a_review_keeps_a_trace_that_does_not_follow_from_the_decision():
    assert trace_to_keep([("traceparent", SAMPLED)], ID) == SAMPLED.decode()
    assert trace_to_keep([("traceparent", new_traceparent(ID))], ID) == ""
    assert trace_to_keep([], ID) == ""
    review = requested(story.requested(ROUTED).request, ID, 0, QueueTerms())
    answered = dict(answer_headers("ReviewDecided", "answer-1", 0, review))
    assert answered["traceparent"] == new_traceparent(ID)
    review = msgspec.structs.replace(review, trace=SAMPLED.decode())
    assert dict(answer_headers("ReviewDecided", "answer-1", 0, review))["traceparent"] == SAMPLED


# --- the environment --------------------------------------------------------------------------------------

PLACE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {**PLACE, "OTEL_SDK_DISABLED": "true"},
        {**PLACE, "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_without_a_collector_there_are_no_traces(environ):
    assert open_recorder(environ, "hitl-worker") is None


@pytest.mark.parametrize(
    "more", [{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, {"OTEL_TRACES_EXPORTER": "zipkin"}]
)
def test_what_is_not_spoken_is_refused_with_what_is(more):
    with pytest.raises(UsageError) as refused:
        open_recorder({**PLACE, **more}, "hitl-worker")
    assert "http/protobuf" in refused.value.hint


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "app.telemetry.otlp", None)
    with pytest.raises(UsageError) as refused:
        open_recorder(PLACE, "hitl-worker")
    assert "hitl-stream[tracing]" in refused.value.hint


def test_a_worker_without_a_collector_does_not_load_opentelemetry():
    ours = "'app.telemetry.otlp', 'opentelemetry.sdk.trace', 'opentelemetry.exporter'"  # redis-py has a part
    code = f"import app.composition.worker, sys; print([name for name in ({ours}) if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
