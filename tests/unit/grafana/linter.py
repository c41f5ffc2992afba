"""The rules of grafana/dashboard-linter for Prometheus, on our dashboards' JSON. Each yields what is wrong.

Not here: whether a query can be parsed (target-promql-rule). tests/e2e/test_dashboards.py asks Prometheus.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

Dashboard = dict[str, Any]
Rule = Callable[[Dashboard], Iterator[str]]

LABEL_VALUES = re.compile(r"label_values\(hitl_\w+(\{.*\})?, \w+\)")
UNITS = {"bool_yes_no", "bytes", "cps", "dateTimeAsIso", "locale", "percentunit", "s", "short"}
"""Of Grafana's units those that we use."""
SELECTOR = re.compile(r"\b(hitl_\w+|[a-z_]+:[a-z0-9_:]+|ALERTS\w*)\b(\{[^}]*\})?(\[[^\]]*\])?")
CALL = re.compile(r"\b(i?rate)\(\s*[\w:]+(?:\{[^}]*\})?\[([^\]]*)\]")
COUNTED = re.compile(r"\b(rate|irate|increase)\(\s*$")


def panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def expressions(dashboard: Dashboard) -> Iterator[tuple[str, str]]:
    """Each query, with its panel's title."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def series(expr: str) -> Iterator[tuple[str, str]]:
    """Each series that an expression reads: its name, and its matchers."""
    for found in SELECTOR.finditer(expr):
        yield found[1], found[2] or ""


def aggregated(name: str) -> bool:
    """Recorded series and alerts are sums over jobs and instances, and have neither label."""
    return ":" in name or name.startswith("ALERTS")


def variables(dashboard: Dashboard) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in dashboard["templating"]["list"]}


def template_datasource(dashboard: Dashboard) -> Iterator[str]:
    first = dashboard["templating"]["list"][0]
    if (first["type"], first["name"], first["label"]) != ("datasource", "datasource", "Data source"):
        yield "the first variable is not the data source"
    if first["query"] != "prometheus":
        yield "the data source is no Prometheus"


def template_job(dashboard: Dashboard) -> Iterator[str]:
    yield from _label_variable(dashboard, "job")


def template_instance(dashboard: Dashboard) -> Iterator[str]:
    yield from _label_variable(dashboard, "instance")


def _label_variable(dashboard: Dashboard, name: str) -> Iterator[str]:
    one = variables(dashboard).get(name)
    if one is None:
        yield f"no variable {name}"
        return
    expected = {"type": "query", "label": name.title(), "multi": True, "allValue": ".+"}
    for key, value in expected.items():
        if one.get(key) != value:
            yield f"variable {name}: {key} is {one.get(key)}, not {value}"
    if one["datasource"]["uid"] != "${datasource}":
        yield f"variable {name} has a data source of its own"


def template_label_promql(dashboard: Dashboard) -> Iterator[str]:
    for name, one in variables(dashboard).items():
        if one["type"] == "query" and not re.fullmatch(
            r"label_values\(hitl_\w+(\{.*\})?, \w+\)", one["query"]
        ):
            yield f"variable {name} asks for {one['query']}"


def template_on_time_change_reload(dashboard: Dashboard) -> Iterator[str]:
    for name, one in variables(dashboard).items():
        if one["type"] == "query" and one["refresh"] != 2:
            yield f"variable {name} is not read again when the time changes"


def panel_datasource(dashboard: Dashboard) -> Iterator[str]:
    for panel in panels(dashboard):
        for one in (panel, *panel["targets"]):
            if one["datasource"] != {"type": "prometheus", "uid": "${datasource}"}:
                yield f"{panel['title']}: has a data source of its own"


def panel_title_description(dashboard: Dashboard) -> Iterator[str]:
    for panel in panels(dashboard):
        if not panel.get("title") or not panel.get("description"):
            yield f"{panel.get('title')}: no title or no description"


def panel_units(dashboard: Dashboard) -> Iterator[str]:
    for panel in panels(dashboard):
        used = [panel["fieldConfig"]["defaults"].get("unit")] if panel["type"] != "table" else []
        for override in panel["fieldConfig"]["overrides"]:
            used += [one["value"] for one in override["properties"] if one["id"] == "unit"]
        if not used or not UNITS.issuperset(used):
            yield f"{panel['title']}: units {used}"


def panel_no_targets(dashboard: Dashboard) -> Iterator[str]:
    for panel in panels(dashboard):
        if not panel.get("targets"):
            yield f"{panel['title']}: asks nothing"


def target_rate_interval(dashboard: Dashboard) -> Iterator[str]:
    for title, expr in expressions(dashboard):
        for call in CALL.finditer(expr):
            if call[2] != "$__rate_interval":
                yield f"{title}: {call[1]} over {call[2]}"


def target_job(dashboard: Dashboard) -> Iterator[str]:
    yield from _matcher(dashboard, 'job=~"$job"')


def target_instance(dashboard: Dashboard) -> Iterator[str]:
    yield from _matcher(dashboard, 'instance=~"$instance"')


def _matcher(dashboard: Dashboard, matcher: str) -> Iterator[str]:
    for title, expr in expressions(dashboard):
        for name, matchers in series(expr):
            if not aggregated(name) and matcher not in matchers:
                yield f"{title}: {name} without {matcher}"


def target_counter_agg(dashboard: Dashboard) -> Iterator[str]:
    for title, expr in expressions(dashboard):
        for found in SELECTOR.finditer(expr):
            if found[1].endswith("_total") and not COUNTED.search(expr[: found.start()]):
                yield f"{title}: {found[1]} is a counter, without rate or increase"


def uneditable(dashboard: Dashboard) -> Iterator[str]:
    if dashboard["editable"]:
        yield "the dashboard can be edited"


RULES: tuple[Rule, ...] = (
    *(template_datasource, template_job, template_instance, template_label_promql),
    *(template_on_time_change_reload, panel_datasource, panel_title_description, panel_units),
    *(panel_no_targets, target_rate_interval, target_job, target_instance, target_counter_agg, uneditable),
)
