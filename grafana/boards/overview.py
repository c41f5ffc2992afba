"""The 14 targets at a glance, and where to look next."""

from __future__ import annotations

from app.telemetry import catalogue as c
from app.telemetry.targets import TARGETS, Group
from grafana.board import DECISION_TYPE, QUEUE, Board, Row
from grafana.panels import SCOPE, Column, Panel, Query, at_most, rows_of, value
from grafana.targets import at_a_glance, column

ABOUT = "alertname, decision_type, queue"
FIRING = f'max by ({ABOUT}) (ALERTS{{alertstate="firing", alertname=~"Hitl.+"}})'
ACTIVE = f'max by (severity, {ABOUT}) (ALERTS_FOR_STATE{{alertname=~"Hitl.+"}})'
WIDTHS = {5: (5, 5, 5, 5, 4), 4: (6, 6, 6, 6)}


def board() -> Board:
    """The dashboard to open first."""
    return Board(
        uid="hitl-overview",
        title="Overview",
        about="The 14 targets at a glance. Each number leads to the dashboard that explains it.",
        since="24h",
        filters=(DECISION_TYPE, QUEUE),
        rows=(
            Row("Does something need a person now?", 5, _now()),
            Row("Is the work efficient?", 4, _targets(Group.EFFICIENCY)),
            Row("Are the decisions right?", 4, _targets(Group.QUALITY)),
            Row("Does the system learn?", 4, _targets(Group.LEARNING)),
            Row("Which decision type is off its target?", 7, ((24, _types()),)),
            Row("Which queue is off its target?", 7, ((24, _queues()),)),
        ),
    )


def _targets(group: Group) -> tuple[tuple[int, Panel], ...]:
    names = [target.name for target in TARGETS if target.group is group]
    return tuple(zip(WIDTHS[len(names)], map(at_a_glance, names), strict=True))


def _now() -> tuple[tuple[int, Panel], ...]:
    alerts = rows_of(
        "Which alerts fire?",
        "Alerts that fire now, and what they are about. Each has a runbook in docs/runbooks/. Empty: none.",
        {"alertname": "Alert", "severity": "Severity", "decision_type": "Decision type", "queue": "Queue"},
        [Column("Since", f"1000 * {ACTIVE} and on ({ABOUT}) {FIRING}", "dateTimeAsIso")],
        none="No alert fires",
    )
    late = value(
        "Oldest review: share of its time that is used up",
        "Of all queues and SLA classes the worst. At 100 % its deadline has passed.",
        Query('max(queue_sla_class:hitl_queue_age:ratio{queue=~"$queue"})', "oldest"),
        "percentunit",
        at_most(1, warn=0.8),
        leads_to="hitl-queue",
        decimals=0,
    )
    lag = value(
        "Lag: age of the oldest record that waits",
        "Over all sources. Above a minute, decisions arrive faster than they are routed, or something"
        " stands.",
        Query("max(source:hitl_consumer_lag_seconds:max)", "lag"),
        "s",
        at_most(60, warn=10),
        leads_to="hitl-pipeline",
    )
    return ((12, alerts), (6, late), (6, lag))


def _types() -> Panel:
    columns = [
        column("automation_rate", "Automated"),
        column("review_time", "Time / usual"),
        column("accuracy", "Accuracy"),
        column("override_rate", "Overrides"),
        column("downstream_errors", "Errors / week"),
        column("customer_incidents", "Incidents"),
        column("audit_findings", "Findings / month"),
        column("reasons_captured", "Reasons given"),
        column("feedback_latency", "Feedback"),
        column("model_improvement", "Improvement"),
        column("new_scenarios", "New scenarios"),
    ]
    about = (
        "Every target that has a number per decision type; green is on target. A type that the policy"
        " keeps with people stands at 0 % automation, rightly. Click on a type for the learning behind it."
    )
    return rows_of(
        "Targets by decision type",
        about,
        {"decision_type": "Decision type"},
        columns,
        leads_to="hitl-learning",
        first=160,
    )


def _queues() -> Panel:
    picked = '{queue=~"$queue"}'
    reviewers = f'max by (queue) ({c.REVIEWERS.name}{{{SCOPE}, queue=~"$queue"}})'
    columns = [
        column("queue_depth", "Undecided"),
        Column(
            "Oldest, of its time",
            f"max by (queue) (queue_sla_class:hitl_queue_age:ratio{picked})",
            "percentunit",
            at_most(1, warn=0.8),
            0,
        ),
        column("escalation_rate", "Escalated"),
        Column("95 % wait at most", f"queue:hitl_review_wait_seconds:p95_1d{picked}", "s", decimals=0),
        Column("Reviewers at work", reviewers, "short", decimals=0),
    ]
    about = "What waits, whether it will be late, and who is there. Click on a queue for what is stuck in it."
    return rows_of("Targets by queue", about, {"queue": "Queue"}, columns, leads_to="hitl-queue")
