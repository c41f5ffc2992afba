"""How to reach the broker, and what every client of ours has in common."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from confluent_kafka import KafkaError, Message

from app.stream.records import Incoming

log = logging.getLogger("hitl.stream")

MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""What our producers accept; topics that should take more than the broker's default (1 MiB), such as
``deadletter``, say so in topics.yaml."""

ANY_PARTITION = -1
"""The partitioner chooses, from the key."""

PARTITIONER = "murmur2_random"
"""As in the Java client: the same key goes to the same partition, whoever writes."""


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """Where the broker is. ``config`` holds librdkafka properties (SASL, TLS) and wins over ours;
    ``prefix`` goes before every topic, group and transactional id; ``embedded`` is true for the mock
    broker, which does not keep offsets that were sent in a transaction."""

    bootstrap_servers: str
    config: Mapping[str, str] = msgspec.field(default_factory=dict)
    prefix: str = ""
    embedded: bool = False

    def topic(self, logical: str) -> str:
        """The broker's name of a topic.

        >>> Connection(bootstrap_servers="localhost:9092", prefix="acme.").topic("deadletter")
        'acme.deadletter'
        """
        return self.prefix + logical

    def logical(self, topic: str) -> str:
        """Our name of a broker's topic: the prefix taken off.

        >>> Connection(bootstrap_servers="localhost:9092", prefix="acme.").logical("acme.deadletter")
        'deadletter'
        """
        return topic.removeprefix(self.prefix)

    def client(self, client_id: str, own: Mapping[str, object]) -> dict[str, object]:
        """librdkafka configuration of one client. Its own log lines are silenced (one outage would
        write hundreds); errors arrive in ``error_cb`` at debug level, and whoever uses the client
        says once what is the matter."""
        return {
            "client.id": self.prefix + client_id,
            "log_level": 0,
            "error_cb": _quietly(client_id),
            # a broker that comes back is found within a second, not ten
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1000,
            **own,
            **self.config,
            "bootstrap.servers": self.bootstrap_servers,
        }

    def reader(self, client_id: str, **own: object) -> dict[str, object]:
        """Configuration of a consumer that reads by itself, outside any group's offsets."""
        return self.client(
            client_id,
            {
                "group.id": self.prefix + client_id,  # librdkafka wants one; nothing is committed
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                # one reader may hold every topic: keep its queues small
                "queued.min.messages": 2000,
                "queued.max.messages.kbytes": 4096,
                "fetch.wait.max.ms": 50,
                **own,
            },
        )


def incoming(connection: Connection, message: Message) -> Incoming:
    """The record in a consumed message; bytes untouched."""
    raw: Any = message  # the stubs allow for messages that are events; a record has all of it
    try:
        headers = raw.headers()
    except (SystemError, UnicodeDecodeError):  # a header's name that is not UTF-8: the record still counts
        headers = None
    return Incoming(
        raw.topic()[len(connection.prefix) :],
        raw.partition(),
        raw.offset(),
        raw.key(),
        raw.value(),
        [(name, b"" if value is None else value) for name, value in headers] if headers else [],
        raw.timestamp()[1],
    )


def _quietly(client_id: str) -> Callable[[KafkaError], None]:
    def said(error: KafkaError) -> None:
        log.debug("%s: %s", client_id, error.str())

    return said
