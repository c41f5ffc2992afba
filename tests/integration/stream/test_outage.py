"""The broker dies and comes back: everyone waits for it and nobody loses anything."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from app.stream.broadcast import Broadcast
from app.stream.connection import Connection
from app.stream.producer import Publisher
from app.stream.records import Outgoing
from tests.chaos.harness import count, read, submit
from tests.chaos.oracle import check
from tests.conftest import create_topics
from tests.kafka_broker import KafkaBroker
from tests.processes import until

pytestmark = pytest.mark.broker


def test_a_broker_killed_inside_a_transaction_comes_back(own_broker: KafkaBroker, worker: Any) -> None:
    prefix = f"o{uuid.uuid4().hex[:6]}."
    create_topics(own_broker.bootstrap, f"{prefix}in", f"{prefix}out", f"{prefix}deadletter")
    create_topics(own_broker.bootstrap, f"{prefix}known", partitions=1, config={"cleanup_policy": "compact"})
    connection = Connection(bootstrap_servers=own_broker.bootstrap, prefix=prefix)
    known: dict[bytes, bytes] = {}
    broadcast = Broadcast(connection, "known", lambda r: known.update({r.key or b"": r.value or b""}))
    broadcast.start()
    ids = [f"id-{n}" for n in range(300)]
    submit(connection, ids[:200])
    running = worker(connection, hold=0.2, max_batch=50)
    until(running.flag.exists, "inside a transaction")

    own_broker.kill()
    until(lambda: any(line.startswith("paused") for line in running.said()), "said that it waits")
    own_broker.start()

    submit(connection, ids[200:])
    until(lambda: count(connection) >= len(ids), "everything copied")
    until(lambda: "resumed" in running.said(), "said that it goes on")
    report = check(ids, read(connection))
    assert report.ok, report
    assert count(connection, "deadletter") == 0
    assert running.running

    publisher = Publisher(connection, client_id="t")
    assert publisher.send([Outgoing("known", b"k", b"after", [])]) == []
    until(lambda: known == {b"k": b"after"}, "the broadcast reader follows on")
    broadcast.stop()


def test_a_broker_restarted_while_the_worker_is_idle(own_broker: KafkaBroker, worker: Any) -> None:
    prefix = f"o{uuid.uuid4().hex[:6]}."
    create_topics(own_broker.bootstrap, f"{prefix}in", f"{prefix}out", f"{prefix}deadletter")
    connection = Connection(bootstrap_servers=own_broker.bootstrap, prefix=prefix)
    submit(connection, ["before"])
    running = worker(connection)
    until(lambda: count(connection) == 1, "copied before")
    own_broker.kill()
    own_broker.start()
    submit(connection, ["after"])
    until(lambda: count(connection) >= 2, "copied after")
    assert check(["before", "after"], read(connection)).ok
    assert running.running
