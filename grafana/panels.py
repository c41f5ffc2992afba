"""The panels that our dashboards are made of, each with its unit, its explanation and its target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
SCOPE = 'job=~"$job", instance=~"$instance"'
"""What every query of a metric says, so that the variables mean something. Recorded series have neither."""

Panel = stat.Panel | bargauge.Panel | table.Panel | timeseries.Panel
AnyPanel = TypeVar("AnyPanel", stat.Panel, bargauge.Panel, table.Panel, timeseries.Panel)


class Query(NamedTuple):
    """A PromQL expression, and how its series are called: a name, or labels as ``{{label}}``."""

    expr: str
    legend: str


class Bands(NamedTuple):
    """Where a value is fine, and where not: pairs of a colour and the value from which it holds."""

    steps: tuple[tuple[str, float | None], ...]

    def builder(self) -> dashboard.ThresholdsConfig:
        """As thresholds of a panel."""
        return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(self.thresholds())

    def thresholds(self) -> list[Threshold]:
        """As steps."""
        return [Threshold(value=value, color=color) for color, value in self.steps]


PLAIN = Bands((("blue", None),))
"""Of a value that has no target."""


def at_most(limit: float, warn: float | None = None) -> Bands:
    """Fine up to ``limit``; a warning from ``warn`` on."""
    near = () if warn is None else (("yellow", warn),)
    return Bands((("green", None), *near, ("red", limit)))


def at_least(limit: float, warn: float | None = None) -> Bands:
    """Fine from ``limit`` on; only a warning from ``warn`` on."""
    near = () if warn is None else (("yellow", warn),)
    return Bands((("red", None), *near, ("green", limit)))


def between(low: float, high: float) -> Bands:
    """Fine within; a warning on either side."""
    return Bands((("yellow", None), ("green", low), ("yellow", high)))


def value(
    title: str,
    about: str,
    query: Query,
    unit: str,
    bands: Bands,
    *,
    leads_to: str = "",
    decimals: int | None = None,
    least: float | None = 0,
) -> stat.Panel:
    """One number in the colour of its band; amounts and times with their course behind. ``leads_to``: a
    dashboard's uid."""
    panel = (
        _dressed(stat.Panel(), title, about, [query], unit, bands)
        .decimals(decimals if decimals is not None else int(unit != "short"))
        .color_mode(looks.BigValueColorMode.BACKGROUND)
        .graph_mode(looks.BigValueGraphMode.NONE if unit == "percentunit" else looks.BigValueGraphMode.AREA)
        .text_mode(looks.BigValueTextMode.VALUE)
        .text(common.VizTextDisplayOptions().value_size(40))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    if least is not None:
        panel.min(least)  # else the course behind the number looks dramatic
    return panel.data_links([link_to(leads_to)]) if leads_to else panel


def value_and_change(
    title: str, about: str, number: Query, unit: str, change: Query, bands: Bands, *, leads_to: str
) -> stat.Panel:
    """A number without a target of its own, and how it changed, which has one: 1 is as before."""
    plain = [
        DynamicConfigValue("unit", unit),
        DynamicConfigValue("color", {"mode": "fixed", "fixedColor": "text"}),
    ]
    return (
        _dressed(stat.Panel(), title, about, [number, change], "percentunit", bands)
        .decimals(0 if unit == "s" else 1)
        .override_by_name(change.legend, [DynamicConfigValue("decimals", 0)])
        .override_by_name(number.legend, plain)
        .color_mode(looks.BigValueColorMode.VALUE)
        .graph_mode(looks.BigValueGraphMode.AREA)
        .text_mode(looks.BigValueTextMode.VALUE_AND_NAME)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .data_links([link_to(leads_to)])
    )


def bars(
    title: str, about: str, query: Query, unit: str, bands: Bands = PLAIN, *, most: float | None = None
) -> bargauge.Panel:
    """The state of several things now, each a bar from 0 to ``most``."""
    panel = (
        _dressed(bargauge.Panel(), title, about, [query], unit, bands, instant=True)
        .orientation(looks.VizOrientation.HORIZONTAL)
        .display_mode(looks.BarGaugeDisplayMode.BASIC)
        .name_placement(looks.BarGaugeNamePlacement.TOP)  # beside the bars, long names are cut off
        .text(common.VizTextDisplayOptions().title_size(13).value_size(18))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .min(0)
    )
    return panel.max(most) if most is not None else panel


def curves(
    title: str,
    about: str,
    queries: Sequence[Query],
    unit: str,
    bands: Bands = PLAIN,
    *,
    stacked: bool = False,
    least: float | None = 0,
    most: float | None = None,
    stepped: bool = False,
    shown: tuple[float | None, float | None] = (None, None),
    area: bool = False,
) -> timeseries.Panel:
    """The course of things, with the limits of bands as lines, and with ``area`` in the bands' colours.
    ``shown``: the axis has at least these values."""
    panel = (
        _dressed(timeseries.Panel(), title, about, queries, unit, bands)
        .show_points(looks.VisibilityMode.NEVER)
        .span_nulls(False)
        .fill_opacity(30 if stacked else 0)
        .legend(
            common.VizLegendOptions()
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(
            common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI).sort(looks.SortOrder.DESCENDING)
        )
    )
    if len(bands.steps) > 1:
        mode = looks.GraphThresholdsStyleMode
        style = mode.DASHED_AND_AREA if area else mode.DASHED
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(style))
    if stacked:
        panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL).group("A"))
    if stepped:
        panel.line_interpolation(looks.LineInterpolation.STEP_AFTER)
    if least is not None:
        panel.min(least)
    if most is not None:
        panel.max(most)
    low, high = shown
    if low is not None:
        panel.axis_soft_min(low)
    if high is not None:
        panel.axis_soft_max(high)
    return panel


