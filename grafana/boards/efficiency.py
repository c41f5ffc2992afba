"""Who decides, how long people take, and whether work is done in time."""

from __future__ import annotations

from app.telemetry import catalogue as c
from app.telemetry.labels import AUTOMATED
from grafana.board import DECISION_TYPE, QUEUE, Board, Row
from grafana.panels import SCOPE, Bands, Panel, Query, bars, curves
from grafana.targets import change, course

TYPE = 'decision_type=~"$decision_type"'
IN_QUEUE = 'queue=~"$queue"'
BURN = Bands((("green", None), ("yellow", 1), ("orange", 6), ("red", 14.4)))
"""Of the SLA budget: at 1 it lasts; the alerts begin at 6 and 14.4."""


def board() -> Board:
    """The efficiency targets over a week."""
    return Board(
        uid="hitl-efficiency",
        title="Efficiency",
        about="Who decides, how long people take, and whether work is done in time.",
        since="7d",
        filters=(DECISION_TYPE, QUEUE),
        rows=(
            Row("Who decides, the AI or people?", 9, _deciding()),
            Row("What sends decisions to people?", 8, _reasons()),
            Row("How long do people take?", 8, _times()),
            Row("Is the work done in time?", 8, _service_level()),
            Row("What goes to supervisors?", 7, _escalations()),
        ),
    )


def _deciding() -> tuple[tuple[int, Panel], ...]:
    routes = curves(
        "Decisions per minute, by who decides",
        "Levels of involvement, from full automation to full human control.",
        [
            Query(
                f"60 * sum by (route) (rate({c.DECISIONS.name}{{{SCOPE}, {TYPE}}}[$__rate_interval]))",
                "{{route}}",
            )
        ],
        "short",
        stacked=True,
    )
    return ((12, course("automation_rate", most=1)), (12, routes))


def _reasons() -> tuple[tuple[int, Panel], ...]:
    people = f'{c.DECISIONS.name}{{{SCOPE}, {TYPE}, route!~"{"|".join(AUTOMATED)}"}}'
    whole = f"ignoring (consequence, confidence_band) group_left () sum(increase({people}[$__range]))"
    cells = bars(
        "Share of what people get: harm of an error, and how sure the AI was",
        "Of all decisions in the time shown that went to people. Much with low harm and high confidence:"
        " rules or"
        " adjustments of the policy send it there. Much with medium confidence: evidence would move the"
        " threshold.",
        Query(
            f"sort_desc(sum by (consequence, confidence_band) (increase({people}[$__range])) / {whole} > 0)",
            "{{consequence}} harm, {{confidence_band}} confidence",
        ),
        "percentunit",
    )
    course_of = curves(
        "Decisions for people per hour, by confidence",
        "High: above the policy's upper band; low: below the lower one. A jump of low confidence points"
        " to another mix of cases, or to another model.",
        [
            Query(
                f"3600 * sum by (confidence_band) (rate({people}[$__rate_interval]))",
                "{{confidence_band}} confidence",
            )
        ],
        "short",
        stacked=True,
    )
    return ((12, cells), (12, course_of))


def _times() -> tuple[tuple[int, Panel], ...]:
    picked = f"{{{IN_QUEUE}}}"
    wait = curves(
        "Wait until claimed: 19 of 20 reviews take at most",
        "From request to claim, over a day. Long waits with few reviewers are a matter of capacity.",
        [Query(f"queue:hitl_review_wait_seconds:p95_1d{picked}", "{{queue}}")],
        "s",
    )
    return (
        (8, course("review_time")),
        (8, change("review_time", "Human review time, against its median of four weeks")),
        (8, wait),
    )


def _service_level() -> tuple[tuple[int, Panel], ...]:
    burn = curves(
        "How fast is the SLA budget used up? (1: it just lasts)",
        "Share of missed deadlines over 1 h and 6 h, divided by the 5 % that may be missed. 20 means that"
        " every"
        " deadline passes unanswered. Alerts: HitlSlaBudgetBurnFast above 14.4, HitlSlaBudgetBurnSlow"
        " above 6.",
        [
            Query("sla_class:hitl_sla_miss:ratio_rate1h / 0.05", "{{sla_class}}, 1 h"),
            Query("sla_class:hitl_sla_miss:ratio_rate6h / 0.05", "{{sla_class}}, 6 h"),
        ],
        "short",
        BURN,
        most=20,
    )
    return ((12, course("sla", most=1)), (12, burn))


def _escalations() -> tuple[tuple[int, Panel], ...]:
    selected = f"{c.ESCALATIONS.name}{{{SCOPE}, {IN_QUEUE}}}"
    reasons = bars(
        "Escalations in the time shown, by reason",
        "reviewer: a person asked for it. sla_at_risk: time ran out. deadline_rule: the deadline passed."
        " disagreement: two people decided differently.",
        Query(f"sum by (reason) (increase({selected}[$__range]))", "{{reason}}"),
        "short",
    )
    return ((14, course("escalation_rate")), (10, reasons))
