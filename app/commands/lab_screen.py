"""What ``hitl lab shadow`` shows while it runs."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group
from rich.table import Table
from rich.text import Text

from app.domain.words import LEVELS
from app.lab.beside import Again
from app.lab.comparison import Comparison
from app.lab.comparison_words import cautions
from app.lab.rendering import between, percent
from app.lab.report import share


def screen(report: Comparison, different: Iterable[Again]) -> Group:
    """The two policies side by side, and the last decisions on which they differ."""
    r = report
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(f"{r.decisions:,} decisions, {_since(r.elapsed_s)}")
    table.add_column("this policy", justify="right")
    table.add_column("really", justify="right")
    for level, name in LEVELS.items():
        both = (r.levels[str(level)], r.levels_logged[str(level)])
        table.add_row(f"{level} {name}", *(percent(share(count, r.decisions)) for count in both))
    table.add_row("run alone", percent(r.automation_rate), percent(r.automation_rate_logged), style="bold")
    table.add_row(
        "wrong of that", percent(r.automated_error, 2), percent(r.automated_error_logged, 2), style="bold"
    )
    table.add_row("  95 %", between(r.automated_error_interval) if r.automated else "-", "")
    table.add_row("answers of people", percent(r.human_work), percent(r.human_work_logged))
    said = [
        Text(f"{r.newly_alone:,} more run alone, {r.newly_reviewed:,} more are reviewed;"
             f" {r.judged:,} blind answers so far."),
        *(Text(line, style="yellow") for line in cautions(r)),
    ]  # fmt: skip
    last = [
        Text(f"{again.decision_id}: {again.level_logged} → {again.level}, {again.why}", no_wrap=True,
             overflow="ellipsis", style="dim")
        for again in different
    ]  # fmt: skip
    return Group(table, *said, *last)


def _since(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
