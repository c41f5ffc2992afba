"""What commands and the console publish: the headers of a decision's trace."""

import pytest

from app.composition.writing import EventWriter
from app.stream.codec import Codec
from app.stream.errors import BrokerUnreachableError
from app.stream.headers import new_traceparent
from app.stream.producer import Undelivered
from app.stream.schemas import Schemas
from app.stream.topics import Topic
from app.stream.tracing import Tracing
from tests.unit.demo import story
from tests.unit.stream.test_tracing import Kept

CODEC = Codec(Schemas.load())
CALLERS = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
DECISION = story.routed(1).scored.decision
ID = DECISION.decision_id


class Broker:
    """Takes what is sent, unless it is away."""

    def __init__(self):
        self.sent = []
        self.away = False

    def reach(self, _topic):
        """It is there."""

    def send(self, records):
        self.sent += records
        return [Undelivered(0, "away", retriable=True)] if self.away else []


@pytest.fixture
def broker():
    return Broker()


def submitted(broker, trace="", recorder=None):
    tracing = None if recorder is None else Tracing(recorder, CODEC, lambda: 1_000)
    writer = EventWriter(broker, CODEC, lambda *_: "", tracing=lambda: tracing)
    writer.write(Topic.DECISIONS_SUBMITTED, ID, DECISION, trace)
    writer.flush()
    return dict(broker.sent[-1].headers)


def test_without_traces_a_decision_has_the_callers_header_or_none(broker):
    assert submitted(broker) == {}
    assert submitted(broker, CALLERS) == {"traceparent": CALLERS.encode()}
    assert submitted(broker, "not a trace\N{SNOWMAN}") == {"traceparent": new_traceparent(ID)}


@pytest.mark.parametrize(("trace", "parent"), [("", None), (CALLERS, "00f067aa0ba902b7")])
def test_a_submission_is_a_span_of_the_callers_trace_or_the_first_of_its_own(broker, trace, parent):
    kept = Kept()
    headers = submitted(broker, trace, kept)
    (span,) = kept.spans
    assert (span.name, span.parent and span.parent.span_id) == ("submit", parent)
    assert headers["traceparent"].decode() == f"00-{span.trace_id}-{span.span_id}-01"
    assert span.trace_id == (trace or new_traceparent(ID).decode()).split("-")[1]


def test_what_was_not_stored_leaves_no_span(broker):
    kept, broker.away = Kept(), True
    with pytest.raises(BrokerUnreachableError):
        submitted(broker, "", kept)
    assert kept.spans == []
