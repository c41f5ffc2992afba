"""The ``hitl policy`` verbs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.commands.policy import app
from app.errors import UsageError
from app.policy.load import load_policy
from app.policy.problems import PolicyError
from tests.unit.policy.texts import MINIMAL, with_lines

run = CliRunner().invoke


@pytest.fixture
def minimal(tmp_path):
    path = tmp_path / "minimal.yaml"
    path.write_text(MINIMAL, encoding="utf-8")
    return path


@pytest.fixture
def broken(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text(with_lines("preset: flowcart"), encoding="utf-8")
    return path


def test_init_writes_a_policy_that_passes_and_never_overwrites_by_accident(tmp_path):
    path = tmp_path / "mine.yaml"
    assert run(app, ["init", str(path)]).exit_code == 0
    assert load_policy(path).content.name == "My policy"
    path.write_text("mine", encoding="utf-8")
    refused = run(app, ["init", str(path)])
    assert isinstance(refused.exception, UsageError)
    assert path.read_text(encoding="utf-8") == "mine"
    assert run(app, ["init", str(path), "--force"]).exit_code == 0
    assert load_policy(path).content.name == "My policy"


def test_check_without_a_file_checks_the_policy_in_force(minimal, monkeypatch):
    monkeypatch.setenv("HITL_POLICY", str(minimal))
    result = run(app, ["check"])
    assert result.exit_code == 0
    assert f"{minimal}: fine" in result.stdout
    monkeypatch.delenv("HITL_POLICY")
    assert "expense.approval" in run(app, ["check"]).stdout


def test_check_names_the_place(broken):
    result = run(app, ["check", str(broken)])
    assert isinstance(result.exception, PolicyError)
    assert result.exception.exit_code == 1
    assert f"{broken}:11:5 decision_types.expense.approval.preset:" in str(result.exception)


def test_check_as_json(minimal, broken):
    assert json.loads(run(app, ["check", str(minimal), "--json"]).stdout)["types"] == ["expense.approval"]
    result = run(app, ["check", str(broken), "--json"])
    assert result.exit_code == 1
    problem = json.loads(result.stdout)
    assert (problem["line"], problem["column"], problem["allowed"]) == (11, 5, ["flowchart", "matrix"])


def test_show_fills_in_defaults_and_can_be_read_back(minimal, tmp_path):
    shown = run(app, ["show", str(minimal)]).stdout
    again = tmp_path / "again.yaml"
    again.write_text(shown, encoding="utf-8")
    assert load_policy(again).content.decision_types["expense.approval"].alpha == 0.02
    one = json.loads(run(app, ["show", str(minimal), "--type", "expense.approval", "--json"]).stdout)
    assert one["expert_pool"] == "reviewers"
    unknown = run(app, ["show", str(minimal), "--type", "expense.aproval"])
    assert isinstance(unknown.exception, UsageError)
    assert "did you mean expense.approval?" in str(unknown.exception)


def test_diff(minimal, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(with_lines("alpha: 0.05"), encoding="utf-8")
    assert "alpha: 0.02 -> 0.05  (looser)" in run(app, ["diff", str(minimal), str(other)]).stdout
    assert json.loads(run(app, ["diff", str(minimal), str(other), "--json"]).stdout)["effect"] == "looser"
    assert "no difference" in run(app, ["diff", str(minimal), str(minimal)]).stdout


def test_diff_reports_the_problems_of_both_files(broken, tmp_path):
    result = run(app, ["diff", str(broken), str(tmp_path / "none.yaml")])
    assert isinstance(result.exception, PolicyError)
    assert {Path(problem.file).name for problem in result.exception.problems} == {"broken.yaml", "none.yaml"}


def test_schema_prints_json():
    assert json.loads(run(app, ["schema"]).stdout)["properties"]["decision_types"]


@pytest.mark.parametrize("verb", ["init", "check", "show", "diff", "schema"])
def test_every_verb_helps_with_an_example(verb):
    assert f"hitl policy {verb}" in run(app, [verb, "--help"], terminal_width=200).stdout
