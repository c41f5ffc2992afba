"""Which spans a batch leaves, and how the W3C header carries their traces on.

One span for each sampled decision and stage, recorded once the batch is committed: an aborted one leaves
none. The ids of spans follow from the events, so that a batch processed again writes the same headers. A
trace that nobody has recorded yet (its header is the one derived from the decision's id) starts with the
first stage that records. See docs/traces.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import msgspec

from app.domain.events import (
    DecisionResolved,
    DecisionRouted,
    DecisionScored,
    DecisionSubmitted,
    Record,
    ReviewDecided,
    ReviewDefaulted,
    ReviewRequested,
)
from app.errors import HitlError
from app.stream.codec import Codec
from app.stream.headers import new_traceparent
from app.stream.records import Outgoing
from app.stream.topics import Topic
from app.telemetry.spans import Parent, Recorder, Span

STAGES = {
    "DecisionSubmitted": "submit",
    "DecisionScored": "scoring",
    "DecisionRouted": "routing",
    "ReviewRequested": "review_request",
    "ReviewDecided": "desk",
    "ReviewDefaulted": "desk",
    "DecisionResolved": "outcome",
}
"""The events that mark the end of a stage, and the stage's span. Other events hand on the header that
their cause had."""

_BEFORE = {"DecisionRouted": "DecisionScored", "DecisionResolved": "DecisionRouted"}
"""In one chain both are written because of the same record: the second is the first one's child."""

_SAMPLED = 1


class _Begun(msgspec.Struct, frozen=True):
    name: str
    trace_id: str
    span_id: str
    parent: Parent | None
    flags: int
    record: Outgoing


class Tracing:
    """Traces of one process. ``clock`` gives ms UTC."""

    def __init__(self, recorder: Recorder, codec: Codec, clock: Callable[[], int]) -> None:
        self.recorder = recorder
        self.codec = codec
        self.clock = clock

    def batch(self) -> BatchTrace:
        """A batch begins now."""
        return BatchTrace(self)


class BatchTrace:
    """The spans of one batch: ``outgoing`` before it is committed, ``committed`` once it is."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing
        self._began_at = tracing.clock()
        self._begun: list[_Begun] = []

    def outgoing(self, records: Iterable[Outgoing]) -> list[Outgoing]:
        """The records as they are to be written: under the span of the stage that made each."""
        carried: dict[tuple[str, bytes, bytes], bytes] = {}
        return [self._traced(record, carried) for record in records]

    def committed(self) -> None:
        """The batch counts: its spans end now and are recorded."""
        now = self._tracing.clock()
        self._tracing.recorder.record([self._span(begun, now) for begun in self._begun])

    def _traced(self, record: Outgoing, carried: dict[tuple[str, bytes, bytes], bytes]) -> Outgoing:
        found = dict(record.headers)
        came, event = found.get("traceparent"), _event(record, found)
        if came is None or event not in STAGES:
            return record
        before = carried.get((_BEFORE.get(event, ""), came, record.key))
        if before is not None and event == "DecisionResolved":  # routing has resolved it itself
            return _under(record, before)
        begun = self._begin(STAGES[event], found.get("ce_id", _own_id(record)), before or came, record)
        if begun is None:
            return record
        self._begun.append(begun)
        header = f"00-{begun.trace_id}-{begun.span_id}-{begun.flags:02x}".encode()
        carried[event, came, record.key] = header
        return _under(record, header)

    def _begin(self, name: str, identity: bytes, came: bytes, record: Outgoing) -> _Begun | None:
        _, trace_id, parent_id, flags = came.decode().split("-")
        parent: Parent | None = Parent(parent_id, int(flags, 16))
        if came == new_traceparent(record.key.decode(errors="replace")):
            parent = None
        if not self._tracing.recorder.samples(name, trace_id, parent):
            return None
        marks = _SAMPLED | (parent.flags if parent else 0)
        return _Begun(name, trace_id, span_id(trace_id, identity), parent, marks, record)

    def _span(self, begun: _Begun, now: int) -> Span:
        record = begun.record
        attributes = {
            "messaging.system": "kafka",
            "messaging.destination.name": record.topic,
            "hitl.decision.id": record.key.decode(errors="replace"),
        }
        began_at, ended_at = self._began_at, now
        try:
            event = self._tracing.codec.decode(record.value)
        except HitlError:  # its key is out of reach; what was committed stays so
            event = None
        if event is not None:
            attributes["hitl.decision.type"] = _decision(event).decision_type
            began_at, ended_at = _times(event) or (began_at, ended_at)
        return Span(
            name=begun.name,
            trace_id=begun.trace_id,
            span_id=begun.span_id,
            parent=begun.parent,
            flags=begun.flags,
            began_at=began_at,
            ended_at=max(began_at, ended_at),
            attributes=attributes,
        )


def span_id(trace_id: str, identity: bytes) -> str:
    """The span of an event (its ``ce_id``) within a trace, always the same.

    >>> span_id("0af7651916cd43dd8448eb211c80319c", b"DecisionScored/exp-001")
    'cc8353ba731d572e'
    """
    return hashlib.blake2b(trace_id.encode() + identity, digest_size=8, person=b"hitl span").hexdigest()


def _event(record: Outgoing, headers: dict[str, bytes]) -> str:
    if record.topic == Topic.DECISIONS_SUBMITTED:  # what producers write need not say it
        return "DecisionSubmitted"
    return headers.get("ce_type", b"").decode().rpartition(".")[2]


def _own_id(record: Outgoing) -> bytes:
    return b"DecisionSubmitted/" + record.key


def _under(record: Outgoing, header: bytes) -> Outgoing:
    headers = [("traceparent", header) if pair[0] == "traceparent" else pair for pair in record.headers]
    return msgspec.structs.replace(record, headers=headers)


def _decision(event: Record) -> DecisionSubmitted:
    """The decision at the root of the story."""
    match event:
        case DecisionSubmitted():
            return event
        case DecisionScored():
            return event.decision
        case DecisionRouted():
            return event.scored.decision
        case ReviewRequested() | DecisionResolved():
            return event.routed.scored.decision
        case ReviewDecided() | ReviewDefaulted():
            return event.requested.routed.scored.decision
    raise TypeError(f"{type(event).__name__} ends no stage")


def _times(event: Record) -> tuple[int, int] | None:
    """When a person had the review in hand; ``None`` for what workers do, which take as long as the batch."""
    if isinstance(event, ReviewDecided):
        answer = event.answer
        return answer.claimed_at or answer.decided_at, answer.decided_at
    if isinstance(event, ReviewDefaulted):
        return event.requested.request.requested_at, event.default.taken_at
    return None
