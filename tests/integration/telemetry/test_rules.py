"""Rules, alerts, their tests and their runbooks belong together. promtool and amtool judge them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import typer
from ruamel.yaml import YAML

from app.cli import app
from app.telemetry.catalogue import METRICS
from app.telemetry.recording import recording_rules
from app.telemetry.reference import reference
from app.telemetry.targets import TARGETS
from grafana.board import MARKS

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "grafana" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
TESTS = sorted((RULES / "tests").glob("*.yml"))


def read(path: Path):
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


ALERTS = {rule["alert"]: rule for group in read(RULES / "alerts.yml")["groups"] for rule in group["rules"]}
EXPECTED = [
    (found.group(1), bool(one["exp_samples"]))
    for path in TESTS
    for test in read(path)["tests"]
    for one in test["promql_expr_test"]
    if (found := re.fullmatch(r'ALERTS\{alertname="(\w+)",alertstate="firing"\}', one["expr"]))
]


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=RULES, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_recording_rules_are_the_targets_formulas():
    """`hitl metrics rules --out grafana/prometheus/recording.yml` writes them."""
    assert (RULES / "recording.yml").read_text(encoding="utf-8") == recording_rules()


def test_the_page_about_metrics_is_the_catalogue():
    """`hitl metrics docs --out docs/metrics.md` writes it."""
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == reference(list(ALERTS))


def test_promtool_takes_rules_and_scrape_configuration():
    run("promtool", "check", "rules", "recording.yml", "alerts.yml")
    run("promtool", "check", "config", "--syntax-only", str(ROOT / "deploy" / "prometheus.yml"))


def test_a_number_is_still_there_when_one_evaluation_was_missed():
    """Else alerts on it would begin to wait anew: after five minutes Prometheus takes a value for gone."""
    intervals = {group["name"]: group["interval"] for group in read(RULES / "recording.yml")["groups"]}
    assert {re.fullmatch(r"[12]m", interval) is not None for interval in intervals.values()} == {True}


def test_who_was_away_for_ten_minutes_and_is_back_has_begun_nothing(tmp_path):
    """The marks of policies and models. A new policy is marked, once."""
    expression = next(mark.expr for mark in MARKS if mark.title == "Policy activated")
    asked = expression.replace("$__interval", "1m").replace('{job=~"$job", instance=~"$instance"}', "")
    assert "$" not in asked
    first = {"series": 'hitl_policy_info{version="1"}', "values": "1x10 _x9 1x20"}
    second = {"series": 'hitl_policy_info{version="2"}', "values": "_x30 1x10"}
    marked = [{"labels": '{version="2"}', "value": 1}]
    asks = [
        {"expr": asked, "eval_time": f"{minute}m", "exp_samples": marked if minute == 30 else []}
        for minute in range(16, 41)
    ]
    test = {"interval": "1m", "input_series": [first, second], "promql_expr_test": asks}
    file = tmp_path / "marks.yml"
    with file.open("w", encoding="utf-8") as out:
        YAML(typ="safe").dump({"rule_files": [], "evaluation_interval": "1m", "tests": [test]}, out)
    run("promtool", "test", "rules", str(file))


def test_amtool_takes_the_alertmanagers_configuration():
    run("amtool", "check-config", str(ROOT / "deploy" / "alertmanager.yml"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_and_stay_silent_as_their_stories_say(path):
    run("promtool", "test", "rules", str(path))


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_fires_in_one_story_and_stays_silent_in_another(alert):
    assert (alert, True) in EXPECTED
    assert (alert, False) in EXPECTED


@pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
def test_every_alert_says_what_is_wrong_where_to_look_and_what_to_do(alert):
    notes = alert["annotations"]
    assert alert["labels"]["severity"] in ("page", "ticket")
    assert notes["summary"]
    assert notes["description"]
    assert notes["dashboard_url"].removeprefix("/d/") in {f"hitl-{name}" for name in DASHBOARDS}
    assert notes["runbook_url"] == f"docs/runbooks/{alert['alert']}.md"
    page = (ROOT / notes["runbook_url"]).read_text(encoding="utf-8")
    for heading in ("## What it means", "## How to see it", "## What to do", "## Tried"):
        assert heading in page


DASHBOARDS = ("overview", "efficiency", "quality", "learning", "queue", "pipeline")


def test_every_runbook_belongs_to_an_alert_and_links_to_pages_that_exist():
    for path in RUNBOOKS.glob("Hitl*.md"):
        assert path.stem in ALERTS
        for name in re.findall(r"\]\((\w+)\.md\)", path.read_text(encoding="utf-8")):
            assert (RUNBOOKS / f"{name}.md").exists(), (path.name, name)


def test_runbooks_name_commands_and_options_that_exist():
    group = typer.main.get_command(app)
    for path in RUNBOOKS.glob("*.md"):
        for line in re.findall(r"`hitl ([^`]+)`", path.read_text(encoding="utf-8")):
            words = line.split()
            command = group.commands[words.pop(0)]
            while hasattr(command, "commands"):
                command = command.commands[words.pop(0)]
            options = {option for parameter in command.params for option in parameter.opts}
            assert {word for word in words if word.startswith("--")} <= options, (path.name, line)


def test_every_target_is_recorded_and_has_its_alert():
    recorded = re.findall(r"- record: (\S+)", recording_rules())
    assert len(recorded) == len(set(recorded))
    for target in TARGETS:
        assert target.series in recorded
        assert target.alert in ALERTS
        assert bool(target.judged) == bool(target.judged_series)
        assert not target.judged_series or target.judged_series in recorded
    assert len(TARGETS) == 14


def test_rules_ask_for_metrics_and_series_that_exist():
    text = (RULES / "recording.yml").read_text("utf-8") + (RULES / "alerts.yml").read_text("utf-8")
    recorded = set(re.findall(r"- record: (\S+)", text))
    for series in re.findall(r"\b\w+:hitl_\w+:\w+", text):
        assert series in recorded, series
    for name in re.findall(r"(?<![:\w])hitl_\w+", text):
        stem = re.sub(r"_(bucket|count|sum)$", "", name)
        assert name in METRICS or stem in METRICS, name
