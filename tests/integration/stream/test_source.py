"""What a source promises on a real broker, seen from outside: a worker process and a committed reader."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from app.stream.connection import Connection
from tests.chaos.harness import count, read, submit
from tests.chaos.oracle import check
from tests.processes import until

pytestmark = pytest.mark.broker


def test_every_record_comes_out_once_and_in_order(connection: Connection, worker: Any) -> None:
    ids = [f"id-{n:04}" for n in range(500)]
    submit(connection, ids)
    worker(connection)
    until(lambda: count(connection) >= 500, "everything copied")
    report = check(ids, read(connection), order_of={name: (0, n) for n, name in enumerate(ids)})
    assert report.ok, report


def test_a_record_that_breaks_our_code_fails_alone(connection: Connection, worker: Any) -> None:
    good = [f"good-{n}" for n in range(60)]
    submit(connection, good[:30])
    submit(connection, ["bad-1"], b"bug \xff\x00")
    submit(connection, good[30:])
    running = worker(connection)
    until(lambda: count(connection) >= 60 and count(connection, "deadletter") >= 1, "one dead, sixty copied")
    assert check(good, read(connection)).ok
    [letter] = read(connection, "deadletter")
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (b"bad-1", b"bug \xff\x00")
    assert headers["dlq_reason"] == b"ValueError"
    assert headers["dlq_stage"] == b"publishing"
    assert headers["dlq_message"].startswith(b"ValueError: a record our code can not take")
    until(lambda: "dead publishing ValueError" in running.said(), "the observer hears of it")


def test_an_outage_pauses_and_resumes_and_never_dead_letters(
    connection: Connection, worker: Any, tmp_path: Path
) -> None:
    outage = tmp_path / "outage"
    outage.touch()
    ids = [f"id-{n}" for n in range(100)]
    submit(connection, ids)
    running = worker(connection, outage=str(outage), session_timeout_ms=60_000)
    until(lambda: "paused the store is away" in running.said(), "paused")
    assert count(connection) == 0
    outage.unlink()
    until(lambda: count(connection) >= 100, "everything copied after the outage")
    until(lambda: "resumed" in running.said(), "resumed")
    assert check(ids, read(connection)).ok
    assert count(connection, "deadletter") == 0
    assert running.said().count("paused the store is away") == 1
    assert "aborted" not in " ".join(running.said())


def test_sigterm_commits_the_batch_in_flight_and_exits_zero(connection: Connection, worker: Any) -> None:
    submit(connection, ["a", "b", "c"], partition=0)
    running = worker(connection, hold=1.0, drain=120.0)
    until(running.flag.exists, "inside a transaction")
    running.signal(signal.SIGTERM)
    assert running.wait() == 0, running.log.read_text()
    assert check(["a", "b", "c"], read(connection)).ok
    worker(connection, slot="1")  # another worker finds nothing left to do
    submit(connection, ["d"])
    until(lambda: count(connection) >= 4, "the next record")
    assert check(["a", "b", "c", "d"], read(connection)).ok


def test_a_call_that_never_returns_ends_the_process_and_its_successor_goes_on(
    connection: Connection, worker: Any
) -> None:
    submit(connection, ["a", "b"])
    hanging = worker(connection, hold=600, patience=1.0)
    assert hanging.wait() != 0
    assert "did not return" in hanging.log.read_text()
    worker(connection)  # the same slot: ends what the first one left open
    until(lambda: count(connection) >= 2, "copied by the successor")
    assert check(["a", "b"], read(connection)).ok


def test_a_second_worker_of_the_same_slot_ends_the_first(connection: Connection, worker: Any) -> None:
    submit(connection, ["a"])
    first = worker(connection)
    until(lambda: count(connection) == 1, "the first copies")
    worker(connection)
    submit(connection, ["b"])
    until(lambda: not first.running, "the first was fenced and ended")
    assert first.wait() != 0
    until(lambda: count(connection) >= 2, "the second goes on")
    assert check(["a", "b"], read(connection)).ok
