"""Many decision types with little traffic each: what may they learn from each other?

``python -m bench.learning.small_types [--runs 60]`` prints a table for ``notes.md``. Every way keeps the
promise for what it speaks of:

- **apart**: each type is a key of its own;
- **apart, start from the others**: the order of a type's tests starts at the lowest region in which the
  labels of all *other* types are wrong in at most .4 alpha. That choice does not look at the type's own
  labels, so its own certificate is as valid as before; it only asks a better question first;
- **one key for all**: the promise is then about all of them together, and single types may be above alpha.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import typer

from bench.learning.estimates import lowest, suffix, tally
from bench.learning.replay import replay
from bench.learning.rule import IMPROVED, Design, Rule
from bench.learning.scenarios import SMALL_SCORING, SMALL_TUNING, TUNING_SEED, Scenario, SmallTypes
from bench.learning.streams import BINS, Stream, bins_of, draw, region_errors

BLOCK = 25
SURELY_REVIEWED = 600
"""A type's first decisions, which all go to people: no certificate comes sooner."""


@dataclass
class Sums:
    """Over all types and runs."""

    automated: float = 0.0
    wrong: float = 0.0
    work: float = 0.0
    decisions: float = 0.0
    bad: float = 0.0
    keys: float = 0.0

    def row(self, name: str) -> str:
        automation, error = self.automated / self.decisions, self.wrong / max(self.automated, 1)
        return (
            f"| {name} | {automation:.3f} | {error:.4f} | {self.work / self.decisions:.3f} "
            f"| {self.bad / self.keys:.3f} |"
        )


def main(runs: Annotated[int, typer.Option(help="Runs.")] = 60, scoring: bool = False) -> None:
    """Print the table."""
    setting = SMALL_SCORING if scoring else SMALL_TUNING
    streams = [_stream(setting, i, size, runs) for i, size in enumerate(_sizes(setting))]
    print(f"{setting.name}, alpha {setting.alpha:.0%}, {runs} runs, {setting.decisions:,} decisions\n")
    print("| way | auto | error | work | keys ever above alpha |\n| --- | --- | --- | --- | --- |")
    for share in (0.0, 0.4, 0.6, 0.8):
        name = f"apart, start where the others are below {share} alpha" if share else "apart"
        print(_apart(setting, streams, share, IMPROVED).row(name), flush=True)
    print(_together(setting, streams).row("one key for all; last column: types"), flush=True)


def _sizes(setting: SmallTypes) -> list[int]:
    weights = np.arange(1, setting.types + 1) ** -0.7
    return [max(4, round(w / BLOCK)) * BLOCK for w in setting.decisions * weights / weights.sum()]


def _stream(setting: SmallTypes, i: int, size: int, runs: int) -> Stream:
    world = setting.worlds[i % len(setting.worlds)]
    scenario = Scenario(f"type {i}", world, setting.alpha, setting.delta, decisions=size)
    return draw(scenario, runs, [TUNING_SEED, 40, i], BLOCK)


def _apart(setting: SmallTypes, streams: list[Stream], share: float, design: Design) -> Sums:
    sums = Sums()
    for i, stream in enumerate(streams):
        rule = Rule(stream.runs, setting.alpha, setting.delta, gold=False, design=design)
        if share:
            rule.hint = _start_of_others(streams, i, share * setting.alpha)
        outcome = replay(stream, rule, [1, i])
        above = np.take_along_axis(stream.truth(), outcome.k.astype(np.int64), 1) > setting.alpha * (1 + 1e-9)
        sums.automated += outcome.automated.sum()
        sums.wrong += outcome.wrong.sum()
        sums.work += (outcome.reviews + outcome.audits + outcome.more_work).sum()
        sums.decisions += stream.bins.size
        sums.bad += above.any(0).sum()
        sums.keys += stream.runs
    return sums


def _start_of_others(streams: list[Stream], i: int, limit: float) -> np.ndarray:
    """The lowest region where the other types' labels are wrong in at most ``limit`` of cases; what they
    have when type i has shown its first 50 scores. -1 with fewer than 1000 labels."""
    passed = 50 / streams[i].bins.shape[1]
    runs = streams[i].runs
    labels, errors = np.zeros((runs, BINS)), np.zeros((runs, BINS))
    for j, other in enumerate(streams):
        seen = min(int(passed * other.bins.shape[1]), SURELY_REVIEWED)
        if j != i and seen:
            bins, wrong = other.bins[:, :seen], other.wrong[:, :seen]
            labels += tally(bins, bins >= 0)
            errors += tally(bins, (bins >= 0) & wrong)
    n, x = suffix(labels), suffix(errors)
    fine = (n >= 100) & (x <= limit * n)
    return np.where((n[:, 0] >= 1000) & fine.any(1), lowest(fine), -1)


def _together(setting: SmallTypes, streams: list[Stream]) -> Sums:
    rng = np.random.default_rng(TUNING_SEED)
    of = rng.permutation(np.concatenate([np.full(s.bins.shape[1], i) for i, s in enumerate(streams)]))
    place = np.argsort(np.argsort(of, kind="stable"))

    def merged(name: str) -> np.ndarray:
        return np.concatenate([getattr(s, name) for s in streams], 1)[:, place]

    names = ("bins", "wrong", "coin", "shown", "blind", "second", "third")
    whole = replace(streams[0], **{name: merged(name) for name in names})
    whole.scenario = replace(streams[0].scenario, decisions=len(of))
    rule = Rule(whole.runs, setting.alpha, setting.delta, gold=False, design=IMPROVED)
    outcome = replay(whole, rule, [2])
    deepest = outcome.k.min(0)
    sums = Sums(
        automated=outcome.automated.sum(),
        wrong=outcome.wrong.sum(),
        work=(outcome.reviews + outcome.audits + outcome.more_work).sum(),
        decisions=whole.bins.size,
    )
    for i in range(setting.types):
        error = region_errors(*bins_of(setting.worlds[i % len(setting.worlds)]))
        sums.bad += (error[deepest] > setting.alpha).sum()
        sums.keys += whole.runs
    return sums


if __name__ == "__main__":
    typer.run(main)
