"""From outcomes to numbers: was the promise kept, and what was gained?"""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from math import sqrt
from typing import Any

import numpy as np

from bench.learning.replay import Outcome
from bench.learning.streams import Stream


def wilson(hits: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share.

    >>> [round(x, 3) for x in wilson(10, 200)]
    [0.027, 0.09]
    """
    share, squared = hits / trials, z * z / trials
    middle, half = share + squared / 2, z * sqrt(share * (1 - share) / trials + squared / (4 * trials))
    return max(0.0, (middle - half) / (1 + squared)), min(1.0, (middle + half) / (1 + squared))


@dataclass(frozen=True)
class Sums:
    """What some runs of a policy came to; those of further runs of the same setting add up."""

    runs: int
    decisions: int
    """Of all runs together."""
    ever: int
    """Runs that were ever above alpha."""
    above: int
    """Decisions under a threshold that was above alpha."""
    automated: int
    wrong: int
    work: int
    """Answers that people gave, all kinds together."""
    warned: int = 0
    cheered: int = 0

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def numbers(self) -> dict[str, Any]:
        """Shares of decisions and of runs, with the 95 % interval of those ever above alpha."""
        return {
            "automation": self.automated / self.decisions,
            "error": self.wrong / max(self.automated, 1),
            "any": self.ever / self.runs,
            "any_interval": wilson(self.ever, self.runs),
            "time_above": self.above / self.decisions,
            "work": self.work / self.decisions,
        }


def sums(stream: Stream, outcome: Outcome) -> Sums:
    """Those of a stationary scenario, with its alarms: all of them are false."""
    found = _sums(stream, outcome, _above(stream, outcome), slice(None))
    return replace(found, warned=len(outcome.warned), cheered=len(outcome.cheered))


def measure(stream: Stream, outcome: Outcome) -> dict[str, Any]:
    """All numbers of one policy on one scenario; a changing one is measured before and after its change."""
    scenario, size = stream.scenario, stream.block
    above = _above(stream, outcome)
    cut = stream.blocks if scenario.after is None else scenario.change_at // size
    found: dict[str, Any] = {
        "stationary": _period(stream, outcome, above, slice(0, cut)),
        "warnings_per_10k": _before(outcome.warned, cut * size) / (stream.runs * cut * size / 1e4),
        "cheers_per_10k": _before(outcome.cheered, cut * size) / (stream.runs * cut * size / 1e4),
    }
    if scenario.after is not None:
        ever_after = above[cut:]
        last = np.where(ever_after.any(0), (ever_after.shape[0] - ever_after[::-1].argmax(0)) * size, 0)
        found |= {
            "after": _period(stream, outcome, above, slice(cut, stream.blocks)),
            "warning": _delay(outcome.warned, stream, cut * size),
            "cheer": _delay(outcome.cheered, stream, cut * size),
            "unsafe_until": {"median": float(np.median(last)), "p90": float(np.quantile(last, 0.9))},
            "last_third": _period(stream, outcome, above, slice(stream.blocks - cut // 3, stream.blocks)),
        }
    return found


def _period(stream: Stream, outcome: Outcome, above: np.ndarray, when: slice) -> dict[str, Any]:
    return _sums(stream, outcome, above, when).numbers()


def _sums(stream: Stream, outcome: Outcome, above: np.ndarray, when: slice) -> Sums:
    work = outcome.reviews + outcome.audits + outcome.more_work
    return Sums(
        runs=above.shape[1],
        decisions=above[when].size * stream.block,
        ever=int(above[when].any(0).sum()),
        above=int(above[when].sum()) * stream.block,
        automated=int(outcome.automated[when].sum()),
        wrong=int(outcome.wrong[when].sum()),
        work=int(work[when].sum()),
    )


def _above(stream: Stream, outcome: Outcome) -> np.ndarray:
    """Is the threshold in force above alpha? Shape (blocks, runs)."""
    return np.take_along_axis(stream.truth(), outcome.k.astype(np.int64), 1) > stream.scenario.alpha * (
        1 + 1e-9
    )


def _before(alarms: list[tuple[int, int]], end: int) -> int:
    return sum(at <= end for _, at in alarms)


def _delay(alarms: list[tuple[int, int]], stream: Stream, change: int) -> dict[str, float | None]:
    """Decisions from the change to each run's first alarm; runs without one count as never."""
    first = np.full(stream.runs, np.inf)
    for run, at in alarms:
        if at > change:
            first[run] = min(first[run], at - change)
    median, late = np.quantile(first, [0.5, 0.9], method="inverted_cdf")
    return {
        "found": float(np.isfinite(first).mean()),
        "median": None if np.isinf(median) else float(median),
        "p90": None if np.isinf(late) else float(late),
    }
