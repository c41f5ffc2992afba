"""The command as a whole: every verb explains itself, wrong use is told apart from failure."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click
import pytest
import typer
from typer.core import TyperOption
from typer.testing import CliRunner

from app import __version__, cli
from app.composition import supervisor
from app.errors import HitlError, ServiceUnreachableError, UsageError

ROOT = typer.main.get_command(cli.app)


def verbs(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every verb of the command, as its words."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path
        return
    for name, child in children.items():
        yield from verbs(child, (*path, name))


VERBS = sorted(verbs(ROOT))


def run(monkeypatch, *arguments, **environment):
    """``hitl`` with these arguments; its exit code."""
    for name in (
        "KAFKA_BOOTSTRAP_SERVERS",
        "REDIS_URL",
        "POLICY",
        "SECRET_FILE",
        "TOPIC_PREFIX",
        "METRICS_PORT",
    ):
        monkeypatch.delenv(f"HITL_{name}", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["hitl", *arguments])
    monkeypatch.setattr(supervisor, "supervise", lambda work: work())  # a test is no place to fork
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code or 0


def test_the_verbs_are_those_that_are_promised():
    assert {words[0] for words in VERBS} >= {
        "demo", "up", "worker", "submit", "observe", "topics", "review", "dlq", "queue", "policy",
        "status", "doctor", "console", "people", "token",
    }  # fmt: skip


@pytest.mark.parametrize("words", [(), *VERBS], ids=lambda words: " ".join(words) or "hitl")
def test_help_has_an_example_and_exits_zero(words):
    result = CliRunner().invoke(cli.app, [*words, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 0
    example = result.output.partition("Example")[2]
    assert " ".join(("hitl", *words)) in " ".join(example.split()), result.output
    assert "<bool>" not in result.output


def test_help_of_every_option_says_what_it_does():
    def options(command, path=()):
        for parameter in command.params:
            yield path, parameter
        for name, child in getattr(command, "commands", {}).items():
            yield from options(child, (*path, name))

    silent = [
        (path, option.name)
        for path, option in options(ROOT)
        if isinstance(option, TyperOption) and not option.help and option.name not in ("offset", "limit")
    ]
    assert not silent


REVIEW = "finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e"
AWAY = {"HITL_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9", "HITL_REDIS_URL": "redis://127.0.0.1:9/0"}
"""Services that nobody answers for: what is wrong by itself is said first."""


def test_the_version(monkeypatch, capsys):
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"hitl {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("frobnicate",), "frobnicate"),
        (("submit",), "file"),
        (("submit", "--frobnicate", "x"), "--frobnicate"),
        (("submit", "nowhere.jsonl"), "nowhere.jsonl: No such file"),
        (("submit", "nowhere.jsonl", "@away"), "nowhere.jsonl: No such file"),
        (("dlq", "replay", "x", "@away"), "'x' is no position of a dead letter"),
        (("review", "show", "nope", "@away"), "'nope' is not a review id"),
        (("review", "claim", "nope", "@away"), "'nope' is not a review id"),
        (
            ("review", "decide", REVIEW, "--action", "x", "--reasoning", "y", "--changes", "{", "@away"),
            "--changes is not a JSON",
        ),
        (("worker", "--agents", "scoring,rooting"), "choose from scoring, routing, review_request"),
        (("status",), "decision_id"),
        (("status", "exp-1"), "HITL_KAFKA_BOOTSTRAP_SERVERS is not set"),
        (("dlq", "replay"), "--all"),
        (("dlq", "list", "--max", "0"), "--max"),
        (("review", "list", "--limit", "0"), "--limit"),
        (("queue", "stats"), "HITL_REDIS_URL is not set"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_use_exits_2_and_says_what_to_do(monkeypatch, capsys, arguments, said):
    away = AWAY if arguments[-1] == "@away" else {}
    assert run(monkeypatch, *(word for word in arguments if word != "@away"), **away) == 2
    captured = capsys.readouterr()
    assert said in " ".join(captured.err.split())
    assert "try" in captured.err.lower()
    assert not captured.out


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("HITL_METRICS_PORT", "many", 2),
        ("HITL_SECRET_FILE", "/nowhere/secret", 2),
        ("HITL_POLICY", "/nowhere/policy.yaml", 1),
        ("HITL_REDIS_URL", "localhost", 2),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch, capsys, name, value, code):
    where = {"HITL_KAFKA_BOOTSTRAP_SERVERS": "localhost:1", "HITL_REDIS_URL": "redis://localhost:1/0"}
    assert run(monkeypatch, "worker", **{**where, name: value}) == code
    said = capsys.readouterr().err
    assert value in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HitlError("it failed"), 1),
        (UsageError("it failed", hint="do [this]"), 2),
        (ServiceUnreachableError("it failed", hint="do [this]"), 3),
    ],
)
def test_errors_become_words_and_exit_codes(monkeypatch, capsys, error, code):
    def fail():
        raise error

    monkeypatch.setattr(cli, "app", fail)
    assert run(monkeypatch) == code
    said = capsys.readouterr().err
    assert "error: it failed" in said
    assert error.hint in said
