"""``hitl topics`` without a broker: documents, how a record looks, what is said when none answers."""

import json

import pytest
from typer.testing import CliRunner

from app.commands.topics import app, shown
from app.domain.events import CalibrationUpdated
from app.errors import ServiceUnreachableError, UsageError
from app.settings import PROJECT
from app.stream.codec import Codec
from app.stream.records import Incoming
from app.stream.schemas import Schemas

CODEC = Codec(Schemas.load())
UPDATE = CalibrationUpdated(
    learning_key="expense.approval", version=2, slope=1.1, intercept=-0.2, labels=40, updated_at=5
)


def run(*arguments, **environment):
    settings = {"HITL_KAFKA_BOOTSTRAP_SERVERS": "", "HITL_TOPIC_PREFIX": "", **environment}
    return CliRunner().invoke(app, list(arguments), env=settings)


def record(value, key=b"k", headers=()):
    return Incoming("calibration.updated", 0, 7, key, value, list(headers), 1_772_443_800_123)


def test_docs_prints_the_committed_document(tmp_path):
    committed = (PROJECT / "docs" / "asyncapi.yaml").read_text(encoding="utf-8")
    assert run("docs").stdout == committed
    assert run("docs", "--out", str(tmp_path / "a.yaml")).exit_code == 0
    assert (tmp_path / "a.yaml").read_text(encoding="utf-8") == committed
    assert json.loads(run("docs", "--json").stdout)["asyncapi"] == "3.0.0"
    assert run("docs", "--table").stdout.startswith("| topic |")


@pytest.mark.parametrize("verb", ["apply", "list", "docs", "tail"])
def test_every_verb_shows_an_example(verb):
    assert f"hitl topics {verb}" in run(verb, "--help").stdout


def test_a_record_is_shown_decoded():
    view = shown(record(CODEC.encode(UPDATE), headers=[("a", b"1"), ("a", b"\xff")]), CODEC)
    assert view["event"] == "CalibrationUpdated"
    assert view["value"]["slope"] == 1.1
    assert view["headers"] == [["a", "1"], ["a", {"hex": "ff"}]]
    assert (view["topic"], view["partition"], view["offset"], view["key"]) == (
        "calibration.updated",
        0,
        7,
        "k",
    )


@pytest.mark.parametrize(
    ("value", "readable", "reason"),
    [(b'{"a": 1}', '{"a": 1}', "not_avro"), (b"\xff\x00", {"hex": "ff00"}, "not_avro")],
)
def test_what_is_not_an_event_is_shown_as_it_is(value, readable, reason):
    view = shown(record(value, key=None), CODEC)
    assert view["value"] == readable
    assert view["not_decoded"]["reason"] == reason
    assert view["key"] is None


def test_a_deletion_is_shown_as_null():
    assert shown(record(None), CODEC)["value"] is None


@pytest.mark.parametrize("verb", [("list",), ("apply",), ("tail", "decisions.routed")])
def test_without_an_address_the_variable_is_named(verb):
    result = run(*verb)
    assert isinstance(result.exception, UsageError)
    assert "HITL_KAFKA_BOOTSTRAP_SERVERS" in result.exception.hint


@pytest.mark.parametrize("verb", [("list",), ("apply",), ("tail", "decisions.routed")])
def test_a_broker_that_does_not_answer_is_exit_code_3(verb):
    result = run(*verb, "--timeout", "0.3", HITL_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9")
    assert isinstance(result.exception, ServiceUnreachableError)
    assert result.exception.exit_code == 3
    assert "hitl doctor" in result.exception.hint


def test_an_unknown_topic_is_wrong_use():
    result = run("tail", "decisions.rooted", HITL_KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:9")
    assert isinstance(result.exception, UsageError)
    assert "decisions.routed" in result.exception.hint
