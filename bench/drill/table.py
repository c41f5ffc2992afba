"""Faults one by one, watched by three Prometheus; what happened goes into a table."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence, Set
from pathlib import Path

import msgspec

from bench.drill.fault import RATE, Fault
from bench.drill.site import Site
from bench.drill.watcher import Watcher

PACES: tuple[tuple[float, Collection[str] | None], ...] = (
    (60.0, None),
    (3600.0, None),
    (36_000.0, ("HitlDownstreamErrorsRising", "HitlAuditFindingsRising", "HitlModelNotImproving")),
)
"""Rules at these paces: hours in minutes for what breaks at once, days in half minutes for what creeps, and
months in little more than a minute for the alerts that compare one with the next."""

SHOWN = {
    "lag s": (0, "max(hitl_consumer_lag_seconds)"),
    "paused sources": (0, "count(max by (source) (hitl_source_paused) > 0)"),
    "queue depth": (0, "sum(max by (queue, sla_class, state) (hitl_queue_depth))"),
    "overdue": (0, "sum(max by (queue) (hitl_queue_overdue))"),
    "unpublished": (0, "sum(max by (queue) (hitl_queue_unpublished))"),
    "put aside": (0, "sum(max by (queue) (hitl_queue_broken))"),
    "workers up": (0, "-sum(up)"),
    "store answers in s": (0, "max(hitl_store_answer_seconds)"),
    "clock off s": (0, "max(abs(hitl_clock_skew_seconds))"),
    "dead letters": (0, 'sum(hitl_dead_letters_total{reason!="duplicate"})'),
    "aborted": (0, "max(source:hitl_transactions_aborted:ratio_rate5m)"),
    "automation": (0, "all:hitl_automation:ratio_rate1d"),
    "override": (0, "max(decision_type:hitl_override:ratio_rate7d)"),
    "calibration error": (0, "max(decision_type:hitl_calibration_error:ratio_rate7d)"),
    "oldest feedback s": (0, "max(hitl_feedback_oldest_pending_seconds)"),
    "slowest reviews s": (1, "max(decision_type:hitl_review_handling_seconds:p95_1d)"),
    "overrides without a reason": (1, "1 - min(decision_type:hitl_reason_captured:ratio_rate7d)"),
    "downstream errors": (2, "max(decision_type:hitl_downstream_error:ratio_rate7d)"),
    "audit findings": (2, "max(decision_type:hitl_audit_finding:ratio_rate30d)"),
    "wrong": (2, "1 - min(decision_type:hitl_accuracy:ratio_rate30d)"),
    "decided by people": (2, "1 - min(decision_type:hitl_automation:ratio_rate1d)"),
}
"""What the dashboards draw, and at which of the paces; the table has the highest value during the fault (of
workers, the fewest)."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One row."""

    fault: Fault
    alerts: dict[str, tuple[float, str]]
    """Alert -> seconds after the fault began, and the rule's own ``for:``."""
    shown: dict[str, tuple[float, float]]
    """What was shown before, and at worst."""
    caught_up: float
    verdict: str


def endure(site: Site, watchers: list[Watcher], fault: Fault) -> Seen:
    """Inject a fault under load, undo it, wait until all is caught up, and judge."""
    if fault.usual is not None:
        ended = fault.usual(site)
        site.fed(site.feed(int(RATE * fault.before), RATE))
        ended()
    known = set().union(*(watcher.firing() for watcher in watchers))
    before, worst = _shown(watchers), dict[str, float]()
    feeder = site.feed(int(fault.rate * (fault.seconds + 15)), fault.rate, sure=fault.sure)
    site.rightness = fault.rightness
    began, alerts = time.monotonic(), dict[str, tuple[float, str]]()
    undo = fault.begin(site)

    def watch(until: float) -> None:
        while time.monotonic() < until:
            site.supervise()
            for watcher in watchers:
                for name in watcher.firing() - known:
                    alerts.setdefault(name, (time.monotonic() - began, watcher.waits[name]))
            for name, value in _shown(watchers).items():
                worst[name] = max(worst.get(name, value), value)
            time.sleep(0.5)

    watch(began + fault.seconds)
    undo()
    watch(time.monotonic() + 12)
    site.fed(feeder)
    healed = time.monotonic()
    site.settle()
    site.rightness = 1.0
    shown = {
        name: (before.get(name, 0.0), value)
        for name, value in worst.items()
        if value > before.get(name, 0.0) * 1.2 + 0.05
    }
    return Seen(
        fault=fault,
        alerts=alerts,
        shown=shown,
        caught_up=time.monotonic() - healed,
        verdict=str(site.judge()),
    )


def calm(watchers: list[Watcher], timeout: float, known: Set[str] = frozenset()) -> set[str]:
    """Wait until no alert fires but the ``known`` ones, at most so long; what fires still."""
    deadline = time.monotonic() + timeout
    while (left := set().union(*(w.firing() for w in watchers))) - known and time.monotonic() < deadline:
        time.sleep(1)
    return left


def row(seen: Seen) -> str:
    """A line of the table."""
    alerts = ", ".join(
        f"{name} after {at:.0f} s (for: {wait})"
        for name, (at, wait) in sorted(seen.alerts.items(), key=lambda one: one[1][0])
    )
    shown = ", ".join(f"{name} {_number(a)} → {_number(b)}" for name, (a, b) in seen.shown.items())
    violations = seen.verdict.partition("violations: ")[2]
    return f"| {seen.fault.name}: {seen.fault.what} | {alerts or 'none'} | {shown} | {violations} |"


HEAD = (
    "| fault | alerts, in seconds of the drill | the dashboard, before and at worst | lost or doubled |\n"
    "|---|---|---|---|"
)


def _shown(watchers: Sequence[Watcher]) -> dict[str, float]:
    values = {name: watchers[at].value(query) for name, (at, query) in SHOWN.items()}
    return {name: value for name, value in values.items() if value is not None}


def _number(value: float) -> str:
    return f"{abs(value):.2f}" if 0 < abs(value) < 1 else f"{abs(value):.0f}"


def write(rows: list[str], baseline: set[str], path: Path) -> None:
    """The table as a page; its introduction is written by people."""
    fired = ", ".join(sorted(baseline)) or "none"
    path.write_text(HEAD + "\n" + "\n".join(rows) + f"\n\nBefore any fault: {fired}.\n", encoding="utf-8")
