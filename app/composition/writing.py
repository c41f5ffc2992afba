"""Events that commands and the console publish."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import msgspec

from app.composition.parts import connection_of, now, open_codec, open_tracing, sealer
from app.domain.events import DecisionSubmitted, Record
from app.domain.evidence_chain import SEALED
from app.settings import Settings
from app.stream.codec import Codec
from app.stream.errors import BrokerUnreachableError
from app.stream.headers import trace_headers
from app.stream.producer import Publisher
from app.stream.records import Headers, Outgoing
from app.stream.seals import Seal, with_seal
from app.stream.tracing import BatchTrace, Tracing


class EventWriter:
    """Publishes events for commands, a few hundred at a time. Leaving ``open_writer`` sends the rest."""

    def __init__(
        self,
        publisher: Publisher,
        codec: Codec,
        seal: Seal,
        *,
        tracing: Callable[[], Tracing | None] = lambda: None,
        batch: int = 500,
    ) -> None:
        """``tracing`` is asked for with the first decision."""
        self._publisher = publisher
        self._codec = codec
        self._seal = seal
        self._open_tracing = tracing
        self._tracing: Tracing | None = None
        self._trace: BatchTrace | None = None
        self._batch = batch
        self._reached: set[str] = set()
        self._waiting: list[Outgoing] = []

    def write(self, topic: str, key: str, event: Record, trace: str = "") -> None:
        """Send an event, at the latest with ``flush``. ``trace`` is the W3C ``traceparent`` of whoever hands
        it in, if there is one. Raises as ``flush``, and when the broker does not
        answer or the topic does not exist: then soon, before anything was sent."""
        if topic not in self._reached:
            self._publisher.reach(topic)
            self._reached.add(topic)
            if isinstance(event, DecisionSubmitted):
                self._tracing = self._open_tracing()
        record = Outgoing(topic, key.encode(), self._codec.encode(event), [])
        if isinstance(event, DecisionSubmitted):
            record = msgspec.structs.replace(record, headers=self._headers(key, trace))
        self._waiting.append(with_seal(record, self._seal) if isinstance(event, SEALED) else record)
        if len(self._waiting) >= self._batch:
            self.flush()

    def _headers(self, key: str, trace: str) -> Headers:
        if self._tracing is not None and self._trace is None:
            self._trace = self._tracing.batch()
        if self._trace is None and not trace:
            return []
        return list(trace_headers([("traceparent", trace.encode())], key))

    def flush(self) -> None:
        """Wait for the broker's word on everything. Raises ``BrokerUnreachableError`` naming what was
        not stored."""
        sent, self._waiting = self._waiting, []
        trace, self._trace = self._trace, None
        if trace is not None:
            sent = trace.outgoing(sent)
        failed = self._publisher.send(sent)
        if failed:
            first = sent[failed[0].index]
            raise BrokerUnreachableError(
                f"{len(failed)} of {len(sent)} records were not stored, the first one with key "
                f"{first.key.decode(errors='replace')}: {failed[0].reason}",
                hint="send the file again: what was stored before is recognised as a duplicate",
            )
        if trace is not None:
            trace.committed()


@contextmanager
def open_writer(settings: Settings, tracing: Tracing | None = None) -> Iterator[EventWriter]:
    """A writer of events for commands. Traces as the environment says, unless they are given."""
    codec = open_codec(settings)

    def opened() -> Tracing | None:
        found = open_tracing(codec, now, service="hitl-submit")
        if found is not None:
            stack.callback(found.recorder.close)
        return found

    with ExitStack() as stack:
        publisher = Publisher(connection_of(settings), client_id="hitl-cli")
        stack.callback(publisher.close)
        writer = EventWriter(
            publisher, codec, sealer(settings), tracing=opened if tracing is None else lambda: tracing
        )
        yield writer
        writer.flush()
