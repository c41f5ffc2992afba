"""Two made-up months of four kinds of decisions, with what operators see in real ones: days and nights, a new
model that is sure of itself and wrong, the automation that it costs, a team that stops reviewing.

The numbers come from a fixed seed and end at a fixed time, so that pictures change only with the dashboards.
"""

from __future__ import annotations

import math
from typing import NamedTuple

END = 1_773_241_200  # 2026-03-11 15:00 UTC
MINUTE, HOUR, DAY = 60, 3600, 86400
STEP = 4 * MINUTE
"""Between scrapes on the last day; an hour in the week before that, four hours earlier."""
FIRST = END - 64 * DAY
MODEL_CHANGED = END - 16 * DAY
ALARM = MODEL_CHANGED + 30 * HOUR
"""The fast cap answers to the errors of the new model."""
POLICY_CHANGED = END - 6 * DAY
SENIORS_STOPPED = END - 5 * HOUR
SUPPORT_ABSENT = END - 53 * HOUR
SUPPORT_BEHIND = END - 210 * MINUTE
"""Since then hardly anybody has been there."""
WORKERS = ("worker-0:9108", "worker-1:9108")
SOURCES = {
    "decide": "decisions.submitted",
    "review-request": "decisions.routed",
    "outcome": "reviews.outcomes",
    "drift": "learning.cases",
}
BROKEN_WORKER = END - 9 * HOUR
"""One worker restarts, and its partitions wait for twenty minutes."""


class Kind(NamedTuple):
    """A decision type: decisions in an hour, share automated, overrides and errors of what is automated."""

    name: str
    queue: str
    expert_queue: str
    sla_class: str
    model: str
    hourly: float
    automated: float
    automation: int
    override: float
    error: float
    handling: float


SENIORS, EXPENSES = "finance-senior", "expense.approval"
KINDS = (
    Kind("invoice.approval", "finance", SENIORS, "standard", "invoices:7", 130, 0.79, 1, 0.17, 0.008, 300),
    Kind(EXPENSES, "finance", SENIORS, "standard", "expenses:3", 90, 0.78, 1, 0.19, 0.010, 180),
    Kind("support.categorize", "support", "support", "urgent", "tickets:12", 220, 0.82, 2, 0.12, 0.012, 45),
    Kind("hr.action", "people", "people", "policy_exception", "none:1", 4.0, 0.0, 5, 0.0, 0.01, 700),
)
CAPACITY = {"finance": 95.0, "finance-senior": 24.0, "support": 60.0, "people": 8.0}
LIMITS = {"urgent": 4 * HOUR, "standard": 24 * HOUR, "complex": 72 * HOUR, "policy_exception": 7 * DAY}
NEW_MODEL = "expenses:4"
CERTIFIED_AGAIN = ((ALARM, 0.97), (END - 11 * DAY, 0.955), (END - 8 * DAY, 0.94), (END - 4 * DAY, 0.92))


def times() -> list[int]:
    """When it was scraped, in seconds."""
    week, day = END - 8 * DAY, END - DAY
    return [*range(FIRST, week, 4 * HOUR), *range(week, day, HOUR), *range(day, END + 1, STEP)]


def worker_of(kind: Kind) -> str:
    """The worker that has its partitions."""
    return WORKERS[KINDS.index(kind) % 2]


def there(queue: str, now: int) -> float:
    """The share of a queue's people that work."""
    if queue == SENIORS and now > SENIORS_STOPPED:
        return 0
    if queue == "support" and SUPPORT_ABSENT <= now < SUPPORT_ABSENT + 7 * HOUR:
        return 0
    return 0.04 if queue == "support" and now > SUPPORT_BEHIND else 1


def wrong_model(kind: Kind, now: int) -> bool:
    """Whether the new model still decides as it came."""
    return kind.name == EXPENSES and MODEL_CHANGED <= now < ALARM + 2 * DAY


def age(now: int) -> float:
    """From 0 at the beginning to 1 at the end."""
    return (now - FIRST) / (END - FIRST)


def automated(kind: Kind, now: int) -> float:
    """It falls with the alarm, and comes back with each certificate; elsewhere it grows slowly."""
    if kind.name != EXPENSES or now < ALARM:
        return kind.automated * (0.94 + 0.06 * age(now))
    steps = sum(now >= moment for moment, _ in CERTIFIED_AGAIN)
    return (0.31, 0.45, 0.58, 0.70)[steps - 1]


def busy(now: int) -> float:
    """Work comes mostly by day."""
    return 0.55 + 0.45 * math.sin(2 * math.pi * (now % DAY) / DAY - 1.7)


def at_work(now: int) -> float:
    """So do people; some work late."""
    return 0.75 + 0.45 * math.sin(2 * math.pi * (now % DAY) / DAY - 1.8)
