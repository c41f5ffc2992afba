"""Whoever no longer hears what all workers must know says so, tries again, and in the end gives up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError

import app.stream.broadcast
from app.stream.broadcast import Broadcast, Hearing, unheard
from app.stream.connection import Connection
from app.stream.errors import FatalStreamError
from tests.processes import until

TOPIC = "thresholds.updated"
REFUSED = KafkaError.TOPIC_AUTHORIZATION_FAILED


class Log:
    """One partition as readers see it, and what is wrong with it while something is."""

    def __init__(self) -> None:
        self.values: list[tuple[bytes, bytes | None]] = [(b"a", b"1"), (b"b", b"1")]
        self.wrong: int | None = None
        self.readers = 0

    def consumer(self, _config: object) -> SimpleNamespace:
        self.readers += 1
        read = iter(self._messages())
        return SimpleNamespace(
            assign=lambda _partitions: None,
            consume=lambda _most, seconds: [next(read)] if self._more(seconds) else [],
            close=lambda: None,
        )

    def _more(self, seconds: float) -> bool:
        time.sleep(seconds / 100)
        return True

    def _messages(self) -> Iterator[Any]:
        for offset in range(10_000_000):
            while self.wrong is None and offset >= len(self.values):
                yield _message(offset, error=KafkaError._TRANSPORT)
            if self.wrong is not None:
                yield _message(offset, error=self.wrong)
            else:
                yield _message(offset, *self.values[offset])


def _message(offset: int, key: bytes = b"", value: bytes | None = None, error: int | None = None) -> Any:
    return SimpleNamespace(
        error=lambda: None if error is None else KafkaError(error),
        topic=lambda: TOPIC,
        partition=lambda: 0,
        offset=lambda: offset,
        key=lambda: key,
        value=lambda: value,
        headers=list,
        timestamp=lambda: (1, 0),
    )


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Log:
    written = Log()
    module = app.stream.broadcast
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(module, "Consumer", written.consumer)
    monkeypatch.setattr(module, "partitions_of", lambda *_: [(TOPIC, 0)])
    monkeypatch.setattr(module, "watermarks", lambda *_: (0, len(written.values)))
    return written


@pytest.fixture
def heard(written: Log) -> Iterator[tuple[Broadcast, list[tuple[bytes | None, bytes | None]]]]:
    heard: list[tuple[bytes | None, bytes | None]] = []
    connection = Connection(bootstrap_servers="nowhere")
    broadcast = Broadcast(connection, TOPIC, lambda record: heard.append((record.key, record.value)))
    broadcast.start()
    yield broadcast, heard
    broadcast.stop()


def test_a_reader_that_is_refused_reads_all_of_it_again(
    written: Log, heard: tuple[Broadcast, list[tuple[bytes | None, bytes | None]]]
) -> None:
    broadcast, found = heard
    assert found == [(b"a", b"1"), (b"b", b"1")]
    assert broadcast.deaf_for() == 0.0, "an outage is waited for"
    written.wrong = REFUSED
    until(lambda: broadcast.deaf_for() > 0, "it is refused")
    written.values += [(b"a", b"2"), (b"b", None)]
    found.clear()
    written.wrong = None
    until(lambda: broadcast.deaf_for() == 0.0, "it is let in again")
    # who looked for the end before more was written tells what was there first
    until(lambda: found[-2:] == [(b"a", b"2"), (b"b", None)], "all of it was told again")
    assert written.readers > 2


async def test_a_worker_that_is_deaf_for_long_ends() -> None:
    silent = SimpleNamespace(topic=TOPIC, deaf_for=lambda: app.stream.broadcast.DEAF_SECONDS + 1)
    hearing = Hearing([silent])  # type: ignore[list-item]
    hearing.sleep = _at_once  # type: ignore[assignment]
    with pytest.raises(FatalStreamError, match="could not be read for 60 s"):
        await hearing._watch()


def test_a_topic_is_unheard_only_after_a_while() -> None:
    least = app.stream.broadcast.DEAF_SECONDS
    deaf = [SimpleNamespace(topic=str(number), deaf_for=lambda n=number: least + n) for number in (-1, 0, 1)]
    assert unheard(deaf) == "1"  # type: ignore[arg-type]
    assert unheard(deaf[:2]) == ""  # type: ignore[arg-type]


async def _at_once(_seconds: float) -> None: ...
