from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.stream.connection import Connection
from tests.chaos.harness import Worker
from tests.conftest import MakeTopics


@pytest.fixture
def connection(kafka: str, topic_prefix: str, make_topics: MakeTopics) -> Connection:
    """Topics in, out and deadletter of a prefix of this test's own."""
    make_topics(f"{topic_prefix}in", f"{topic_prefix}out")
    make_topics(f"{topic_prefix}deadletter", max_message_bytes=str(4 * 1024 * 1024))
    return Connection(bootstrap_servers=kafka, prefix=topic_prefix)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Any]:
    """``worker(connection, slot="0", **options)`` starts a process; all are killed at the end."""
    workers: list[Worker] = []

    def start(connection: Connection, **options: Any) -> Worker:
        where = {"bootstrap": connection.bootstrap_servers, "prefix": connection.prefix}
        workers.append(Worker(tmp_path, **where, **options).start())
        return workers[-1]

    yield start
    for each in workers:
        print(*each.said()[-8:], each.dump())  # shown by pytest when the test failed
