"""Dashboards say what the catalogue, the rules and the targets say, and fit together."""

import itertools
import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from app.telemetry.catalogue import METRICS
from app.telemetry.targets import TARGETS
from grafana import generate
from grafana.generate import BOARDS
from grafana.picture.history import recording_rules, tell
from tests.unit.grafana import linter

ROOT = Path(__file__).parents[3]
DASHBOARDS = {board.uid: json.loads(board.json()) for board in BOARDS}
RECORDED = {rule.record: rule.expr for rule in recording_rules()}
PARTS_OF_HISTOGRAM = re.compile(r"_(bucket|sum|count)$")
OWN = {"ALERTS", "ALERTS_FOR_STATE"}
"""Series of Prometheus itself."""

every_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)


def yaml(path):
    return YAML(typ="safe").load((ROOT / path).read_text(encoding="utf-8"))


def read(expr):
    """Names of the metrics and recorded series in an expression."""
    return {PARTS_OF_HISTOGRAM.sub("", name) for name, _ in linter.series(expr)}


def color(panel, value):
    """That of a value, as Grafana finds it: of the last step that it has reached."""
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return [one["color"] for one in steps if one["value"] is None or one["value"] <= value][-1]


def everything_read():
    for dashboard in DASHBOARDS.values():
        for _, expr in linter.expressions(dashboard):
            yield from read(expr)
        for annotation in dashboard["annotations"]["list"]:
            yield from read(annotation["expr"])


def test_the_committed_files_are_what_the_code_makes():
    assert generate.differing() == []


def test_a_file_that_no_code_makes_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(generate, "DASHBOARDS", tmp_path)
    (tmp_path / "old.json").write_text("{}", encoding="utf-8")

    assert [path.name for path in generate.differing()] == [*(f"{b.uid}.json" for b in BOARDS), "old.json"]


def test_what_is_read_is_counted_or_recorded():
    assert set(everything_read()) - METRICS.keys() - RECORDED.keys() == OWN


def test_every_metric_is_seen_somewhere():
    seen = set(everything_read())
    for name, expr in RECORDED.items():
        if name in seen:
            seen |= read(expr)

    assert METRICS.keys() - seen == set()


def test_the_story_of_the_pictures_has_every_metric():
    assert tell().names() == METRICS.keys()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_every_target_is_on_the_overview_with_its_band_and_a_link(target):
    (panel,) = [one for one in linter.panels(DASHBOARDS["hitl-overview"]) if one["title"] == target.title]
    defaults = panel["fieldConfig"]["defaults"]

    step = 1 if target.unit == "short" else 1e-6
    if target.low is not None:
        assert color(panel, target.low) == "green" != color(panel, target.low - step)
    if target.high is not None:
        assert color(panel, target.high - step) == "green" != color(panel, target.high + step)
    assert [link["url"].split("?")[0] for link in defaults["links"]] == [f"/d/{target.dashboard}"]
    assert target.says in panel["description"]
    assert target.alert in panel["description"]
    judged = target.judged_series or target.series
    assert judged in [query["expr"] for query in panel["targets"]]


def test_there_are_six_with_uids_that_alerts_and_targets_lead_to():
    assert list(DASHBOARDS) == [
        f"hitl-{name}" for name in ("overview", "efficiency", "quality", "learning", "queue", "pipeline")
    ]
    groups = yaml("grafana/prometheus/alerts.yml")["groups"]
    urls = {rule["annotations"]["dashboard_url"] for group in groups for rule in group["rules"]}
    assert {url.removeprefix("/d/") for url in urls} <= DASHBOARDS.keys()
    assert {target.dashboard for target in TARGETS} <= DASHBOARDS.keys()


def test_alerts_that_panels_name_exist():
    groups = yaml("grafana/prometheus/alerts.yml")["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"]}
    texts = [panel["description"] for one in DASHBOARDS.values() for panel in linter.panels(one)]

    assert {name for text in texts for name in re.findall(r"Hitl[A-Z]\w+", text)} <= alerts


@every_dashboard
def test_a_dashboard_is_no_newer_than_the_grafana_that_reads_it(dashboard):
    image = yaml("docker-compose.yml")["services"]["grafana"]["image"]

    assert image.startswith(
        "grafana/grafana:12.1."
    )  # of another version, find its schema: @grafana/schema says
    assert dashboard["schemaVersion"] <= 41


@every_dashboard
def test_a_dashboard_leads_to_the_others(dashboard):
    (link,) = dashboard["links"]

    assert (link["type"], link["tags"], dashboard["tags"]) == ("dashboards", ["hitl"], ["hitl"])
    assert "placement" not in link


@every_dashboard
def test_a_dashboard_marks_what_operators_change(dashboard):
    assert [one["name"] for one in dashboard["annotations"]["list"]] == [
        "Threshold changed",
        "Policy activated",
        "New model",
    ]


@every_dashboard
def test_panels_lie_side_by_side_under_the_question_that_they_answer(dashboard):
    assert dashboard["panels"][0]["type"] == "row"
    assert all("?" in row["title"] for row in dashboard["panels"] if row["type"] == "row")
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        across = range(place["x"], place["x"] + place["w"])
        cells = set(itertools.product(across, range(place["y"], place["y"] + place["h"])))
        assert max(across) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


@every_dashboard
def test_panels_have_numbers_of_their_own_and_no_title_twice(dashboard):
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    titles = [panel["title"] for panel in linter.panels(dashboard)]
    assert len(set(titles)) == len(titles)


@every_dashboard
def test_a_variable_is_used_and_a_used_one_exists(dashboard):
    asked = " ".join(expr for _, expr in linter.expressions(dashboard))
    used = set(re.findall(r"\$(?!__)(\w+)", asked))

    assert used | {"datasource"} == linter.variables(dashboard).keys()


def test_no_person_and_no_decision_is_in_a_query():
    labels = {label for metric in METRICS.values() for label in metric.labels}

    assert labels.isdisjoint({"person", "reviewer", "account", "subject", "decision_id", "review_id"})


def test_grafana_keeps_what_is_committed():
    (provider,) = yaml("grafana/provisioning/dashboards/hitl.yml")["providers"]

    assert provider["allowUiUpdates"] is False
    assert provider["folder"] == "Hitl"


def test_grafana_opens_with_the_overview():
    home = yaml("docker-compose.yml")["services"]["grafana"]["environment"]["GF_USERS_HOME_PAGE"]

    assert home == "/d/hitl-overview"
    assert home.removeprefix("/d/") in DASHBOARDS


def test_grafana_knows_how_often_prometheus_looks():
    (source,) = yaml("grafana/provisioning/datasources/hitl.yml")["datasources"]

    assert source["uid"] == "hitl-prometheus"
    assert source["jsonData"]["timeInterval"] == yaml("deploy/prometheus.yml")["global"]["scrape_interval"]
