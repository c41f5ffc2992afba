"""``hitl submit`` and ``hitl observe`` without a broker: every line is sent or accounted for."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner

from app import cli
from app.commands import submit as command
from app.domain.events import DecisionSubmitted, ObservationKind, ObservedOutcome

GOOD = {
    "decision_id": "exp-1",
    "decision_type": "expense.approval",
    "occurred_at": "2026-03-02T09:30:00Z",
    "subject": "emp-17",
    "recommendation": {"action": "approve", "probability": 0.93},
    "facts": {"amount": 1240.5, "currency": "EUR", "category": "travel"},
    "model": {"name": "expenses", "version": "3"},
}
TRUTH = {"decision_id": "exp-1", "kind": "downstream_error", "observed_at": "2026-03-09T09:30:00Z"}


def line(**changes):
    return json.dumps({**GOOD, **changes})


@pytest.fixture
def sent(monkeypatch):
    """What reaches the topics, as (topic, key, event)."""
    written = []

    class Writer:
        def write(self, topic, key, event):
            written.append((topic, key, event))

    @contextmanager
    def writer(_settings):
        yield Writer()

    monkeypatch.setattr(command, "open_writer", writer)
    monkeypatch.delenv("HITL_POLICY", raising=False)
    return written


def run(*arguments, text=None):
    return CliRunner().invoke(cli.app, list(arguments), input=text)


def test_decisions_are_sent_under_their_ids(sent, tmp_path):
    file = tmp_path / "d.jsonl"
    file.write_text(line() + "\n\n  \n" + line(decision_id="exp-2") + "\n", encoding="utf-8")
    result = run("submit", str(file))
    assert (result.exit_code, result.stdout) == (0, "2 sent, 0 rejected\n")
    assert [(topic, key) for topic, key, _ in sent] == [
        ("decisions.submitted", "exp-1"),
        ("decisions.submitted", "exp-2"),
    ]
    event = sent[0][2]
    assert isinstance(event, DecisionSubmitted)
    assert (event.subject, event.recommendation.probability) == ("emp-17", 0.93)
    assert not (tmp_path / "d.jsonl.rejected.jsonl").exists()


def test_a_laboratory_file_can_be_submitted_and_its_truth_stays_behind(sent, tmp_path):
    file = tmp_path / "d.jsonl"
    file.write_text(line(truth={"action": "reject"}) + "\n", encoding="utf-8")
    result = run("submit", str(file))
    assert (result.exit_code, result.stdout) == (0, "1 sent, 0 rejected\n")
    assert not hasattr(sent[0][2], "truth")


BAD = {
    "not json": ("{", "invalid"),
    "no object": ("[1]", "invalid"),
    "NaN": (line().replace("0.93", "NaN"), "invalid"),
    "infinity": (line().replace("0.93", "Infinity"), "invalid"),
    "a field is missing": (json.dumps({k: v for k, v in GOOD.items() if k != "model"}), "invalid"),
    "a field too many": (line(confidence=1), "invalid"),
    "an empty id": (line(decision_id=""), "invalid"),
    "a time without an offset": (line(occurred_at="2026-03-02T09:30:00"), "invalid"),
    "nested facts": (line(facts={"amount": {"net": 1}}), "invalid"),
    "nested without end": (line(truth=0).replace(": 0}", ": " + "[" * 9_000 + "]" * 9_000 + "}"), "invalid"),
    "an unknown type": (line(decision_id="x", decision_type="loan.approval"), "unknown_type"),
    "the same id again": (line(), "duplicate"),
    "256 KiB": (line(decision_id="y", facts={"note": "n" * 262_144}), "too_large"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_rejected_is_written_with_its_line_and_reason(sent, tmp_path, name):
    bad, reason = BAD[name]
    file = tmp_path / "d.jsonl"
    file.write_text(f"{line()}\n{bad}\n{line(decision_id='exp-3')}\n", encoding="utf-8")
    result = run("submit", str(file), "--json")
    rejects = tmp_path / "d.jsonl.rejected.jsonl"
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert [key for _, key, _ in sent] == ["exp-1", "exp-3"]
    [entry] = [json.loads(text) for text in rejects.read_text(encoding="utf-8").splitlines()]
    assert (entry["line"], entry["reason"], entry["input"]) == (2, reason, bad)
    first = f"line 2: {entry['message']}"
    assert told == {"sent": 2, "rejected": 1, "rejects_file": str(rejects), "first_reason": first}
    assert first in result.stderr
    assert str(rejects) in result.stderr.replace("\n", "")


def test_bytes_that_are_no_text_are_rejected_and_kept_readable(sent, tmp_path):
    file = tmp_path / "d.jsonl"
    file.write_bytes(line(subject="emp").encode().replace(b"emp", b"\xff\xfe") + b"\n")
    assert run("submit", str(file)).exit_code == 1
    entry = json.loads((tmp_path / "d.jsonl.rejected.jsonl").read_text(encoding="utf-8"))
    assert entry["reason"] in ("not_utf8", "invalid")
    assert "\ufffd" in entry["input"]


def test_rejects_of_an_earlier_run_do_not_stay(sent, tmp_path):
    file = tmp_path / "d.jsonl"
    file.write_text("{\n", encoding="utf-8")
    assert run("submit", str(file)).exit_code == 1
    file.write_text(line() + "\n", encoding="utf-8")
    assert run("submit", str(file)).exit_code == 0
    assert not (tmp_path / "d.jsonl.rejected.jsonl").exists()


def test_an_unknown_type_names_the_known_ones(sent, tmp_path):
    file = tmp_path / "d.jsonl"
    file.write_text(line(decision_type="loan.approval") + "\n", encoding="utf-8")
    run("submit", str(file))
    entry = json.loads((tmp_path / "d.jsonl.rejected.jsonl").read_text(encoding="utf-8"))
    assert "expense.approval" in entry["message"]


def test_standard_input(sent, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("submit", "-", text=line() + "\n{\n")
    assert (result.exit_code, result.stdout) == (1, "1 sent, 1 rejected\n")
    assert (tmp_path / "stdin.rejected.jsonl").exists()


def test_truths_are_sent_under_their_decision(sent, tmp_path):
    file = tmp_path / "o.jsonl"
    again = {**TRUTH, "source": "other"}
    file.write_text("\n".join(map(json.dumps, (TRUTH, TRUTH, again, {**TRUTH, "kind": "rumour"}))))
    result = run("observe", str(file))
    assert (result.exit_code, result.stdout) == (1, "3 sent, 1 rejected\n")
    events = [event for _, _, event in sent]
    assert {(topic, key) for topic, key, _ in sent} == {("outcomes.observed", "exp-1")}
    assert all(isinstance(event, ObservedOutcome) for event in events)
    assert events[0].kind is ObservationKind.DOWNSTREAM_ERROR
    # The same truth has the same id, so that a file sent twice counts once; another source's has not.
    assert events[0].observation_id == events[1].observation_id != events[2].observation_id
