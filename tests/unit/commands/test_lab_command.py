"""``hitl lab`` from end to end."""

from __future__ import annotations

import gzip
import json

import pytest
from typer.testing import CliRunner

from app import cli
from app.errors import HitlError, UsageError
from app.policy.problems import PolicyError
from tests.unit.lab import cases
from tests.unit.lab.test_replay import export

PEOPLE = "sensitivity: 0.9\nanchoring: 0.2\ndelay_decisions: {mean: 20}\ngold_rate: 0.05\n"
LINE_KEYS = {
    "decision_id", "level", "automated", "audited", "inclusion_probability", "blind", "threshold",
    "confidence", "final_action", "decided_by",
}  # fmt: skip
REPORT_KEYS = {
    "decisions", "automation_rate", "automated_error", "reviews", "audits", "human_work", "override_rate",
    "thresholds", "alerts", "elapsed_s",
}  # fmt: skip


@pytest.fixture
def files(tmp_path):
    (tmp_path / "policy.yaml").write_text(cases.POLICY, encoding="utf-8")
    (tmp_path / "people.yaml").write_text(PEOPLE, encoding="utf-8")
    (tmp_path / "d.jsonl").write_bytes(b"".join(cases.lines(cases.decisions(700))))
    return tmp_path


def run(files, *more, decisions=None, people="people.yaml", text=None):
    arguments = [
        "lab", "simulate", "--policy", str(files / "policy.yaml"), "--decisions",
        decisions or str(files / "d.jsonl"), "--reviewers", str(files / people), "--seed", "3", *more,
    ]  # fmt: skip
    return CliRunner().invoke(cli.app, arguments, input=text)


def test_every_decision_is_a_line_and_the_report_has_its_figures(files):
    out, report, html = files / "out.jsonl", files / "report.json", files / "r.html"
    result = run(files, "--out", str(out), "--report", str(report), "--html", str(html))
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 700
    assert lines[0].keys() >= LINE_KEYS
    told = json.loads(report.read_text(encoding="utf-8"))
    assert told.keys() >= REPORT_KEYS
    assert (told["decisions"], told["seed"]) == (700, 3)
    assert told["thresholds"][0]["key"] == "loan|m:1"
    assert "700 decisions under policy 'Lab'" in result.stdout
    assert html.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_same_seed_gives_the_same_bytes(files):
    outs = []
    for name in ("a", "b"):
        assert run(files, "--out", str(files / name), "--report", str(files / f"{name}.json")).exit_code == 0
        told = json.loads((files / f"{name}.json").read_text(encoding="utf-8"))
        outs.append(((files / name).read_bytes(), {**told, "elapsed_s": 0, "decisions_per_s": 0}))
    assert outs[0] == outs[1]


def test_standard_input_and_gzip_are_read(files):
    data = (files / "d.jsonl").read_bytes()
    (files / "d.jsonl.gz").write_bytes(gzip.compress(data))
    plain = run(files, "--out", str(files / "plain"))
    packed = run(files, "--out", str(files / "packed"), decisions=str(files / "d.jsonl.gz"))
    piped = run(files, "--out", str(files / "piped"), decisions="-", text=data)
    assert [each.exit_code for each in (plain, packed, piped)] == [0, 0, 0]
    assert (files / "plain").read_bytes() == (files / "packed").read_bytes() == (files / "piped").read_bytes()


def test_a_pipeline_stops_at_a_requirement_that_is_not_met(files):
    met = run(files, "--require", "decisions==700", "--require", "human_work<=3")
    assert (met.exit_code, "all 2 requirements are met" in met.stderr) == (0, True)
    missed = run(files, "--require", "decisions<=10", "--require", "decisions>=1")
    assert missed.exit_code == 1
    assert "not met: decisions <= 10: it is 700" in missed.stderr


