"""Dashboards keep the rules of grafana/dashboard-linter; and each rule finds what it is about."""

import copy
import json

import pytest

from grafana.generate import BOARDS
from tests.unit.grafana import linter

DASHBOARDS = {board.uid: json.loads(board.json()) for board in BOARDS}


@pytest.mark.parametrize("uid", DASHBOARDS)
@pytest.mark.parametrize("rule", linter.RULES, ids=lambda rule: rule.__name__)
def test_rule(rule, uid):
    assert list(rule(DASHBOARDS[uid])) == []


def spoilt_variable(name, key, value):
    def spoil(dashboard):
        linter.variables(dashboard)[name][key] = value

    return spoil


def spoilt_panel(key, value):
    def spoil(dashboard):
        linter.panels(dashboard)[-1][key] = value

    return spoil


def spoilt_query(expr):
    def spoil(dashboard):
        linter.panels(dashboard)[-1]["targets"][0]["expr"] = expr

    return spoil


WITH_BOTH = 'job=~"$job", instance=~"$instance"'
SPOILT = {
    "template_datasource": spoilt_variable("datasource", "label", "Prometheus"),
    "template_job": spoilt_variable("job", "allValue", ".*"),
    "template_instance": spoilt_variable("instance", "multi", False),
    "template_label_promql": spoilt_variable("job", "query", "job"),
    "template_on_time_change_reload": spoilt_variable("job", "refresh", 1),
    "panel_datasource": spoilt_panel("datasource", {"type": "prometheus", "uid": "mine"}),
    "panel_title_description": spoilt_panel("description", ""),
    "panel_units": spoilt_panel("fieldConfig", {"defaults": {"unit": "apples"}, "overrides": []}),
    "panel_no_targets": spoilt_panel("targets", []),
    "target_rate_interval": spoilt_query(f"rate(hitl_decisions_total{{{WITH_BOTH}}}[5m])"),
    "target_job": spoilt_query('hitl_queue_depth{instance=~"$instance"}'),
    "target_instance": spoilt_query('hitl_queue_depth{job=~"$job"}'),
    "target_counter_agg": spoilt_query(f"sum(hitl_decisions_total{{{WITH_BOTH}}})"),
    "uneditable": lambda dashboard: dashboard.update(editable=True),
}


@pytest.mark.parametrize("rule", linter.RULES, ids=lambda rule: rule.__name__)
def test_each_rule_finds_what_it_is_about(rule):
    dashboard = copy.deepcopy(DASHBOARDS["hitl-pipeline"])

    SPOILT[rule.__name__](dashboard)

    assert len(list(rule(dashboard))) == 1
