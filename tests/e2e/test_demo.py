"""`hitl demo`, as anybody would run it: it ends by itself, everything reconciles, and a seed repeats."""

import os
import subprocess
import sys

import msgspec
import pytest

from app.demo.report import Report
from app.settings import PROJECT

DECISIONS = 140


def demo(*arguments, check=True):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HITL_")}
    return subprocess.run(
        [sys.executable, "-m", "app", "demo", *arguments],
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=check,
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same seed twice: what was printed, and the report."""
    made = []
    for name in ("one", "two"):
        file = tmp_path_factory.mktemp("demo") / f"{name}.json"
        run = demo("--decisions", str(DECISIONS), "--seed", "7", "--exit", "--report", str(file))
        made.append((run, msgspec.json.decode(file.read_bytes(), type=Report)))
    return made


@pytest.fixture
def report(runs):
    return runs[0][1]


def test_it_ends_by_itself_without_a_terminal_and_shows_one_screen(runs):
    run, _ = runs[0]
    assert run.returncode == 0
    lines = run.stdout.splitlines()
    assert len(lines) <= 62
    assert max(len(line.rstrip()) for line in lines) <= 100
    assert "Every record is accounted for." in run.stdout
    assert "Traceback" not in run.stderr


def test_the_same_seed_gives_the_same_report(runs):
    (_, one), (_, two) = runs
    assert msgspec.structs.replace(one, run=two.run) == two


def test_every_record_is_accounted_for(report):
    flow = report.flow
    assert flow.reconciled, [check for check in flow.checks if not check.holds]
    assert flow.records == DECISIONS + 4
    assert (flow.open, flow.reviews_open) == (0, 0)
    assert flow.resolved == DECISIONS


def test_bad_records_ended_where_they_should_and_nothing_else_did(report):
    assert all(row.as_expected for row in report.planted), report.planted
    assert len(report.planted) == 6
    assert sum(row.count for row in report.dead_letters) == 4


def test_the_numbers_agree_with_each_other(report):
    assert sum(row.decisions for row in report.levels) == report.flow.decisions == DECISIONS
    automated = sum(row.decisions for row in report.levels if row.level <= 2)
    assert automated == report.automation.hits == report.checks.automated == report.accuracy.automated.of
    assert (
        report.accuracy.automated.of + report.accuracy.people.of == report.accuracy.together.of == DECISIONS
    )
    assert sum(row.decisions for row in report.days) == DECISIONS
    assert sum(row.answers for row in report.reviewers) >= report.flow.reviews_answered
    assert sum(row.applications for row in report.groups) == DECISIONS
    changes = report.changes
    assert changes.for_the_better + changes.for_the_worse == changes.final_changes
    assert sum(row.count for row in changes.codes) == changes.final_changes


def test_people_and_ai_together_are_no_worse_than_the_ai_alone(report):
    accuracy = report.accuracy
    assert accuracy.together.share >= accuracy.ai_alone.share
    assert report.accuracy.people.share > report.accuracy.ai_on_the_same.share


def test_it_says_what_is_simulated(runs):
    run, report = runs[0]
    assert "Reviewers are programs" in " ".join(run.stdout.split())
    assert len(report.assumed_reviewers) == 6


def test_another_number_of_decisions_is_refused_in_words():
    run = demo("--decisions", "5", check=False)
    assert run.returncode == 2
    assert "use 60 to 1780" in run.stderr
