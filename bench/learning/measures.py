"""From outcomes to numbers: was the promise kept, and what was gained?"""

from __future__ import annotations

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


def measure(stream: Stream, outcome: Outcome) -> dict[str, Any]:
    """All numbers of one policy on one scenario; a changing one is measured before and after its change."""
    scenario, size = stream.scenario, stream.block
    above = np.take_along_axis(stream.truth(), outcome.k.astype(np.int64), 1) > scenario.alpha * (1 + 1e-9)
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
    decisions = above[when].shape[0] * stream.block
    automated = outcome.automated[when].sum()
    work = (outcome.reviews + outcome.audits + outcome.more_work)[when].sum()
    ever = int(above[when].any(0).sum())
    return {
        "automation": float(automated / (decisions * stream.runs)),
        "error": float(outcome.wrong[when].sum() / max(automated, 1)),
        "any": ever / stream.runs,
        "any_interval": wilson(ever, stream.runs),
        "time_above": float(above[when].mean()),
        "work": float(work / (decisions * stream.runs)),
    }


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
