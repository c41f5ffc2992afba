"""A group outside transactions: begins once, and lives through what goes wrong while it begins."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from app.stream import group_reader
from app.stream.connection import Connection
from app.stream.group_reader import GroupReader
from app.stream.producer import Publisher
from app.stream.records import Outgoing
from tests.processes import until

pytestmark = pytest.mark.broker


class FailsOnce(Consumer):  # type: ignore[misc]  # a class of a C extension
    """The first question where the group was is not answered in time."""

    failures = 1

    def committed(self, *given: Any, **named: Any) -> list[TopicPartition]:
        if FailsOnce.failures:
            FailsOnce.failures -= 1
            named["timeout"] = 0.0001  # the client itself must fail: what Python raises is handed on whole
        return super().committed(*given, **named)  # type: ignore[no-any-return]


def test_a_group_that_fails_to_begin_begins_again(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_reader, "Consumer", FailsOnce)
    monkeypatch.setattr(group_reader, "RETRY_SECONDS", 0.01)
    publisher = Publisher(connection, client_id="t")
    sent = 0
    heard: list[bytes | None] = []
    reader = GroupReader(connection, "g", lambda: ["in"], lambda batch: heard.extend(r.value for r in batch))
    reader.start()

    def told() -> bool:
        nonlocal sent
        publisher.send([Outgoing("in", b"k", b"%d" % sent, [])])
        sent += 1
        return bool(heard)

    try:
        until(told, "what comes after it began is read")
    finally:
        reader.stop()
        publisher.close()
    assert FailsOnce.failures == 0
    numbers = [int(value or b"") for value in heard]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
