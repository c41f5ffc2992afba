"""Which queue is stuck now, who is late, and whether people keep up."""

from __future__ import annotations

from app.telemetry import catalogue as c
from grafana.board import QUEUE, Board, Row
from grafana.panels import SCOPE, Bands, Column, Panel, Query, at_most, bars, curves, rows_of
from grafana.targets import course

IN_QUEUE = 'queue=~"$queue"'
PICKED = f"{{{IN_QUEUE}}}"
AGE = f"queue_sla_class:hitl_queue_age:ratio{PICKED}"


def board() -> Board:
    """The queues now and in the last hours."""
    return Board(
        uid="hitl-queue",
        title="Queue",
        about="Which queue is stuck now, who is late, and whether people keep up.",
        since="24h",
        filters=(QUEUE,),
        rows=(
            Row("Which queue is stuck now?", 7, ((24, _now()),)),
            Row("What will be late?", 8, _late()),
            Row("Is it growing?", 8, _growth()),
            Row("Who is there, and how fast is it?", 8, _people()),
        ),
    )


def _state(state: str) -> str:
    one = f'{c.QUEUE_DEPTH.name}{{{SCOPE}, {IN_QUEUE}, state="{state}"}}'
    return f"sum by (queue) (max by (queue, sla_class) ({one}))"


def _now() -> Panel:
    depth, answered = f"queue:hitl_queue_depth:sum{PICKED}", f"queue:hitl_reviews:rate1h{PICKED}"
    stuck = f"(min_over_time({depth}[1h]) > bool 0) * on (queue) ({answered} == bool 0)"
    columns = [
        Column("Stuck", stuck, "bool_yes_no", at_most(1)),
        Column("Waiting", _state("open"), "short", Bands((("green", None), ("yellow", 25), ("red", 100))), 0),
        Column("In hands", _state("claimed"), "short", decimals=0),
        Column("For information", _state("waiting"), "short", decimals=0),
        Column(
            "Overdue",
            f"max by (queue) ({c.QUEUE_OVERDUE.name}{{{SCOPE}, {IN_QUEUE}}})",
            "short",
            at_most(1),
            0,
        ),
        Column("Oldest, of its time", f"max by (queue) ({AGE})", "percentunit", at_most(1, warn=0.8), 0),
        Column("Come in per hour", f"3600 * queue:hitl_reviews_enqueued:rate1h{PICKED}", "short", decimals=0),
        Column("Answered per hour", f"3600 * {answered}", "short", decimals=0),
        Column("Reviewers at work", f"queue:hitl_reviewers_active:max{PICKED}", "short", decimals=0),
        Column("Empty in", f"queue:hitl_queue_drain_seconds:rate1h{PICKED}", "s", decimals=0),
    ]
    about = (
        "Stuck: for an hour something has waited, and nobody has answered (alert: HitlQueueStalled)."
        " Empty in: how long it would take at the pace of the last hour, if nothing came in."
    )
    return rows_of("Queues now", about, {"queue": "Queue"}, columns, sort_by="Oldest, of its time")


def _late() -> tuple[tuple[int, Panel], ...]:
    ages = bars(
        "Age of the oldest review: share of its time",
        "By queue and SLA class. From 80 % on it is at risk (alert: HitlReviewAtRisk), at 100 % late.",
        Query(AGE, "{{queue}}, {{sla_class}}"),
        "percentunit",
        at_most(1, warn=0.8),
        most=1,
    )
    course_of = curves(
        "Age of the oldest review over time: share of its time",
        "A straight line upwards: nobody takes the oldest.",
        [Query(AGE, "{{queue}}, {{sla_class}}")],
        "percentunit",
        at_most(1, warn=0.8),
    )
    overdue = curves(
        "Overdue reviews",
        "Deadline passed, not answered. Target: none.",
        [Query(f"max by (queue) ({c.QUEUE_OVERDUE.name}{{{SCOPE}, {IN_QUEUE}}})", "{{queue}}")],
        "short",
        at_most(1),
        stepped=True,
        shown=(None, 5),
    )
    return ((8, ages), (8, course_of), (8, overdue))


def _growth() -> tuple[tuple[int, Panel], ...]:
    flow = curves(
        "Reviews per hour: in, and answered",
        "More in than out: the queue grows.",
        [
            Query(f"3600 * queue:hitl_reviews_enqueued:rate1h{PICKED}", "{{queue}}, in"),
            Query(f"3600 * queue:hitl_reviews:rate1h{PICKED}", "{{queue}}, answered"),
        ],
        "short",
    )
    drain = curves(
        "Time to empty the queue, at the pace of the last hour",
        "No line: nobody answers, so it never would.",
        [Query(f"queue:hitl_queue_drain_seconds:rate1h{PICKED}", "{{queue}}")],
        "s",
    )
    return ((8, course("queue_depth")), (8, flow), (8, drain))


def _people() -> tuple[tuple[int, Panel], ...]:
    there = curves(
        "Reviewers at work",
        "People who hold a review of the queue. Who they are is on the console's page for leads, not here.",
        [Query(f"queue:hitl_reviewers_active:max{PICKED}", "{{queue}}")],
        "short",
        stepped=True,
    )
    pace = curves(
        "Answers per reviewer and hour",
        "In the last hour. Few reviewers: a matter of staffing. A slow pace: look at the cases, or at"
        " their context.",
        [
            Query(
                f"3600 * queue:hitl_reviews:rate1h{PICKED} / on (queue)"
                f" (queue:hitl_reviewers_active:max{PICKED} > 0)",
                "{{queue}}",
            )
        ],
        "short",
    )
    longest = curves(
        "Wait until claimed: 19 of 20 reviews take at most",
        "From request to claim, over a day.",
        [Query(f"queue:hitl_review_wait_seconds:p95_1d{PICKED}", "{{queue}}")],
        "s",
    )
    return ((8, there), (8, pace), (8, longest))
