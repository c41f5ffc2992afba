"""What must be read before it becomes unreadable."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import TopicPartition

from app.stream import erasure
from app.stream.connection import Connection
from app.stream.erasure import Holdings
from app.stream.topics import Topic

ENDS = {
    Topic.DECISIONS_SUBMITTED: 4,
    Topic.DECISIONS_ROUTED: 5,
    Topic.REVIEWS_OUTCOMES: 6,
    Topic.REVIEWS_LIFECYCLE: 7,
}
"""The offset after the person's last record, in partition 1."""


@pytest.mark.parametrize("behind", [None, *ENDS])
def test_nothing_is_erased_that_an_agent_has_yet_to_read(
    monkeypatch: pytest.MonkeyPatch, behind: Topic | None
) -> None:
    class Reached:
        def __init__(self, _config: dict[str, Any]) -> None: ...

        def committed(self, asked: list[TopicPartition], timeout: float) -> list[TopicPartition]:
            assert timeout > 0
            ends = [(one.topic, one.partition, ENDS[Topic(one.topic)]) for one in asked]
            return [TopicPartition(topic, at, end - (topic == behind)) for topic, at, end in ends]

        def close(self) -> None: ...

    monkeypatch.setattr(erasure, "Consumer", Reached)
    ends = {str(topic): {1: end} for topic, end in ENDS.items()}
    found = Holdings(subject="emp-1", key_ids=(), decisions=(), topics=(), ends=ends)
    connection = Connection(bootstrap_servers="kafka:9092")
    assert erasure.unread(connection, found) == ([] if behind is None else [behind])
