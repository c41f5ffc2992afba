"""The embedded broker: enough for a first look. No guarantee is tested here, there is none."""

from __future__ import annotations

import subprocess
import sys

import pytest
from confluent_kafka.admin import AdminClient

from app.stream.batch import Batch
from app.stream.connection import Connection
from app.stream.embedded_broker import EmbeddedBroker
from app.stream.errors import BrokerUnreachableError
from app.stream.producer import LagThrottle, Publisher
from app.stream.reader import LogReader
from app.stream.records import Outgoing
from app.stream.topics import TopicTable
from app.stream.transactions import TransactionalClient
from tests.processes import until


def _next(client: TransactionalClient) -> Batch:
    found: list[Batch | None] = [None]

    def some() -> bool:
        found[0] = client.next_batch()
        return found[0] is not None

    until(some, "a batch")
    assert found[0] is not None
    return found[0]


def test_a_batch_goes_through_and_its_offsets_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    with EmbeddedBroker({"in": 1, "out": 2}) as broker:
        connection = Connection(bootstrap_servers=broker.bootstrap_servers, embedded=True)
        publisher = Publisher(connection, client_id="t")
        assert publisher.send([Outgoing("in", b"k", b"%d" % n, []) for n in range(5)]) == []
        throttle = LagThrottle(connection, group="t-copy", topic="in", most=4)
        assert throttle.lag() == 5
        assert not throttle.wait(timeout=0.1)
        client = TransactionalClient(connection, app="t", name="copy", slot="0", topics=["in"])
        client.open()
        while throttle.lag():
            batch = _next(client)
            assert client.commit(batch, [Outgoing("out", b"k", r.value, []) for r in batch.records]) is None
        assert throttle.wait()
        throttle.close()
        client.close()
        assert [r.value for r in LogReader(connection).read_all(["out"])] == [b"%d" % n for n in range(5)]
        assert "lost" not in caplog.text
        publisher.close()


def test_lost_records_are_said_plainly(caplog: pytest.LogCaptureFixture) -> None:
    with EmbeddedBroker({"in": 1}) as broker:
        connection = Connection(bootstrap_servers=broker.bootstrap_servers, embedded=True)
        publisher = Publisher(connection, client_id="t")
        publisher.send([Outgoing("in", b"k", b"v", [])])
        client = TransactionalClient(connection, app="t", name="copy", slot="0", topics=["in"])
        client.open()
        batch = _next(client)
        client.commit(batch, [])
        client._positions.take({("in", 0): 0}, {("in", 0): 0})  # as if the first one had been dropped unread
        publisher.send([Outgoing("in", b"k", b"v", [])])
        _next(client)
        assert "1 records lost (offsets 0 to 0)" in caplog.text
        client.close()
        publisher.close()


def test_other_processes_reach_it() -> None:
    script = (
        "import sys; from confluent_kafka import Producer;"
        "p = Producer({'bootstrap.servers': sys.argv[1]}); p.produce('in', b'v'); sys.exit(p.flush(180))"
    )
    with EmbeddedBroker(["in"]) as broker:
        subprocess.run([sys.executable, "-c", script, broker.bootstrap_servers], check=True)
        connection = Connection(bootstrap_servers=broker.bootstrap_servers, embedded=True)
        assert [r.value for r in LogReader(connection).read_all(["in"])] == [b"v"]


def test_its_topics_are_those_it_began_with_and_the_error_says_so() -> None:
    table = TopicTable.load()
    with EmbeddedBroker(list(table.named([]))) as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        assert admin.list_topics(timeout=120).topics  # the first answer of a client is the slow one
        with pytest.raises(BrokerUnreachableError, match="did not tell their settings") as refused:
            table.apply(admin, ["travel"], "", timeout=5.0)
    assert "start it anew with HITL_POLICY" in (refused.value.hint or "")
