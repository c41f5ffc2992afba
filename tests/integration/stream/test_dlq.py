"""Dead letters on a real broker: kept, replayed exactly once, discarded; through ``hitl dlq`` as well."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from confluent_kafka import KafkaException, Producer
from typer.testing import CliRunner

from app.commands.dlq import app
from app.errors import HitlError
from app.stream import letter_box
from app.stream.connection import Connection
from app.stream.dead_letters import DeadLetters, Letter
from app.stream.letter_box import LetterBox
from app.stream.producer import Publisher
from app.stream.records import DeadLetter, Incoming, Outgoing
from tests.chaos.harness import read

pytestmark = pytest.mark.broker


def _dead(connection: Connection, names: Sequence[str], value: bytes | None = b"\xff v") -> None:
    letters = DeadLetters(lambda: 1000, "1.0")
    publisher = Publisher(connection, client_id="t")
    records = [
        letters.outgoing(
            DeadLetter(Incoming("in", 0, n, name.encode(), value, [("h", b"\x01")], 0), "stage", name[0], "m")
        )
        for n, name in enumerate(names)
    ]
    assert publisher.send(records) == []
    publisher.close()


def _box(connection: Connection) -> LetterBox:
    return LetterBox(connection, lambda: 2000, lambda *_: "ours", lambda *_: True, timeout=120)


def test_a_letter_is_replayed_with_its_bytes_and_only_once(connection: Connection) -> None:
    _dead(connection, ["a1", "a2", "b1"])
    box = _box(connection)
    assert len(box.replay(lambda letter: letter.reason == "a").closed) == 2
    assert len(box.replay(lambda letter: letter.reason == "a").closed) == 0
    replayed = sorted(read(connection, "in"), key=lambda r: r.key or b"")
    assert [(r.key, r.value, r.headers[0]) for r in replayed] == [
        (b"a1", b"\xff v", ("h", b"\x01")),
        (b"a2", b"\xff v", ("h", b"\x01")),
    ]
    assert [letter.reason for letter in box.letters()] == ["b"]


def test_a_megabyte_survives(connection: Connection) -> None:
    _dead(connection, ["a"], b"x" * 1_000_000)
    [letter] = _box(connection).letters()
    assert len(letter.record.value or b"") == 1_000_000


def test_a_null_value_is_replayed_as_null(connection: Connection) -> None:
    _dead(connection, ["a"], None)
    _box(connection).replay(lambda _: True)
    [again] = read(connection, "in")
    assert again.value is None


def test_an_omitted_value_is_taken_from_its_source(connection: Connection) -> None:
    publisher = Publisher(connection, client_id="t")
    publisher.send([Outgoing("in", b"k", b"first", [], 0), Outgoing("in", b"k", b"the value", [], 0)])
    letter = DeadLetter(Incoming("in", 0, 1, b"k", b"the value", [], 0), "s", "r", "m")
    publisher.send([DeadLetters(lambda: 1, "1").outgoing(letter, too_large=lambda _: True)])
    gone = DeadLetter(Incoming("in", 0, 77, b"k", b"?", [], 0), "s", "r", "m")
    publisher.send([DeadLetters(lambda: 1, "1").outgoing(gone, too_large=lambda _: True)])
    publisher.close()
    done = _box(connection).replay(lambda _: True)
    assert [each.source for each in done.closed] == ["in[0]@1"]
    assert [each.source for each in done.gone] == ["in[0]@77"]
    assert [r.value for r in read(connection, "in")].count(b"the value") == 2


def test_a_run_that_dies_before_its_commit_leaves_nothing_behind(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    _dead(connection, ["a", "b"])
    killed = []

    class Dying(Producer):
        def commit_transaction(self, *_arguments: object) -> None:
            self.flush(120)
            killed.append(self)  # kept open, as a killed process leaves it
            raise KeyboardInterrupt

        def close(self) -> None:
            """A killed process closes nothing."""

    monkeypatch.setattr(letter_box, "Producer", Dying)
    with pytest.raises(KeyboardInterrupt):
        _box(connection).replay(lambda _: True)
    monkeypatch.undo()
    assert len(_box(connection).replay(lambda _: True).closed) == 2
    assert sorted(r.key or b"" for r in read(connection, "in")) == [b"a", b"b"]
    with pytest.raises(KafkaException):  # the first run wakes up: it is fenced
        Producer.commit_transaction(killed[0], 60)
    assert sorted(r.key or b"" for r in read(connection, "in")) == [b"a", b"b"]


def test_of_two_runs_at_once_the_older_one_stops(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    _dead(connection, ["a", "b"])
    older, newer = _box(connection), _box(connection)
    listed = older.letters()

    def list_and_be_overtaken() -> list[Letter]:
        assert len(newer.replay(lambda _: True).closed) == 2
        return listed

    monkeypatch.setattr(older, "letters", list_and_be_overtaken)
    with pytest.raises(HitlError, match="took over"):
        older.replay(lambda _: True)
    assert sorted(r.key or b"" for r in read(connection, "in")) == [b"a", b"b"]


def test_the_command_line(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HITL_KAFKA_BOOTSTRAP_SERVERS", connection.bootstrap_servers)
    monkeypatch.setenv("HITL_TOPIC_PREFIX", connection.prefix)
    _dead(connection, ["a", "b", "c"])

    def run(*arguments: str) -> list[dict[str, object]]:
        result = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]

    listed = run("list")
    assert sorted(str(row["reason"]) for row in listed) == ["a", "b", "c"]
    assert len(run("list", "--max", "1")) == 1
    [shown] = run("show", str(listed[0]["position"]))
    assert (shown["value_hex"], shown["app_version"]) == (b"\xff v".hex(), "1.0")
    assert len(run("replay", "--reason", "a", "--dry-run")) == 1
    assert len(run("list")) == 3
    assert len(run("replay", "--reason", "a")) == 1
    assert len(run("discard", "--reason", "b", "--why", "test")) == 1
    assert [row["reason"] for row in run("list")] == ["c"]
