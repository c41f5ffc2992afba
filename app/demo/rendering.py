"""The report on one screen, in plain words, for somebody who decides about budgets and risks."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from app.demo.report import Report, ReviewerRow, Share, Threshold

WIDTH = 100
SPARKS = "▁▂▃▄▅▆▇█"
BAR = 16
GOOD, BAD, QUIET = "green", "bold red", "dim"
CODES_SHOWN = 4
PATTERNS_SHOWN = 3


def render(report: Report, console: Console) -> None:
    """Print the report; without a terminal the same words without colour."""
    if console.is_terminal:
        console.print(_page(report), width=min(WIDTH, console.width))
        return
    plain = Console(file=io.StringIO(), width=WIDTH, color_system=None)
    with plain.capture() as captured:
        plain.print(_page(report))
    lines = [line.rstrip() for line in captured.get().splitlines()]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _page(report: Report) -> RenderableType:
    return Group(
        _title(report),
        _section("Who decided", _levels(report)),
        _section("How often that was right, against what the lenders really did", _accuracy(report)),
        _section("What people changed, and why", _changes(report)),
        _section("What the checks found", _checks(report)),
        _section("How far automation may go, and the evidence still needed", _thresholds(report)),
        _section("Service level, in simulated time, and reviewers", _service(report)),
        _section("Bad records, on purpose and otherwise", _bad(report)),
        _section("For information: approval rates by group", _groups(report)),
        _section("Simulated here", Text(" ".join(report.simulated))),
        _section("Where to look next", _lines(report.next_steps, style="cyan")),
    )


def percent(value: float | None, digits: int = 1) -> str:
    """A share in words.

    >>> percent(0.8817), percent(None)
    ('88.2 %', '-')
    """
    return "-" if value is None else f"{value * 100:.{digits}f} %"


def of(share: Share) -> str:
    """Hits of cases, with the thousands set apart.

    >>> from app.demo.report import share
    >>> of(share(1570, 1780))
    '1,570 of 1,780'
    """
    return f"{share.hits:,} of {share.of:,}"


def interval(share: Share) -> str:
    """The 95 % interval in percent.

    >>> from app.demo.report import share
    >>> interval(share(1570, 1780))
    '86.6 to 89.6'
    """
    return (
        "" if share.low is None or share.high is None else f"{share.low * 100:.1f} to {share.high * 100:.1f}"
    )


def sparkline(values: Sequence[float]) -> str:
    """Shares in [0, 1] as bars.

    >>> sparkline([0.0, 0.5, 1.0])
    '▁▅█'
    """
    return "".join(SPARKS[min(len(SPARKS) - 1, int(value * len(SPARKS)))] for value in values)


def _title(report: Report) -> RenderableType:
    flow = report.flow
    text = Text()
    text.append(f"{report.applications:,} real mortgage applications", style="bold")
    text.append(
        f"  seed {report.seed}, {len(report.days)} simulated business days, {report.run.elapsed_s:.0f} s\n"
    )
    text.append(
        f"{flow.records:,} records submitted = {flow.resolved:,} resolved + {flow.open:,} open"
        f" + {flow.dead_letters:,} dead letters. "
    )
    if flow.reconciled:
        text.append("Every record is accounted for.", style=GOOD)
    else:
        broken = "; ".join(f"{c.text} ({c.left:,} / {c.right:,})" for c in flow.checks if not c.holds)
        text.append(f"The counts do not agree: {broken}", style=BAD)
    return text


def _section(title: str, body: RenderableType) -> RenderableType:
    return Group(Text(title.upper(), style="bold cyan"), Padding(body, (0, 0, 0, 2), expand=False))


def _grid(*justify: str) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for side in justify:
        grid.add_column(justify="right" if side == "r" else "left", no_wrap=side != "w")
    return grid


def _lines(lines: Sequence[str], style: str = "") -> RenderableType:
    return Group(*(Text(line, style=style) for line in lines))


def _levels(report: Report) -> RenderableType:
    grid = _grid("l", "r", "r", "l", "l")
    for row in report.levels:
        bar = "█" * round(row.share * BAR) or ("▏" if row.decisions else "")
        right = f"{percent(row.right.share)} right" if row.decisions else ""
        grid.add_row(
            f"{row.level} {row.name}",
            f"{row.decisions:,}",
            percent(row.share),
            Text(bar, style="cyan"),
            right,
        )
    text = Text(f"The AI decided {percent(report.automation.share)} alone")
    if len(report.days) > 1:
        by_day = [day.automated_share for day in report.days]
        text.append(f" (day by day {sparkline(by_day)}, last day {percent(by_day[-1], 0)})")
    text.append(f". People saw {percent(report.human_work.share)} in all.")
    return Group(grid, text)


def _accuracy(report: Report) -> RenderableType:
    accuracy = report.accuracy
    grid = _grid("l", "r", "r", "l")
    for label, share, style in (
        ("AI alone, on everything", accuracy.ai_alone, ""),
        ("what the AI decided here", accuracy.automated, ""),
        ("what people decided here", accuracy.people, ""),
        ("   the AI on the same cases", accuracy.ai_on_the_same, QUIET),
        ("both together", accuracy.together, "bold"),
    ):
        grid.add_row(
            Text(label, style=style),
            Text(percent(share.share), style=style),
            Text(of(share), style=style),
            Text(interval(share), style=QUIET),
        )
    always = percent(accuracy.always_approve.share)
    note = f"Last column: 95 % interval. Approving everything would be right in {always}."
    return Group(grid, Text(note, style=QUIET))


def _changes(report: Report) -> RenderableType:
    changes = report.changes
    text = Text(f"People changed {changes.final_changes:,} recommendations, ")
    text.append(f"{changes.for_the_better:,} for the better", style=GOOD)
    text.append(
        f", {changes.for_the_worse:,} for the worse; {changes.ai_errors_kept:,} AI errors slipped by."
    )
    grid = _grid("r", "l", "l")
    for row in changes.codes[:CODES_SHOWN]:
        grid.add_row(f"{row.count:,}", row.text, Text(row.category.replace("_", " "), style=QUIET))
    rest = changes.codes[CODES_SHOWN:]
    if rest:
        grid.add_row(f"{sum(row.count for row in rest):,}", f"{len(rest)} other reasons", "")
    sinks = ", ".join(
        f"{row.delivered:,} {row.topic.removeprefix('feedback.').replace('_', ' ')}" for row in changes.sinks
    )
    return Group(text, grid, Text(f"Fed back: {sinks}.", style=QUIET))


def _checks(report: Report) -> RenderableType:
    checks, blind = report.checks, report.blind
    lines = [
        f"Of {checks.automated:,} automated decisions {checks.evidence_labels:,} were drawn and checked blind"
        f" with {checks.evidence_errors:,} disagreements: an estimated error of"
        f" {percent(checks.estimated_error)} ({percent(checks.estimated_low)} to"
        f" {percent(checks.estimated_high)}), mistakes of the checkers included. The truth is"
        f" {percent(checks.true_error.share)}.",
    ]
    if checks.other_audits or checks.second_looks or checks.observed_outcomes:
        lines.append(
            f"{checks.other_audits:,} spot checks, {checks.second_looks:,} second looks, "
            f"{checks.observed_outcomes:,} outcomes observed later ({checks.observed_errors:,} errors)."
        )
    if blind.gap is not None:
        lines.append(
            f"Asked before seeing the AI's answer, people differed from it in "
            f"{percent(blind.changed_blind_first.share)}; shown it, in {percent(blind.changed_shown.share)}."
        )
    lines += [f"{row.text} What to do: {row.action}" for row in report.patterns[:PATTERNS_SHOWN]]
    return _lines(lines)


def _thresholds(report: Report) -> RenderableType:
    if not report.thresholds:
        return Text("Nothing was learned yet; the policy's own threshold is in force.")
    return Group(*(_threshold(row) for row in report.thresholds))


def _threshold(row: Threshold) -> RenderableType:
    text = Text(f"From a score of {row.threshold:.3f}" if row.automates else "Suspended")
    if row.certified is not None:
        earned = f"earned: {row.certified:.3f}"
    else:
        earned = "the policy's own" if row.automates else "nothing earned yet"
    labels = f"{row.labels:,} blind labels"
    if row.labels_needed:
        labels = f"{row.labels:,} of about {row.labels + row.labels_needed:,} blind labels"
    text.append(f" ({earned}). Evidence: {labels}, {row.errors:,} errors.\n")
    text.append(row.reason, style=QUIET)
    return text


def _service(report: Report) -> RenderableType:
    sla, flow = report.sla, report.flow
    text = Text(f"{percent(sla.met.share)} of {sla.met.of:,} reviews in time. ")
    text.append(f"Wait {_duration(sla.median_wait)} (longest {_duration(sla.longest_wait)}), ")
    text.append(f"handling {_duration(sla.median_handling)}. ")
    text.append(f"{sla.escalated:,} escalated, {flow.reviews_open:,} open.")
    return Group(text, _columns([_reviewer(row) for row in report.reviewers]))


def _reviewer(row: ReviewerRow) -> Text:
    unlike, right = percent(row.changed.share, 0), percent(row.right.share, 0)
    return Text(f"{row.reviewer:<13} {row.answers:>5,}  {unlike:>4} unlike AI, {right:>5} right")


def _columns(items: Sequence[Text]) -> RenderableType:
    """Side by side where there is room, below each other where there is not."""
    return Columns(items, padding=(0, 2), equal=True, column_first=True)


def _duration(minutes: float | None) -> str:
    if minutes is None:
        return "-"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _bad(report: Report) -> RenderableType:
    parts = [
        Text.assemble(
            ("✓ " if row.as_expected else "✗ ", GOOD if row.as_expected else BAD), f"{row.kind}: {row.found}"
        )
        for row in report.planted
    ]
    dead = sum(row.count for row in report.dead_letters)
    grid = _columns(parts)
    expected = sum(row.as_expected and row.expected != "a person decides" for row in report.planted)
    if dead > expected:
        reasons = ", ".join(f"{row.count:,} {row.reason} in {row.stage}" for row in report.dead_letters)
        return Group(grid, Text(f"{dead - expected:,} more dead letters than planted: {reasons}", style=BAD))
    return grid if report.planted else Text("None; in so small a run none is planted.")


def _groups(report: Report) -> RenderableType:
    grid = _grid("l", "r", "l", "l", "l")
    for row in report.groups:
        grid.add_row(
            row.group,
            f"{row.applications:,}",
            f"lender {percent(row.lender_approved.share)}",
            f"AI {percent(row.ai_would_approve.share)}",
            f"finally {percent(row.finally_approved.share)}",
        )
    note = "Nobody here was told the group. The yardstick is what lenders did in 1990, fair or not."
    return Group(grid, Text(note, style=QUIET))
