"""Exactly once, whatever happens to workers: killed inside a transaction, stopped for too long, moved."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from app.stream.batch import Aborted, Batch
from app.stream.connection import Connection
from app.stream.errors import BrokerUnreachableError, FatalStreamError
from app.stream.records import Outgoing, Partition
from app.stream.transactions import TransactionalClient
from tests.chaos.harness import count, read, submit
from tests.chaos.oracle import check
from tests.processes import until

pytestmark = pytest.mark.broker


def test_kill_nine_inside_transactions_neither_loses_nor_doubles(connection: Connection, worker: Any) -> None:
    ids: list[str] = []

    def feed(count: int) -> None:
        ids.extend(more := [f"id-{n:04}" for n in range(len(ids), len(ids) + count)])
        submit(connection, more)

    feed(400)
    workers = [worker(connection, slot=s, hold=0.15, max_batch=40) for s in ("0", "1")]
    for turn in range(4):
        victim = workers[turn % 2]
        until(partial(_in_transaction, victim, feed), "inside a transaction")
        victim.kill()
        victim.flag.unlink(missing_ok=True)
        feed(150)
        victim.start()
    until(lambda: count(connection) >= len(ids), "everything copied")
    report = check(ids, read(connection))
    assert report.ok, report


def _in_transaction(victim: Any, feed: Callable[[int], None]) -> bool:
    """Within two seconds. Fed again otherwise: the other worker may have done all before this one came."""
    deadline = time.monotonic() + 2
    while not (inside := victim.flag.exists()) and time.monotonic() < deadline:
        time.sleep(0.02)
    if not inside:
        feed(80)
    return bool(inside)


def test_a_zombie_commits_nothing(connection: Connection, worker: Any) -> None:
    ids = [f"id-{n}" for n in range(300)]
    submit(connection, ids)
    zombie = worker(connection, slot="0", hold=15, max_batch=50, session_timeout_ms=3000)
    until(zombie.flag.exists, "inside a transaction")
    zombie.signal(signal.SIGSTOP)  # for longer than its session
    worker(connection, slot="1", session_timeout_ms=3000)
    until(lambda: check(ids, read(connection)).lost == [], "the other worker does it all")
    before = len(zombie.said())
    zombie.signal(signal.SIGCONT)
    until(lambda: len(zombie.said()) > before or not zombie.running, "the zombie was refused")
    assert not any(line.startswith("committed") for line in zombie.said()[before : before + 1])
    report = check(ids, read(connection))
    assert report.ok, report


def test_a_zombie_that_held_a_batch_before_its_transaction_is_refused(connection: Connection) -> None:
    submit(connection, [f"id-{n}" for n in range(20)], partition=0)
    zombie = _client(connection, "0", session_ms=6000)
    batch = _next(zombie)
    other = _client(connection, "1")
    # The group forgets the zombie while it holds its batch (its poll interval is over).
    taken = _next(other)
    assert other.commit(taken, _copies(taken)) is None
    refused = zombie.commit(batch, _copies(batch))
    assert isinstance(refused, Aborted), "the zombie committed"
    assert check([f"id-{n}" for n in range(20)], read(connection)).ok
    _leave(zombie)
    other.close()


def test_a_rebalance_with_a_batch_in_flight_is_safe(connection: Connection) -> None:
    ids = [f"id-{n}" for n in range(400)]
    submit(connection, ids)
    listener = _Listener()
    first = _client(connection, "0", listener)
    batch = _next(first)
    second = _client(connection, "1")
    stop = threading.Event()
    helper = threading.Thread(target=_drive, args=(second, stop))
    helper.start()  # joins: some of the first one's partitions are to move while it holds its batch
    until(lambda: not first.hold(1.0) or "revoked" in listener.calls, "some are to move")
    first.release()
    if first.commit(batch, _copies(batch)) is not None:
        assert listener.calls[-1] == "aborted"
    driver = threading.Thread(target=_drive, args=(first, stop))
    driver.start()
    try:
        until(lambda: count(connection) >= len(ids), "everything copied")
        assert "revoked" in listener.calls
    finally:
        stop.set()
        helper.join()
        driver.join()
        first.close()
        second.close()
    report = check(ids, read(connection))
    assert report.ok, report


def test_records_that_come_in_the_same_call_as_their_assignment_count(connection: Connection) -> None:
    submit(connection, [f"id-{n}" for n in range(50)], partition=0)
    client = _client(connection, "0")
    batch = client.next_batch(wait=180)  # long enough to join, be assigned and fetch within one poll
    assert batch is not None
    assert [r.offset for r in batch.records] == list(range(len(batch.records)))
    client.close()


def test_records_of_a_partition_revoked_within_one_call_do_not_count(connection: Connection) -> None:
    submit(connection, ["a"], partition=0)
    client = _client(connection, "0")
    message = None
    while message is None:
        message = client._consumer.poll(0.2)
    client._on_revoke(client._consumer, list(client._consumer.assignment()))
    assert client._taken([message]) == []
    client.close()


def test_a_partition_that_went_and_came_back_is_not_taken_back_to_a_batch_of_before(
    connection: Connection,
) -> None:
    submit(connection, ["a", "b"], partition=0)
    client = _client(connection, "0")
    batch = _next(client)
    assert client.commit(batch, _copies(batch)) is None  # what another worker did meanwhile
    mine = list(client._consumer.assignment())
    client._on_revoke(client._consumer, mine)
    client._on_assign(client._consumer, mine)
    client.rewind(batch)
    assert client.next_batch(wait=2.0) is None
    client.close()


def test_what_was_held_flows_again_also_where_a_rebalance_took_it_meanwhile(connection: Connection) -> None:
    submit(connection, ["a", "b"], partition=0)
    client = _client(connection, "0")
    batch = _next(client)
    mine = list(client._consumer.assignment())
    assert client.hold(0.0)
    client._consumer.unassign()
    client._on_revoke(client._consumer, mine)
    client.release()  # in the middle of the rebalance
    client._consumer.assign(mine)
    client._on_assign(client._consumer, mine)
    assert [r.position for r in _next(client).records] == [r.position for r in batch.records]
    client.close()


def test_a_record_the_broker_finds_too_large_aborts_once_and_is_known_from_then_on(
    connection: Connection,
) -> None:
    submit(connection, ["a"])
    client = _client(connection, "0")
    batch = _next(client)
    large = Outgoing("out", b"a", b"x" * 1_500_000, [])
    assert not client.limits.too_large(large)
    assert isinstance(client.commit(batch, [large]), Aborted)
    assert client.limits.too_large(large)

    def copied() -> bool:  # the client may need further aborts to find its sequence again
        again = _next(client)
        assert [r.position for r in again.records] == [r.position for r in batch.records]
        return client.commit(again, _copies(again)) is None

    until(copied, "the same records, without the large one")
    client.close()
    assert check(["a"], read(connection)).ok


def test_the_older_client_of_a_slot_is_fenced(connection: Connection) -> None:
    submit(connection, ["a"])
    older = _client(connection, "0")
    batch = _next(older)
    newer = _client(connection, "0")
    with pytest.raises(FatalStreamError):
        older.commit(batch, _copies(batch))
    _leave(older)
    taken = _next(newer)
    assert newer.commit(taken, _copies(taken)) is None
    newer.close()
    assert check(["a"], read(connection)).ok


def test_fencing_ahead_ends_the_older_client_before_the_newer_one_joins(connection: Connection) -> None:
    submit(connection, ["a"])
    older = _client(connection, "0")
    batch = _next(older)
    newer = _unopened(connection, "0")
    newer.fence()
    with pytest.raises(FatalStreamError):
        older.commit(batch, _copies(batch))
    _leave(older)
    ready = newer._producer
    newer.open()
    assert newer._producer is ready  # fenced once
    taken = _next(newer)
    assert newer.commit(taken, _copies(taken)) is None
    newer._reopen()
    assert newer._producer is not ready  # after an outage with a fresh one, fenced anew
    newer.close()
    assert check(["a"], read(connection)).ok


def test_state_that_can_not_be_read_for_now_is_waited_for(connection: Connection) -> None:
    submit(connection, ["a"])
    listener = _AwayAtFirst()
    client = _client(connection, "0", listener)
    batch = _next(client)
    assert listener.calls.count("assigned") == 2
    assert client.commit(batch, _copies(batch)) is None
    client.close()
    assert check(["a"], read(connection)).ok


@pytest.mark.parametrize("step", ["send_offsets_to_transaction", "commit_transaction", "abort_transaction"])
def test_a_producer_that_gets_nowhere_while_the_broker_answers_is_given_up(
    connection: Connection, step: str
) -> None:
    ids = [f"id-{n}" for n in range(20)]
    submit(connection, ids)
    listener = _Listener()
    client = _client(connection, "0", listener)
    client._lasts = 1.0
    client.patience.stop_by(600.0)  # else a client that never gives up would hold up the test
    batch = _next(client)
    client._producer = cast(Producer, _Lost(client._producer, step))
    # Seen with a broker that stood still for a quarter of a minute: the consumer had lost it as well.
    client._consumer = cast(Consumer, _Lost(client._consumer, "list_topics"))
    refused = client.commit(batch, _copies(batch))
    assert isinstance(refused, Aborted), "it was committed"
    assert step in refused.reason
    assert listener.calls[-1] == "aborted"
    stop = threading.Event()
    driver = threading.Thread(target=_drive, args=(client, stop))
    driver.start()
    until(lambda: count(connection) >= len(ids), "everything copied")
    stop.set()
    driver.join()
    client.close()
    report = check(ids, read(connection))
    assert report.ok, report


class _Lost:
    """A client of which one step never gets an answer; where that is the abort, commits are refused."""

    def __init__(self, client: object, step: str) -> None:
        self._client = client
        self._step = step

    def __getattr__(self, name: str) -> Any:
        if name == "commit_transaction" and self._step == "abort_transaction":
            return self._refused
        return self._unanswered if name == self._step else getattr(self._client, name)

    def _refused(self, *_arguments: object) -> None:
        raise KafkaException(KafkaError(KafkaError.NOT_COORDINATOR, "refused", txn_requires_abort=True))

    def _unanswered(self, *_arguments: object, **_named: object) -> None:
        time.sleep(0.1)
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, self._step, retriable=True))


class _Listener:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def assigned(self, partitions: Collection[Partition]) -> None:
        self.calls.append("assigned")

    def revoked(self, partitions: Collection[Partition]) -> None:
        self.calls.append("revoked")

    def committed(self) -> None:
        self.calls.append("committed")

    def aborted(self) -> None:
        self.calls.append("aborted")


class _AwayAtFirst(_Listener):
    """Its state has no leader yet when it is first assigned."""

    def assigned(self, partitions: Collection[Partition]) -> None:
        super().assigned(partitions)
        if self.calls.count("assigned") == 1:
            raise BrokerUnreachableError("no leader")


def _client(
    connection: Connection, slot: str, listener: _Listener | None = None, session_ms: int = 120_000
) -> TransactionalClient:
    client = _unopened(connection, slot, listener, session_ms)
    client.open()
    return client


def _unopened(
    connection: Connection, slot: str, listener: _Listener | None = None, session_ms: int = 120_000
) -> TransactionalClient:
    """Its session outlasts a machine that stands still, where a test is not about the end of one."""
    return TransactionalClient(
        connection,
        app="t",
        name="copy",
        slot=slot,
        topics=["in"],
        listener=listener,
        session_timeout_ms=session_ms,
        max_poll_interval_ms=session_ms,
    )


def _next(client: TransactionalClient) -> Batch:
    found: list[Batch] = []

    def some() -> bool:
        batch = client.next_batch()
        if batch is not None:
            found.append(batch)
        return bool(found)

    until(some, "a batch")
    return found[0]


def _leave(client: TransactionalClient) -> None:
    """Of one that was evicted or fenced: librdkafka may wait for ever for the end of its group. A worker's
    process is ended then; a test only goes on."""
    leaving = threading.Thread(target=client.close, daemon=True)
    leaving.start()
    leaving.join(15)


def _copies(batch: Batch) -> list[Outgoing]:
    return [Outgoing("out", r.key or b"", r.value, []) for r in batch.records]


def _drive(client: TransactionalClient, stop: threading.Event) -> None:
    while not stop.is_set():
        batch = client.next_batch()
        if batch is not None:
            client.commit(batch, _copies(batch))