def test_a_half_written_archive_is_said(files):
    data = gzip.compress((files / "d.jsonl").read_bytes())
    (files / "d.gz").write_bytes(data[: len(data) // 2])
    result = run(files, decisions=str(files / "d.gz"))
    assert isinstance(result.exception, HitlError)
    assert "can not be read to its end" in str(result.exception)


def test_bad_lines_are_counted_and_do_not_stop_the_run(files):
    with (files / "d.jsonl").open("ab") as stream:
        stream.write(b'{"decision_id": 1}\n')
    result = run(files, "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["decisions"], told["rejected"]["total"]) == (0, 700, 1)
    assert told["rejected"]["first"][0]["line"] == 701
    assert "decision_id" in told["rejected"]["first"][0]["message"]


def test_a_file_of_nothing_but_bad_lines_has_failed(files):
    (files / "d.jsonl").write_bytes(b'{"decision_id": 1}\nnonsense\n')
    result = run(files, "--json")
    assert json.loads(result.stdout)["rejected"]["total"] == 2
    assert isinstance(result.exception, HitlError), "a gate must not let through what tried nothing"
    assert "none of the 2 lines" in str(result.exception)


def test_an_empty_file_is_a_report_of_nothing(files):
    (files / "d.jsonl").write_bytes(b"")
    result = run(files, "--json")
    assert (result.exit_code, json.loads(result.stdout)["decisions"]) == (0, 0)


def test_mistakes_name_file_line_and_field(files):
    (files / "people.yaml").write_text("anchoring: 0.2\nsensitivity: 7\n", encoding="utf-8")
    wrong = run(files).exception
    assert isinstance(wrong, UsageError)
    assert f"{files / 'people.yaml'}:2:1 sensitivity: is 7" in str(wrong)
    (files / "policy.yaml").write_text(cases.POLICY.replace("risk: low", "risk: none", 1), encoding="utf-8")
    wrong = run(files).exception
    assert isinstance(wrong, PolicyError)
    assert "decision_types.loan.risk" in str(wrong)


@pytest.mark.parametrize("missing", ["d.jsonl", "people.yaml"])
def test_a_file_that_is_not_there_is_said(files, missing):
    (files / missing).unlink()
    assert isinstance(run(files).exception, UsageError)


def test_the_input_is_never_overwritten(files):
    before = (files / "d.jsonl").read_bytes()
    wrong = run(files, "--out", str(files / "d.jsonl")).exception
    assert isinstance(wrong, UsageError)
    assert (files / "d.jsonl").read_bytes() == before


def test_a_figure_that_does_not_exist_is_refused_before_the_run(files):
    out = files / "out.jsonl"
    wrong = run(files, "--require", "automaton_rate>0", "--out", str(out)).exception
    assert isinstance(wrong, UsageError)
    assert not out.exists()


def replayed(files, *more, log="log.jsonl"):
    arguments = ["lab", "replay", "--policy", str(files / "policy.yaml"), "--log", str(files / log), *more]
    return CliRunner().invoke(cli.app, arguments)


def test_a_log_is_replayed_from_files(files):
    (files / "log.jsonl").write_bytes(b"\n".join(export(cases.decisions(600))))
    result = replayed(
        files, "--by", "amount", "--report", str(files / "r.json"), "--require", "decisions==600"
    )
    assert result.exit_code == 0, result.output
    told = json.loads((files / "r.json").read_text(encoding="utf-8"))
    assert told.keys() >= REPORT_KEYS
    assert told["slices"][0]["name"] == "amount: 100"
    assert "600 recorded decisions under policy 'Lab'" in result.stdout
    assert replayed(files, "--require", "automation_rate>1").exit_code == 1


def test_a_log_that_holds_nothing_is_said(files):
    (files / "log.jsonl").write_bytes(b"{\n")
    result = replayed(files)
    assert (result.exit_code, result.stdout) == (
        0,
        "No recorded decision that the policy knows.\nLEFT OUT: 1 invalid\n",
    )


def test_without_a_log_the_broker_is_asked_for(files, monkeypatch):
    monkeypatch.delenv("HITL_KAFKA_BOOTSTRAP_SERVERS", raising=False)
    result = CliRunner().invoke(cli.app, ["lab", "replay", "--policy", str(files / "policy.yaml")])
    assert isinstance(result.exception, UsageError)
    assert "HITL_KAFKA_BOOTSTRAP_SERVERS is not set" in str(result.exception)


def test_a_replay_is_one_page_with_everything_in_it(files):
    (files / "log.jsonl").write_bytes(b"\n".join(export(cases.decisions(600))))
    for name in ("--html", "--report"):
        assert replayed(files, "--by", "amount", name, str(files / "r.html")).exit_code == 0
        page = (files / "r.html").read_text(encoding="utf-8")
        assert page.startswith("<!doctype html>")
        assert page.count("<svg") == 3
        assert "amount: 100" in page
        (files / "r.html").unlink()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--for", "soon"], "--for soon: 'soon' is not a duration"),
        (["--require", "automaton_rate>0"], "there is no figure 'automaton_rate'"),
        ([], "HITL_KAFKA_BOOTSTRAP_SERVERS is not set"),
    ],
)
def test_a_shadow_says_what_is_wrong_before_it_begins(files, monkeypatch, more, said):
    monkeypatch.delenv("HITL_KAFKA_BOOTSTRAP_SERVERS", raising=False)
    wrong = CliRunner().invoke(cli.app, ["lab", "shadow", "--policy", str(files / "policy.yaml"), *more])
    assert isinstance(wrong.exception, UsageError)
    assert said in str(wrong.exception)