class Column(NamedTuple):
    """A column of numbers in a table."""

    title: str
    expr: str
    unit: str
    bands: Bands = PLAIN
    decimals: int | None = None


UNKNOWN = {
    "type": "special",
    "options": {"match": "null+nan", "result": {"text": "-", "color": "transparent"}},
}
"""How a cell without a value looks, instead of in the colour of nothing."""


def rows_of(
    title: str,
    about: str,
    keys: dict[str, str],
    columns: Sequence[Column],
    *,
    sort_by: str = "",
    leads_to: str = "",
    none: str = "",
    first: int = 0,
) -> table.Panel:
    """A table: a row for each combination of the labels ``keys`` (label: heading), numbers in ``columns``;
    ``none`` is said when there is no row, where that is good news. ``first``: pixels of the first column,
    where its names need more than an equal share."""
    letters = [chr(ord("A") + place) for place in range(len(columns))]
    queries = [Query(column.expr, "") for column in columns]
    panel = _dressed(table.Panel(), title, about, [], "string", PLAIN).min_width(60)
    for letter, query in zip(letters, queries, strict=True):
        panel.with_target(_target(query, instant=True).format(PromQueryFormat.TABLE).ref_id(letter))
    several = len(columns) > 1
    fields = [f"Value #{letter}" if several else "Value" for letter in letters]
    order = {name: place for place, name in enumerate([*keys, *fields])}
    titles = {**keys, **{field: column.title for field, column in zip(fields, columns, strict=True)}}
    if several:
        panel.with_transformation(DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(
        DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True},
                "includeByName": {},
                "indexByName": order,
                "renameByName": titles,
            },
        )
    )
    for column in columns:
        panel.override_by_name(column.title, _looks_of(column))
    if none:
        panel.no_value(none)
    named = [DynamicConfigValue("custom.width", first)] if first else []
    if leads_to:
        named.append(DynamicConfigValue("links", [link_to(leads_to).build()]))
    if named:
        panel.override_by_name(next(iter(keys.values())), named)
    if sort_by:
        panel.sort_by([common.TableSortByFieldState().display_name(sort_by).desc(True)])
    return panel


def link_to(uid: str, title: str = "") -> dashboard.DashboardLink:
    """A link to another of our dashboards, which keeps the variables and opens with a time of its own."""
    return (
        dashboard.DashboardLink(title or "More about this")
        .type(DashboardLinkType.LINK)
        .url(f"/d/{uid}?${{__all_variables}}")
    )


def _dressed(
    panel: AnyPanel,
    title: str,
    about: str,
    queries: Sequence[Query],
    unit: str,
    bands: Bands,
    *,
    instant: bool = False,
) -> AnyPanel:
    panel.title(title).description(about).datasource(DATASOURCE).unit(unit).thresholds(bands.builder())
    if bands is PLAIN and isinstance(panel, (stat.Panel, bargauge.Panel)):
        panel.color_scheme(dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS))
    for place, query in enumerate(queries):
        panel.with_target(_target(query, instant=instant).ref_id(chr(ord("A") + place)))
    return panel


def _target(query: Query, *, instant: bool) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).datasource(DATASOURCE)
    return target.instant() if instant else target.range()


def _looks_of(column: Column) -> list[DynamicConfigValue]:
    found = [DynamicConfigValue("unit", column.unit)]
    if column.decimals is not None:
        found.append(DynamicConfigValue("decimals", column.decimals))
    if len(column.bands.steps) > 1:
        steps = [{"color": color, "value": start} for color, start in column.bands.steps]
        found.append(DynamicConfigValue("thresholds", {"mode": "absolute", "steps": steps}))
        found.append(DynamicConfigValue("custom.cellOptions", {"type": "color-background", "mode": "basic"}))
        found.append(DynamicConfigValue("mappings", [UNKNOWN]))
    return found
