"""How large a record may be: what we allow, and what a topic was found to refuse."""

from __future__ import annotations

from confluent_kafka import KafkaError, Message

from app.stream.connection import MAX_MESSAGE_BYTES, Connection
from app.stream.errors import FatalStreamError
from app.stream.records import Outgoing

_CLEARLY_SMALL = MAX_MESSAGE_BYTES // 4
"""A value of fewer bytes fits, whatever key and headers a broker lets in beside it."""

_SMALLEST_LIMIT = 64 * 1024
"""A topic that takes less than this can not carry our events."""


class RecordLimits:
    """Learned from refusals, so that the record is found in memory (and dead-lettered) when its batch is
    read again, instead of aborting for ever."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._limits: dict[str, int] = {}
        self._refused: dict[str, int] = {}

    def too_large(self, record: Outgoing) -> bool:
        """Would the client, or the broker as far as it told us, refuse this record for its size?"""
        if record.topic not in self._limits and len(record.value or b"") < _CLEARLY_SMALL:
            return False  # asked for every record: the exact size costs ten times as much
        return wire_size(record) > self._limits.get(record.topic, MAX_MESSAGE_BYTES)

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        """A delivery report: remember what was refused for its size. All records of a refused request fail
        together: the largest is the one to blame."""
        if error is not None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            topic = self._connection.logical(str(message.topic()))
            self._refused[topic] = max(len(message.value() or b""), self._refused.get(topic, 0))

    def learn(self) -> None:
        """Once all reports are in: what was refused is too large from now on. Raises ``FatalStreamError``
        where a topic takes too little to be of use."""
        for topic, size in self._refused.items():
            if size < _SMALLEST_LIMIT:
                raise FatalStreamError(
                    f"topic {topic} refuses even records of {size} bytes",
                    hint=f"set its max.message.bytes, and the broker's, to {MAX_MESSAGE_BYTES}",
                )
            self._limits[topic] = min(size, self._limits.get(topic, MAX_MESSAGE_BYTES))
        self._refused.clear()


def wire_size(record: Outgoing) -> int:
    """Upper bound of what a record takes in a produce request, as librdkafka counts it (bytes)."""
    size = 64 + len(record.key or b"") + len(record.value or b"")
    return size + sum(16 + len(name) * 4 + len(value) for name, value in record.headers)
