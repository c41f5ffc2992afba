"""Committed records of a topic as they come, for somebody who watches."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from app.stream.connection import Connection, incoming
from app.stream.errors import BrokerUnreachableError
from app.stream.records import Incoming
from app.stream.topics import Topic

_POLL_SECONDS = 0.2


class Tail:
    """Reads ``topic`` (a logical name; ``reviews.requested`` stands for the topics of all pools) outside
    any group. Nothing is committed. ``timeout`` is how many seconds of silence count as an outage.

    Raises ``BrokerUnreachableError`` if the broker does not answer or has no such topic.
    """

    def __init__(
        self, connection: Connection, topic: str, *, from_beginning: bool, timeout: float = 10.0
    ) -> None:
        self._connection = connection
        self._timeout = timeout
        self._start = OFFSET_BEGINNING if from_beginning else OFFSET_END
        name = f"hitl-tail-{uuid.uuid4().hex[:8]}"
        self._consumer = Consumer(connection.reader(name))
        try:
            self._left = self._partitions(topic)
        except BaseException:
            self._consumer.close()
            raise
        self._consumer.assign([TopicPartition(t, p, self._start) for t, p in self._left])

    def records(self, *, follow: bool) -> Iterator[Incoming]:
        """Records in order within each partition. Without ``follow`` it ends once the end of each
        partition was seen; with it, it never does, and waits through outages."""
        at_end: set[tuple[str, int]] = set()
        heard = time.monotonic()
        while follow or at_end != self._left:
            message = self._consumer.poll(_POLL_SECONDS)
            if message is None:
                if not follow and time.monotonic() - heard > self._timeout:
                    raise self._silent("no answer in time")
                continue
            heard = time.monotonic()
            error = message.error()
            if error is None:
                yield incoming(self._connection, message)
            elif error.code() == KafkaError._PARTITION_EOF:
                at_end.add((str(message.topic()), message.partition() or 0))
            elif error.code() == KafkaError._ALL_BROKERS_DOWN and not follow:
                raise self._silent(error.str())

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _partitions(self, topic: str) -> set[tuple[str, int]]:
        name = self._connection.topic(topic)
        try:
            found = self._consumer.list_topics(timeout=self._timeout).topics
        except KafkaException as error:
            raise self._silent(error.args[0].str()) from error
        names = [name]
        if topic == Topic.REVIEWS_REQUESTED:
            names = [each for each in found if each.startswith(f"{name}.")]
        partitions = {(each, number) for each in names if each in found for number in found[each].partitions}
        if not partitions:
            raise BrokerUnreachableError(
                f"the broker has no topic {name}", hint="create it: hitl topics apply"
            )
        return partitions

    def _silent(self, reason: str) -> BrokerUnreachableError:
        return BrokerUnreachableError(
            f"the broker at {self._connection.bootstrap_servers} does not answer: {reason}",
            hint="check HITL_KAFKA_BOOTSTRAP_SERVERS and that the broker is up: hitl doctor",
        )
