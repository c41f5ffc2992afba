"""Readers: compacted topics known whole before work starts, logs read to their real end."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from app.stream.broadcast import Broadcast
from app.stream.connection import Connection
from app.stream.errors import BrokerUnreachableError
from app.stream.producer import Publisher
from app.stream.reader import LogReader
from app.stream.records import Incoming, Outgoing
from tests.conftest import MakeTopics
from tests.processes import until

pytestmark = pytest.mark.broker


@pytest.fixture
def known(connection: Connection, make_topics: MakeTopics) -> str:
    make_topics(f"{connection.prefix}known", partitions=2, cleanup_policy="compact")
    return "known"


def _publish(connection: Connection, *pairs: tuple[bytes, bytes | None], topic: str = "known") -> None:
    publisher = Publisher(connection, client_id="t")
    assert publisher.send([Outgoing(topic, key, value, []) for key, value in pairs]) == []
    publisher.close()


def _transaction(connection: Connection, topic: str, count: int, *, commit: bool) -> Producer:
    producer = Producer(
        {
            "bootstrap.servers": connection.bootstrap_servers,
            "transactional.id": f"{connection.prefix}{commit}",
        }
    )
    producer.init_transactions(120)
    producer.begin_transaction()
    for n in range(count):
        producer.produce(connection.topic(topic), b"%d" % n, b"%d" % n, n % 2)
    producer.flush(120)
    if commit:
        producer.commit_transaction(120)
    return producer


def test_the_latest_of_each_key_is_known_at_start_and_changes_follow(
    connection: Connection, known: str
) -> None:
    _publish(connection, (b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"b", None), (b"c", b"3"))
    heard: list[Incoming] = []
    broadcast = Broadcast(connection, known, heard.append)
    broadcast.start()
    assert {(r.key, r.value) for r in heard} == {(b"a", b"2"), (b"c", b"3")}
    assert len(heard) == 2
    _publish(connection, (b"a", None), (b"d", b"4"))
    until(lambda: len(heard) == 4, "both changes")
    assert {(r.key, r.value) for r in heard[2:]} == {(b"a", None), (b"d", b"4")}
    broadcast.stop()


def test_an_empty_topic_is_known_at_once_and_a_missing_one_is_an_error(
    connection: Connection, known: str
) -> None:
    broadcast = Broadcast(connection, known, lambda _: None)
    broadcast.start()
    broadcast.stop()
    with pytest.raises(BrokerUnreachableError, match="nowhere"):
        Broadcast(connection, "nowhere", lambda _: None).start()


def test_a_record_that_its_reader_can_not_take_changes_nothing(connection: Connection, known: str) -> None:
    heard: list[bytes | None] = []

    def picky(record: Incoming) -> None:
        if record.value == b"bad":
            raise ValueError
        heard.append(record.value)

    broadcast = Broadcast(connection, known, picky)
    broadcast.start()
    _publish(connection, (b"a", b"good"), (b"a", b"bad"), (b"a", b"better"))
    until(lambda: heard == [b"good", b"better"], "the good ones")
    broadcast.stop()


def test_a_partition_is_restored_committed_and_without_what_was_deleted(
    connection: Connection, known: str
) -> None:
    publisher = Publisher(connection, client_id="t")
    pairs = [(b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"b", None)]
    publisher.send([Outgoing(known, key, value, [], 1) for key, value in pairs])
    publisher.close()
    _transaction(connection, known, 6, commit=False).abort_transaction(120)
    assert LogReader(connection).restore_partition(known, 1) == {b"a": b"2"}
    assert LogReader(connection).restore_partition(known, 0) == {}


def test_read_all_ends_behind_transaction_markers_and_empty_partitions(connection: Connection) -> None:
    assert list(LogReader(connection).read_all(["out"])) == []
    _transaction(connection, "out", 10, commit=True)
    _transaction(connection, "out", 10, commit=False).abort_transaction(120)
    assert sorted(int(r.key or b"") for r in LogReader(connection).read_all(["out", "in"])) == list(range(10))


def test_read_all_waits_for_an_open_transaction_and_misses_nothing_behind_it(connection: Connection) -> None:
    """Otherwise a replay's mark behind a worker's open transaction would not be seen."""
    opened = _transaction(connection, "out", 2, commit=False)
    publisher = Publisher(connection, client_id="t")
    publisher.send([Outgoing("out", b"77", b"behind", [], 0)])
    publisher.close()
    with pytest.raises(BrokerUnreachableError, match=r"out\[0\] to 2"):
        list(LogReader(connection, silence=2).read_all(["out"]))
    opened.commit_transaction(120)
    assert sorted(int(r.key or b"") for r in LogReader(connection).read_all(["out"])) == [0, 1, 77]
