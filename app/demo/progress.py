"""What is going on right now: a live table on a terminal, an occasional plain line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

STAGES = ("submitted", "routed", "automated", "asked", "answered", "resolved", "labels")
PLAIN_EVERY = 5.0
"""Seconds between plain lines."""


class Counts(msgspec.Struct, kw_only=True):
    """How far the run is; every count grows."""

    total: int = 0
    day: int = 0
    days: int = 0
    submitted: int = 0
    routed: int = 0
    automated: int = 0
    asked: int = 0
    answered: int = 0
    resolved: int = 0
    labels: int = 0
    threshold: float | None = None


class Progress:
    """Steps of preparation with their seconds, then counts. Writes to standard error only.

    ``clock`` gives seconds; it measures the steps and paces the plain lines.
    """

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._began = clock()
        self._spoken = self._began
        self._live: Live | None = None
        self._steps: list[tuple[str, float]] = []
        self.counts = Counts()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                console=self._console, get_renderable=self._picture, refresh_per_second=8, transient=True
            )
            self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Take the live table away: something else is to be printed."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._began

    @property
    def stages(self) -> dict[str, float]:
        """Seconds of each finished step."""
        return {name: round(seconds, 2) for name, seconds in self._steps}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step of preparation, timed and announced when done."""
        began = self._clock()
        yield
        seconds = self._clock() - began
        self._steps.append((name, seconds))
        if self._live is None:
            self._say(f"{name} ({seconds:.1f} s)")

    def tick(self) -> None:
        """Counts have changed: the live table follows by itself, a plain line is due now and then."""
        if self._live is None and self._clock() - self._spoken >= PLAIN_EVERY:
            self._say(self._line())

    def _say(self, text: str) -> None:
        self._spoken = self._clock()
        self._console.print(f"[{self.elapsed:5.1f} s] {text}", highlight=False, markup=False, soft_wrap=True)

    def _line(self) -> str:
        c = self.counts
        return (
            f"day {c.day}/{c.days}: {c.submitted:,} of {c.total:,} submitted, {c.routed:,} routed, "
            f"{c.automated:,} automated, {c.answered:,} of {c.asked:,} reviews answered, "
            f"{c.resolved:,} resolved, {self._rate()}"
        )

    def _rate(self) -> str:
        return f"{self.counts.resolved / max(self.elapsed, 0.001):,.0f} decisions/s"

    def _picture(self) -> Table:
        grid = Table.grid(padding=(0, 2, 0, 0))
        for name, seconds in self._steps:
            grid.add_row(Text("✓", style="green"), name, Text(f"{seconds:.1f} s", style="dim"))
        c = self.counts
        if c.total:
            bar = round(30 * min(1.0, c.resolved / c.total))
            grid.add_row(
                Text("▶", style="cyan"),
                Text.assemble(
                    ("█" * bar, "cyan"), ("░" * (30 - bar), "dim"), f"  {c.resolved:,} of {c.total:,}"
                ),
                Text(f"{self.elapsed:.0f} s, {self._rate()}", style="dim"),
            )
            grid.add_row("", f"simulated business day {c.day} of {c.days}", "")
            grid.add_row("", "   ".join(f"{getattr(c, name):,} {name}" for name in STAGES), "")
            if c.threshold is not None:
                grid.add_row("", f"automation from a score of {c.threshold:.3f}", "")
        return grid
