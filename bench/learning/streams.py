"""A scenario's runs as arrays: what happens, what each kind of reviewer would answer, and the truth.

Everything random is drawn here, once, before any policy: all policies meet the same decisions, coins,
answers and delays. A policy is told of an answer only if its own routing asked for it (``replay.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from bench.learning.scenarios import Reviewers, Scenario, World

_TOP = [0.9925, 0.995, 0.9975, 0.999, 1]
EDGES = np.round(np.concatenate([0.5 + 0.005 * np.arange(80), 0.9 + 0.01 * np.arange(10), _TOP]), 4)
BINS = len(EDGES) - 1
MIDDLE = (EDGES[:-1] + EDGES[1:]) / 2
LOGITS = np.log(MIDDLE / (1 - MIDDLE))
REVIEW_ALL = BINS
"""The threshold, as a bin, that no score reaches."""

Floats = NDArray[np.float64]


@lru_cache(maxsize=256)
def bins_of(world: World) -> tuple[Floats, Floats]:
    """Traffic of each bin (the rest scores below .5) and P(wrong | bin), both of shape (94,)."""
    mass = np.diff(beta.cdf(EDGES, world.a, world.b))
    wrong = 1 / (1 + np.exp(world.slope * LOGITS + world.intercept))
    return mass, np.where(EDGES[:-1] >= world.hidden_from, np.maximum(wrong, world.hidden_error), wrong)


def region_errors(mass: Floats, wrong: Floats) -> Floats:
    """True error of automating from bin k up, shape (..., 95); 0 where nothing comes and for "review all"."""
    traffic = np.cumsum(mass[..., ::-1], -1)[..., ::-1]
    errors = np.cumsum((mass * wrong)[..., ::-1], -1)[..., ::-1]
    found = np.divide(errors, traffic, out=np.zeros_like(errors), where=traffic > 1e-12)
    return np.concatenate([found, np.zeros_like(found[..., :1])], -1)


@dataclass
class Stream:
    """Arrays of shape (runs, decisions)."""

    scenario: Scenario
    block: int
    bins: NDArray[np.int8]
    """Score bin, -1 below a score of .5."""
    wrong: NDArray[np.bool_]
    coin: NDArray[np.float32]
    shown: NDArray[np.bool_]
    """Would one reviewer who sees the recommendation change it?"""
    blind: NDArray[np.bool_]
    """Would one reviewer who answers first disagree?"""
    second: NDArray[np.bool_]
    """Would another one disagree as well?"""
    third: NDArray[np.bool_]
    arrival: NDArray[np.int32] | None
    """Index of the decisions in the order in which their answers come; None where nothing is late."""
    arrived: NDArray[np.int32] | None
    """Answers that have come by the end of each block, shape (runs, blocks + 1)."""

    @property
    def runs(self) -> int:
        return int(self.bins.shape[0])

    @property
    def blocks(self) -> int:
        return int(self.bins.shape[1]) // self.block

    def truth(self) -> Floats:
        """True error of automating from bin k up in the middle of each block, shape (blocks, 95)."""
        scenario = self.scenario
        mass, wrong = bins_of(scenario.world)
        if scenario.after is None:
            return np.repeat(region_errors(mass, wrong)[None], self.blocks, 0)
        later_mass, later_wrong = bins_of(scenario.after)
        share = _share_after(scenario, (np.arange(self.blocks) + 0.5) * self.block)[:, None]
        both = (1 - share) * mass + share * later_mass
        errors = (1 - share) * mass * wrong + share * later_mass * later_wrong
        return region_errors(both, np.divide(errors, both, out=np.zeros_like(errors), where=both > 1e-15))


def draw(scenario: Scenario, runs: int, seed: list[int], block: int = 25) -> Stream:
    """So many independent runs of a scenario; ``decisions`` must be a multiple of ``block``."""
    rng = np.random.default_rng(seed)
    shape = (runs, scenario.decisions)
    bins, wrong = _decisions(scenario.world, shape, rng)
    if scenario.after is not None:
        later_bins, later_wrong = _decisions(scenario.after, shape, rng)
        after = rng.random(shape, np.float32) < _share_after(scenario, np.arange(scenario.decisions))
        bins, wrong = np.where(after, later_bins, bins), np.where(after, later_wrong, wrong)
    people = scenario.reviewers
    return Stream(
        scenario=scenario,
        block=block,
        bins=bins,
        wrong=wrong,
        coin=rng.random(shape, np.float32),
        shown=_answers(people, wrong, 1 - people.anchoring, rng),
        blind=_answers(people, wrong, 1.0, rng),
        second=_answers(people, wrong, 1.0, rng),
        third=_answers(people, wrong, 1.0, rng),
        **_late(people.delay, shape, block, rng),
    )


def _decisions(
    world: World, shape: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    mass, wrong = bins_of(world)
    below = 1 - mass.sum()
    upper = below + np.cumsum(mass)
    bins = np.searchsorted(np.concatenate([[below], upper[:-1]]), rng.random(shape), side="right") - 1
    chance = np.concatenate([wrong, [0.5]])[bins].astype(np.float32)  # bin -1 takes the last
    return bins.astype(np.int8), rng.random(shape, np.float32) < chance


def _answers(
    people: Reviewers, wrong: NDArray[np.bool_], kept: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    if people.sensitivity * kept == 1 and people.false_override == 0:
        return wrong
    draws = rng.random(wrong.shape, np.float32)
    return draws < np.where(wrong, np.float32(people.sensitivity * kept), np.float32(people.false_override))


def _late(
    delay: float, shape: tuple[int, int], block: int, rng: np.random.Generator
) -> dict[str, NDArray[np.int32] | None]:
    if delay == 0:
        return {"arrival": None, "arrived": None}
    when = np.arange(shape[1]) + rng.exponential(delay, shape)
    order = np.argsort(when, axis=1, kind="stable").astype(np.int32)
    ends = np.arange(0, shape[1] + 1, block)
    arrived = np.stack([np.searchsorted(row, ends) for row in np.sort(when, axis=1)])
    return {"arrival": order, "arrived": arrived.astype(np.int32)}


def _share_after(scenario: Scenario, time: Floats) -> Floats:
    return np.clip((time - scenario.change_at) / max(scenario.ramp, 1e-9), 0.0, 1.0)
