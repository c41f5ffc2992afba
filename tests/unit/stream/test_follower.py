"""Whoever keeps a picture of topics loses no record by an outage of what it is read with."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

import app.stream.follower
from app.stream.connection import Connection
from app.stream.errors import TransientError
from app.stream.follower import Follower
from app.stream.records import Incoming
from tests.processes import until

TOPIC = "reviews.outcomes"
VALUES = [b"0", b"1", b"2"]


class Reader:
    """A consumer of one partition with three records."""

    def __init__(self, _config: object) -> None:
        self._left: Iterator[Any] = iter(())

    def assign(self, partitions: list[Any]) -> None:
        self._left = iter([_message(offset) for offset in range(max(0, partitions[0].offset), len(VALUES))])

    def consume(self, _most: int, _seconds: float) -> list[Any]:
        return list(self._left)

    def close(self) -> None: ...


def _message(offset: int) -> Any:
    return SimpleNamespace(
        error=lambda: None,
        topic=lambda: TOPIC,
        partition=lambda: 0,
        offset=lambda: offset,
        key=lambda: b"k",
        value=lambda: VALUES[offset],
        headers=list,
        timestamp=lambda: (1, 0),
    )


def test_a_record_that_can_not_be_read_at_the_moment_is_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    module = app.stream.follower
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(module, "Consumer", Reader)
    monkeypatch.setattr(module, "partitions_of", lambda *_: [(TOPIC, 0)])
    monkeypatch.setattr(module, "watermarks", lambda *_: (0, len(VALUES)))
    taken: list[bytes | None] = []
    away = [True] * 3

    def take(record: Incoming) -> None:
        if record.value == b"0":
            raise ValueError("poison is skipped")
        if record.value == b"1" and away:
            away.pop()
            raise TransientError("keys can not be read now")
        taken.append(record.value)

    follower = Follower(Connection(bootstrap_servers="nowhere"), [TOPIC], take, lambda: None)
    follower.start()
    try:
        until(lambda: follower.caught_up, "all is read")
        assert taken == [b"1", b"2"]
    finally:
        follower.stop()
