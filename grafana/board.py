"""A dashboard: rows of panels in the order of the flow, variables, links to the others, annotations."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
)

from app.telemetry import catalogue as c
from grafana.panels import DATASOURCE, SCOPE, Panel

TAG = "hitl"
SCHEMA = 41
"""Grafana 12.1's, which docker-compose.yml names: Grafana knows what to do with an older one, not a newer."""


class Row(NamedTuple):
    """A question, and the panels that answer it: each with its width of 24."""

    title: str
    height: int
    panels: Sequence[tuple[int, Panel]]


class Filter(NamedTuple):
    """A variable beside data source, job and instance: the values of a label of a metric."""

    name: str
    title: str
    metric: c.Metric


DECISION_TYPE = Filter("decision_type", "Decision type", c.DECISIONS)
QUEUE = Filter("queue", "Queue", c.QUEUE_DEPTH)
SOURCE = Filter("source", "Source", c.CONSUMED)


class Mark(NamedTuple):
    """An annotation: a line wherever ``expr`` has a value."""

    title: str
    expr: str
    says: str
    color: str


def _changed(metric: c.Metric, label: str) -> str:
    """Other values than a step ago. (``changes()`` misses a change between the samples of two steps.)"""
    return f"{_held(metric, label)} != {_held(metric, label, ' offset $__interval')}"


def _began(metric: c.Metric, label: str) -> str:
    """Values of a label that were not there a step ago, nor in the quarter of an hour before it: who was away
    for a while and is back has begun nothing."""
    lately = f"last_over_time({metric.name}{{{SCOPE}}}[15m] offset $__interval)"
    return f"{_held(metric, label)} unless max by ({label}) ({lately})"


def _held(metric: c.Metric, label: str, then: str = "") -> str:
    return f"max by ({label}) ({metric.name}{{{SCOPE}}}{then})"


MARKS = (
    Mark(
        "Threshold changed",
        _changed(c.THRESHOLD_VERSION, "learning_key"),
        "The threshold of {{learning_key}} changed",
        "orange",
    ),
    Mark(
        "Policy activated",
        _began(c.POLICY, "version"),
        "Policy {{version}} is in force",
        "purple",
    ),
    Mark(
        "New model",
        _began(c.MODEL, "learning_key"),
        "{{learning_key}} is in use",
        "blue",
    ),
)
"""What operators do to the system; where a curve bends, one of these is often the reason."""


class Board(NamedTuple):
    """A dashboard. ``since``: how far back it looks at first, as Grafana writes it (``24h``)."""

    uid: str
    title: str
    about: str
    since: str
    filters: Sequence[Filter]
    rows: Sequence[Row]

    def json(self) -> str:
        """As Grafana's classic JSON, the same text each time."""
        built = json.loads(JSONEncoder(sort_keys=True).encode(self._builder().build()))
        built["schemaVersion"] = SCHEMA
        for number, panel in enumerate(built["panels"], start=1):
            panel["id"] = number  # permanent, so that links to a panel stay valid while the order does
        for link in (*built["links"], *built["annotations"]["list"]):
            link.pop("placement", None)  # the library would hide both in a menu
        return json.dumps(built, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def _builder(self) -> dashboard.Dashboard:
        made = (
            dashboard.Dashboard(f"Hitl / {self.title}")
            .uid(self.uid)
            .description(self.about)
            .tags([TAG])
            .readonly()
            .timezone("browser")
            .tooltip(DashboardCursorSync.CROSSHAIR)
            .time(f"now-{self.since}", "now")
            .refresh("1m")
            .link(_others())
            .annotations([_annotation(mark) for mark in MARKS])
        )
        made.with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        made.with_variable(_label_values("job", "Job", c.CONSUMED.name))
        made.with_variable(_label_values("instance", "Instance", f'{c.CONSUMED.name}{{job=~"$job"}}'))
        for one in self.filters:
            made.with_variable(_label_values(one.name, one.title, f'{one.metric.name}{{job=~"$job"}}'))
        for row in self.rows:
            made.with_row(dashboard.Row(row.title))
            for width, panel in row.panels:
                made.with_panel(panel.span(width).height(row.height))
        return made


def _label_values(name: str, title: str, series: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(title)
        .datasource(DATASOURCE)
        .query(f"label_values({series}, {name})")
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .current(VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _others() -> dashboard.DashboardLink:
    return (
        dashboard.DashboardLink("Hitl")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(False)
        .keep_time(False)
        .include_vars(True)
    )


def _annotation(mark: Mark) -> dashboard.AnnotationQuery:
    return (
        dashboard.AnnotationQuery()
        .name(mark.title)
        .datasource(DATASOURCE)
        .enable(True)
        .icon_color(mark.color)
        .expr(mark.expr)
        .title_format(mark.title)
        .text_format(mark.says)
        .step("60s")
    )
