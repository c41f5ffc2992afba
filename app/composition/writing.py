"""Events that commands and the console publish."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from app.composition.parts import connection_of, open_codec, sealer
from app.domain.events import Record
from app.domain.evidence_chain import SEALED
from app.settings import Settings
from app.stream.codec import Codec
from app.stream.errors import BrokerUnreachableError
from app.stream.producer import Publisher
from app.stream.records import Outgoing
from app.stream.seals import Seal, with_seal


class EventWriter:
    """Publishes events for commands, a few hundred at a time. Leaving ``open_writer`` sends the rest."""

    def __init__(self, publisher: Publisher, codec: Codec, seal: Seal, *, batch: int = 500) -> None:
        self._publisher = publisher
        self._codec = codec
        self._seal = seal
        self._batch = batch
        self._reached: set[str] = set()
        self._waiting: list[Outgoing] = []

    def write(self, topic: str, key: str, event: Record) -> None:
        """Send an event, at the latest with ``flush``. Raises as ``flush``, and when the broker does not
        answer or the topic does not exist: then soon, before anything was sent."""
        if topic not in self._reached:
            self._publisher.reach(topic)
            self._reached.add(topic)
        record = Outgoing(topic, key.encode(), self._codec.encode(event), [])
        self._waiting.append(with_seal(record, self._seal) if isinstance(event, SEALED) else record)
        if len(self._waiting) >= self._batch:
            self.flush()

    def flush(self) -> None:
        """Wait for the broker's word on everything. Raises ``BrokerUnreachableError`` naming what was
        not stored."""
        sent, self._waiting = self._waiting, []
        failed = self._publisher.send(sent)
        if failed:
            first = sent[failed[0].index]
            raise BrokerUnreachableError(
                f"{len(failed)} of {len(sent)} records were not stored, the first one with key "
                f"{first.key.decode(errors='replace')}: {failed[0].reason}",
                hint="send the file again: what was stored before is recognised as a duplicate",
            )


@contextmanager
def open_writer(settings: Settings) -> Iterator[EventWriter]:
    """A writer of events for commands."""
    publisher = Publisher(connection_of(settings), client_id="hitl-cli")
    try:
        writer = EventWriter(publisher, open_codec(settings), sealer(settings))
        yield writer
        writer.flush()
    finally:
        publisher.close()
