"""The promise, by the product itself: many runs of each setting, kept chunk by chunk, beside all baselines.

A run of the product takes seconds, so the runs of a setting are played in chunks, the settings in turns: who
stops it has all settings with nearly as many runs. A chunk's sums add up to those of one go (``Sums``), since
run i of a stream is the same however many others are played with it.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.learning import product
from bench.learning.contest import policies, row, seed_of
from bench.learning.measures import Sums, sums
from bench.learning.replay import replay
from bench.learning.scenarios import SCORING, SCORING_SEED, Scenario
from bench.learning.streams import draw

SHAPE = "calibrated"
"""The shape of the scoring set that all reviewers meet."""
REVIEWERS = ("clean", "noisy", "late", "anchored")
CHUNK = 20


def settings() -> list[Scenario]:
    """Twelve: alpha 1, 2 and 5 % by clean, noisy, late and anchored reviewers."""
    names = [SHAPE, *(f"{SHAPE}, {who}" for who in REVIEWERS[1:])]
    found = [one for one in SCORING if one.name in names]
    return sorted(found, key=lambda one: (one.alpha, names.index(one.name)))


@dataclass
class Kept:
    """What is in so far, in a file: sums by scenario, alpha and policy.

    Two processes may fill it; they get on best with settings of their own.
    """

    path: Path
    runs: int
    """Runs drawn for each setting; the product may have played fewer of them by now."""
    sums: dict[tuple[str, float, str], Sums] = field(default_factory=dict)
    measured: str = ""

    @classmethod
    def read(cls, path: Path) -> Kept:
        """Raises FileNotFoundError where nothing was kept."""
        found = json.loads(path.read_text(encoding="utf-8"))
        sums = {_key(row): Sums(**row["sums"]) for row in found["rows"]}
        return cls(path, found["runs"], sums, found["measured"])

    def of(self, scenario: Scenario, policy: str) -> Sums | None:
        """What is in of one policy in one setting."""
        return self.sums.get((scenario.name, scenario.alpha, policy))

    def add(self, scenario: Scenario, policy: str, more: Sums, after: int = 0) -> None:
        """The runs that follow the first ``after`` ones, in the file as well. What another process wrote
        there meanwhile stays; nothing is added where it played these runs, too."""
        with _alone_in(self.path.parent):
            if self.path.exists():
                self.sums |= {
                    key: theirs
                    for key, theirs in Kept.read(self.path).sums.items()
                    if key not in self.sums or theirs.runs > self.sums[key].runs
                }
            known = self.of(scenario, policy)
            if after == (0 if known is None else known.runs):
                self.sums[scenario.name, scenario.alpha, policy] = more if known is None else known + more
                self._write()

    def rows(self) -> list[dict[str, Any]]:
        """As the contest has them (``contest.run``), each with its number of runs."""
        found = []
        for scenario in settings():
            for policy in (product.NAME, *policies()):
                known = self.of(scenario, policy)
                if known is not None:
                    found.append(_row(scenario, policy, known))
        return found

    def shown(self) -> dict[str, Any]:
        """What the page shows of it."""
        return {
            "runs": self.runs,
            "measured": self.measured,
            "settings": len(settings()),
            "product": product.NAME,
            "rows": self.rows(),
        }

    def _write(self) -> None:
        rows = [
            {"scenario": name, "alpha": alpha, "policy": policy, "sums": asdict(known)}
            for (name, alpha, policy), known in sorted(self.sums.items())
        ]
        self.measured = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        text = json.dumps({"runs": self.runs, "measured": self.measured, "rows": rows}, indent=1)
        part = self.path.with_suffix(".part")
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(self.path)


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    opened = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def play(scenarios: list[Scenario], kept: Kept, say: Callable[[str], None]) -> None:
    """Whatever is missing: first all baselines, then the product by chunks."""
    for scenario in scenarios:
        if any(kept.of(scenario, name) is None for name in policies()):
            _baselines(scenario, kept, say)
    while left := [one for one in scenarios if _played(one, kept) < kept.runs]:
        scenario = min(left, key=lambda one: _played(one, kept))
        started = time.process_time()
        first = _played(scenario, kept)
        runs = range(first, min(first + CHUNK, kept.runs))
        stream = draw(scenario, kept.runs, seed_of(scenario, SCORING_SEED))
        kept.add(scenario, product.NAME, sums(stream, product.play(stream, SCORING_SEED, runs)), first)
        say(_said(scenario, f"{product.NAME}, {runs.stop} of {kept.runs} runs", started))


def _baselines(scenario: Scenario, kept: Kept, say: Callable[[str], None]) -> None:
    started = time.process_time()
    seed = seed_of(scenario, SCORING_SEED)
    stream = draw(scenario, kept.runs, seed)
    for name, make in policies().items():
        if kept.of(scenario, name) is None:
            kept.add(scenario, name, sums(stream, replay(stream, make(stream), [*seed, 1])))
    say(_said(scenario, f"{len(policies())} others", started))


def _played(scenario: Scenario, kept: Kept) -> int:
    known = kept.of(scenario, product.NAME)
    return 0 if known is None else known.runs


def _said(scenario: Scenario, what: str, started: float) -> str:
    took = time.process_time() - started
    return f"{scenario.name}, alpha {scenario.alpha:.0%}: {what}, {took:.0f} s of CPU"


def _key(row: dict[str, Any]) -> tuple[str, float, str]:
    return row["scenario"], row["alpha"], row["policy"]


def _row(scenario: Scenario, policy: str, known: Sums) -> dict[str, Any]:
    numbers = {
        "runs": known.runs,
        "stationary": known.numbers(),
        "warnings_per_10k": known.warned / (known.decisions / 1e4),
        "cheers_per_10k": known.cheered / (known.decisions / 1e4),
    }
    return row(scenario, policy, numbers)
