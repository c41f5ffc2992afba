"""A simulation's report on one screen, in plain words, for somebody who decides about budgets and risks."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from app.domain.words import LEVELS, number
from app.lab.report import Group, KeyThreshold, Report

WIDTH = 110
BAR = 24
ALERTS_SHOWN = 12
REJECTS_SHOWN = 3


def text(report: Report) -> str:
    """The report, ``WIDTH`` columns wide."""
    if not report.decisions:
        return "\n".join(["No decision was simulated.", *_input(report)])
    parts = [
        ("", _head(report)),
        ("WHO DECIDED", _levels(report)),
        ("HOW OFTEN THE AI WAS WRONG WHERE IT RAN ALONE", _errors(report)),
        ("WHAT IT COST PEOPLE", _work(report)),
        ("HOW FAR AUTOMATION MAY GO, AND THE EVIDENCE FOR IT", thresholds_in_words(report.thresholds)),
        ("BY DECISION TYPE", _types(report.types) if len(report.types) > 1 else []),
        ("ALERTS", _alerts(report)),
        ("THE INPUT", _input(report)),
        ("SIMULATED HERE", _simulated(report)),
    ]
    lines: list[str] = []
    for title, body in parts:
        if title and body:
            lines.append(title)
        for line in body:
            lines += fitted(f"  {line}" if title else line)
    return "\n".join(lines)


def fitted(line: str) -> list[str]:
    """Lines that fit, each indented as the first is."""
    if len(line) <= WIDTH:
        return [line.rstrip()]
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_long_words=False)


def percent(value: float | None, digits: int = 1) -> str:
    """A share in words.

    >>> percent(0.8817), percent(None)
    ('88.2 %', '-')
    """
    return "-" if value is None else f"{value * 100:.{digits}f} %"


def between(interval: tuple[float, float] | None) -> str:
    """An interval in percent.

    >>> between((0.011, 0.0192)), between(None)
    ('1.10 to 1.92 %', '-')
    """
    return "-" if interval is None else f"{interval[0] * 100:.2f} to {interval[1] * 100:.2f} %"


def _head(r: Report) -> list[str]:
    speed = f"{r.elapsed_s:.1f} s" + (f", {r.decisions_per_s:,} a second" if r.decisions_per_s else "")
    wrong = (
        f", {percent(r.automated_error, 2)} of that wrongly (95 %: {between(r.automated_error_interval)})"
        if r.automated_error is not None
        else ""
    )
    return [
        f"{r.decisions:,} decisions under policy '{r.policy}' {r.policy_version}, seed {r.seed}, {speed}",
        f"The AI decided {percent(r.automation_rate)} alone{wrong};"
        f" {_answers(r.human_work)} per 100 decisions.",
    ]


def _answers(work: float | None) -> str:
    return "no answers of people" if work is None else f"{work * 100:.1f} answers of people"


def _levels(r: Report) -> list[str]:
    lines = []
    for level, name in LEVELS.items():
        count = r.levels[str(level)]
        share = count / r.decisions
        bar = "█" * round(share * BAR) or ("▏" if count else "")
        lines.append(f"{level} {name:<29} {count:>11,}  {percent(share):>7}  {bar}")
    return lines


def _errors(r: Report) -> list[str]:
    if r.automated_error is None:
        reason = "nothing ran alone" if not r.automated else "no truth is known of what ran alone"
        return [f"Unknown: {reason}."]
    lines = [
        f"{r.automated_wrong:,} of {r.automated:,} = {percent(r.automated_error, 2)}; the next such decisions"
        f" may show {between(r.automated_error_interval)} (95 %).",
    ]
    if r.ai_error is not None and r.final_error is not None:
        lines.append(
            f"The AI on everything: {percent(r.ai_error, 2)} wrong. All final actions together:"
            f" {percent(r.final_error, 2)}."
        )
    return lines


def _work(r: Report) -> list[str]:
    lines = [
        f"{r.reviews:,} reviews, {r.audits:,} checks of what ran alone, {r.second_looks:,} second looks,"
        f" {r.gold:,} items with known truth: {percent(r.human_work)} of the number of decisions.",
        f"People changed {percent(r.override_rate)} of {r.shown:,} recommendations that they were shown."
        if r.shown
        else "People were shown no recommendation before they answered.",
    ]
    if r.gold_catch_rate is not None:
        lines.append(
            f"They caught {percent(r.gold_catch_rate)} of the known errors (at least"
            f" {percent(r.gold_catch_lower)}, 95 %)."
        )
    return lines


def thresholds_in_words(thresholds: Sequence[KeyThreshold]) -> list[str]:
    """What is in force for each key, and what it rests on."""
    lines = []
    for t in thresholds:
        at = f"alone from a score of {number(t.threshold)}" if t.automates else "everything is reviewed"
        earned = f"certified {number(t.certified)}" if t.certified is not None else "no certificate"
        cap = f", tightened to {number(t.cap)}" if t.cap > t.own else ""
        needed = f" of about {t.labels + t.labels_needed:,}" if t.labels_needed else ""
        lines += [
            f"{t.key}: {at} (policy {number(t.own)}, {earned}{cap}; epoch {t.epoch})",
            f"  {t.labels:,}{needed} blind checks, {t.errors:,} errors; at most {percent(t.alpha)} may be"
            f" wrong; {percent(t.evidence_probability)} are drawn for a check",
            f"  {t.reason}",
        ]
    return lines


def _types(groups: Sequence[Group]) -> list[str]:
    return [
        f"{g.name:<28} {g.decisions:>10,}  alone {percent(g.automation_rate):>7}"
        f"  wrong {percent(g.automated_error, 2):>7} ({between(g.automated_error_interval)})"
        f"  work {percent(g.human_work):>7}"
        for g in groups
    ]


def _alerts(r: Report) -> list[str]:
    lines = []
    for alert in r.alerts[:ALERTS_SHOWN]:
        lines.append(f"{alert.time} after {alert.decisions:,}: {alert.pattern} of {alert.key}")
        lines.append(f"  {alert.text} What to do: {alert.action}")
    if len(r.alerts) > ALERTS_SHOWN:
        lines.append(f"and {len(r.alerts) - ALERTS_SHOWN:,} more")
    return lines or ["none"]


def _input(r: Report) -> list[str]:
    lines = []
    if r.rejected.total:
        counts = ", ".join(f"{n:,} {reason}" for reason, n in sorted(r.rejected.by_reason.items()))
        lines.append(f"{r.rejected.total:,} lines take no part: {counts}")
        lines += [f"  line {line.line}: {line.message}" for line in r.rejected.first[:REJECTS_SHOWN]]
    if r.without_truth:
        lines.append(
            f"{r.without_truth:,} decisions have no truth: people follow the recommendation there, nothing is"
            " learned from it, and the errors above leave them out"
        )
    if r.out_of_order:
        lines.append(f"{r.out_of_order:,} decisions are dated before the one above; they stay in their place")
    if r.unknown_fields:
        fields = ", ".join(f"{name} ({n:,})" for name, n in list(r.unknown_fields.items())[:8])
        lines.append(f"fields that are no part of a decision were left out of account: {fields}")
    return lines


def _simulated(r: Report) -> list[str]:
    people = r.reviewers
    return [
        f"{people.people} reviewers who catch {percent(people.sensitivity)} of the AI's errors,"
        f" {percent(people.catches(blind=False))} when they are shown its answer, and wrongly change"
        f" {percent(people.false_override)} of the rest.",
        f"Answers are known after {people.delay_mean:g} further decisions on average (geometric);"
        f" {r.labels:,} labels came in time, {r.labels_outstanding:,} did not.",
        f"What is learned is in force within {r.lag} decisions. Service levels, escalation and standing rules"
        " are not simulated.",
    ]
