"""CloudEvents 1.0 (Kafka binding, binary mode) and W3C Trace Context, derived from the cause."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.review import QueueTerms, requested
from app.stream.headers import answer_headers, event_headers, new_traceparent
from app.stream.records import Incoming
from tests.unit.demo import story

TRACEPARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"  # the specification's example
REVIEW = requested(story.requested(story.routed(1)).request, "d1", 0, QueueTerms(), TRACEPARENT.decode())
LAST = 253_402_300_799_999


def cause(headers=(), timestamp=1_772_443_800_123):
    return Incoming("decisions.submitted", 3, 17, b"exp-001", b"", list(headers), timestamp)


def test_an_event_carries_the_cloudevents_attributes():
    headers = event_headers("DecisionScored", "exp-001", cause(), level=None)
    names = [name for name, _ in headers]
    assert len(names) == len(set(names))
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "ce_id": b"DecisionScored/exp-001",
        "ce_type": b"hitl.events.DecisionScored",
        "ce_source": b"/hitl",
        "ce_time": b"2026-03-02T09:30:00.123Z",
        "content-type": b"application/avro",
        "traceparent": new_traceparent("exp-001"),
    }


def test_a_repeat_has_the_same_headers_and_another_event_another_id():
    again = event_headers("DecisionScored", "exp-001", cause())
    assert again == event_headers("DecisionScored", "exp-001", cause())
    ids = {
        dict(event_headers(event, identifier, cause()))["ce_id"]
        for event in ("DecisionScored", "DecisionRouted")
        for identifier in ("exp-001", "exp-002")
    }
    assert len(ids) == 4


@given(st.integers(0, LAST))
def test_the_time_is_the_causes_to_the_millisecond(timestamp):
    text = dict(event_headers("DecisionScored", "x", cause(timestamp=timestamp)))["ce_time"].decode()
    assert text.endswith("Z")
    read = datetime.fromisoformat(text)
    assert read.tzinfo == UTC
    assert (read - datetime.fromtimestamp(0, UTC)).total_seconds() * 1000 == pytest.approx(timestamp, abs=0.1)


@pytest.mark.parametrize("timestamp", [-1, LAST + 1, 2**63 - 1])
def test_a_time_that_can_not_be_written_is_left_out(timestamp):
    assert "ce_time" not in dict(event_headers("DecisionScored", "x", cause(timestamp=timestamp)))


def test_a_trace_goes_on_with_its_state():
    trace = [("traceparent", TRACEPARENT), ("tracestate", b"vendor=1"), ("other", b"x")]
    headers = dict(event_headers("DecisionScored", "exp-001", cause(trace)))
    assert headers["traceparent"] == TRACEPARENT
    assert headers["tracestate"] == b"vendor=1"
    assert "other" not in headers


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\xff\xfe",
        TRACEPARENT[:-1],
        TRACEPARENT + b"0",
        TRACEPARENT.upper(),
        b"ff" + TRACEPARENT[2:],
        b"00-" + b"0" * 32 + TRACEPARENT[35:],
        TRACEPARENT[:36] + b"0" * 16 + b"-01",
    ],
)
def test_a_trace_that_is_none_is_replaced(bad):
    headers = dict(
        event_headers("DecisionScored", "exp-001", cause([("traceparent", bad), ("tracestate", b"v")]))
    )
    assert headers["traceparent"] == new_traceparent("exp-001")
    assert "tracestate" not in headers


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_new_trace_follows_from_the_identifier_alone(identifier):
    parent = new_traceparent(identifier)
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-00", parent)
    assert parent == new_traceparent.__wrapped__(identifier)


@pytest.mark.parametrize("level", [1, 2, 3, 4, 5])
def test_the_level_can_be_read_without_the_value(level):
    headers = event_headers("DecisionRouted", "exp-001", cause(), level=level)
    assert dict(headers)["hitl_level"] == b"%d" % level


def test_what_no_record_caused_has_the_same_attributes():
    told = dict(answer_headers("ReviewDecided", "answer-1", 1_772_443_800_123, REVIEW))
    assert told["ce_id"] == b"ReviewDecided/answer-1" and told["ce_time"] == b"2026-03-02T09:30:00.123Z"
    caused = dict(event_headers("ReviewDecided", "answer-1", cause([("traceparent", TRACEPARENT)])))
    assert told == caused
