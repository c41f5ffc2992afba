"""Every policy on every scenario: the same decisions, coins, answers and delays for all of them."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from bench.learning import product
from bench.learning.baselines import BASELINES
from bench.learning.measures import measure
from bench.learning.replay import Outcome, Policy, replay
from bench.learning.rule import IMPROVED, Design, Rule
from bench.learning.scenarios import Scenario
from bench.learning.streams import Stream, draw

RULES: dict[str, Design] = {"the rule, improved": IMPROVED, "the rule as first written": Design()}
PATHS_OF = "table, abrupt"
"""The scenario whose paths over time are drawn."""


def policies() -> dict[str, Callable[[Stream], Policy]]:
    """All of them by name, ready for a stream."""
    return {name: _rule(design) for name, design in RULES.items()} | {
        name: _baseline(make) for name, make in BASELINES.items()
    }


def seed_of(scenario: Scenario, seed: int) -> list[int]:
    """The seed of a scenario's streams, by that of its set: the same whatever else is run."""
    return [seed, zlib.crc32(f"{scenario.name}@{scenario.alpha}".encode())]


BESIDE_PRODUCT = ("the rule, improved", "Clopper-Pearson, repeated", "oracle")
"""The second implementation, the baseline that breaks the promise least, and what nobody can reach."""


def run_product(
    scenarios: Iterable[Scenario], runs: int, seed: int, say: Callable[[str], None]
) -> Iterator[list[dict[str, Any]]]:
    """The product itself, and the others on the very same streams."""
    for scenario in scenarios:
        started = time.perf_counter()
        drawn = seed_of(scenario, seed)
        stream = draw(scenario, runs, drawn)
        outcomes = {product.NAME: product.play(stream, seed)}
        for name, make in policies().items():
            if name in BESIDE_PRODUCT:
                outcomes[name] = replay(stream, make(stream), [*drawn, 1])
        say(f"{scenario.name}, alpha {scenario.alpha:.0%}: {time.perf_counter() - started:.0f} s")
        yield [row(scenario, name, measure(stream, outcome)) for name, outcome in outcomes.items()]


def run(
    scenarios: Iterable[Scenario], runs: int, seed: int, only: set[str], say: Callable[[str], None]
) -> Iterator[list[dict[str, Any]]]:
    """For each scenario, a row of numbers of each policy."""
    for scenario in scenarios:
        started = time.perf_counter()
        drawn = seed_of(scenario, seed)
        stream = draw(scenario, runs, drawn)
        rows = []
        for name, make in policies().items():
            if only and name not in only:
                continue
            outcome = replay(stream, make(stream), [*drawn, 1])
            found = row(scenario, name, measure(stream, outcome))
            if scenario.name == PATHS_OF:
                found["path"] = _path(stream, outcome)
            rows.append(found)
        say(f"{scenario.name}, alpha {scenario.alpha:.0%}: {time.perf_counter() - started:.0f} s")
        yield rows


def row(scenario: Scenario, policy: str, numbers: dict[str, Any]) -> dict[str, Any]:
    """What a policy came to on a scenario, as results are kept."""
    return {
        "scenario": scenario.name,
        "kind": scenario.kind,
        "alpha": scenario.alpha,
        "delta": scenario.delta,
        "policy": policy,
        **numbers,
    }


def _path(stream: Stream, outcome: Outcome) -> dict[str, list[float]]:
    """Means over all runs, of 20 blocks each: automation and the true error of the threshold in force."""
    error = np.take_along_axis(stream.truth(), outcome.k.astype(np.int64), 1)
    parts = len(error) // 20
    return {
        "automation": [float(p.mean() / stream.block) for p in np.array_split(outcome.automated, parts)],
        "error": [float(p.mean()) for p in np.array_split(error, parts)],
    }


def _rule(design: Design) -> Callable[[Stream], Policy]:
    def make(stream: Stream) -> Policy:
        scenario = stream.scenario
        return Rule(stream.runs, scenario.alpha, scenario.delta, scenario.reviewers.gold_rate > 0, design)

    return make


def _baseline(make: Callable[..., Policy]) -> Callable[[Stream], Policy]:
    return lambda stream: make(stream.runs, stream.scenario.alpha, stream.scenario.delta, stream)
