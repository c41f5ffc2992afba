"""docs/metrics.md, from the catalogue: every target, every metric. ``hitl metrics docs`` writes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.telemetry import catalogue as c
from app.telemetry.catalogue import Metric
from app.telemetry.targets import TARGETS, Group, Target

HEAD = """\
# Metrics and targets

<!-- Written by `hitl metrics docs`, from app/telemetry: change that, not this page. -->

Every worker serves `/metrics` at `HITL_METRICS_PORT`, the console at its own address; Prometheus and
OpenMetrics (with exemplars that carry the decision's id) are both spoken. What is counted is what was
committed: a batch that was aborted counts nothing. Labels have values that the policy or the code declares,
never an id of a decision, a customer or a reviewer and never free text; the one exception is
`learning_key`, of which each type shows as many as its policy plans for (`learning.keys`). Every
combination exists from the start, so that the first event is an increase.

The gauges of queues, feedback and store are read by one worker at a time, which has a lease for it in the
store; if it goes, another one reads after twenty seconds.

Rules that the numbers follow:

- An SLA is missed when its deadline passes, not when somebody answers. Otherwise a stop of all reviewing
  would show nothing.
- Blind answers, audits and gold items are no part of the override rate.
- A review escalates once, whatever happens to it afterwards.
- A verification counts when it arrives: one decision may be verified by an audit and again by a later
  truth.

## The 14 targets

Formulas are written once (`app/telemetry/targets.py`). Prometheus records them
([recording.yml](../grafana/prometheus/recording.yml)); the console's *Operations* page computes the same
ones. Beside each series `all:...` there is one that is broken down by the label named here
(`decision_type:...`).
"""

TAIL = """\

## Alerts

[alerts.yml](../grafana/prometheus/alerts.yml); each has a page that says what to do: """


def reference(alerts: Sequence[str]) -> str:
    """The page. ``alerts`` are the names of the alerts, in order."""
    lines = [HEAD]
    for group in Group:
        lines += [f"### {group.value.capitalize()}", "", "| target | band | series | by | alert |"]
        lines += ["|---|---|---|---|---|"]
        lines += [_target(target) for target in TARGETS if target.group is group]
        lines.append("")
    for title, metrics in (
        ("Counted by workers", c.WORKER),
        ("What a worker knows", c.STATE),
        ("Shared by all, read by one worker", c.READER),
    ):
        lines += [f"## {title}", "", "| metric | type | labels | meaning |", "|---|---|---|---|"]
        lines += list(_metrics(metrics))
        lines.append("")
    links = ", ".join(f"[{name}](runbooks/{name}.md)" for name in alerts)
    return "\n".join(lines).rstrip() + "\n" + TAIL + links + ".\n"


def _target(target: Target) -> str:
    judged = f"; judged by `{target.judged_series}`" if target.judged_series else ""
    return (
        f"| {target.title} | {target.says} | `{target.series}`{judged} | {target.by} |"
        f" [{target.alert}](runbooks/{target.alert}.md) |"
    )


def _metrics(metrics: Sequence[Metric]) -> Iterator[str]:
    for metric in metrics:
        labels = ", ".join(metric.labels)
        edges = f" Buckets: {', '.join(f'{edge:g}' for edge in metric.buckets)} s." if metric.buckets else ""
        yield f"| `{metric.name}` | {metric.kind.value} | {labels} | {metric.help}{edges} |"
