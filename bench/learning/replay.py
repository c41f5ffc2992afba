"""Prequential replay: a policy decides, and then learns what its own routing revealed, block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.learning.streams import Floats, Stream

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass
class Batch:
    """What one block of decisions shows to a policy; arrays of shape (runs, decisions or labels)."""

    at: int
    """Decisions before this block."""
    bins: NDArray[np.int8]
    automated: Flags
    """The block's decisions: bin and whether it ran without a person."""
    label_bins: NDArray[np.int8]
    label_error: Flags
    label_automated: Flags
    label_evidence: Flags
    """The label is of the blind sample; otherwise the reviewer saw the recommendation."""
    label_epoch: NDArray[np.int16]
    label_q: NDArray[np.float32]
    known: Flags
    """Is there a label in this place at all?"""
    gold: Ints
    caught: Ints
    """Seeded known-wrong items judged in this block and those caught, shape (runs,)."""


class Policy(Protocol):
    """Decides for all runs at once: what scores in bin ``k`` or above runs; ``q`` is drawn as evidence."""

    k: Ints
    q: Floats
    epoch: NDArray[np.int16]
    looks: int
    """Blind reviewers who must find an error before it counts: 1, 2, or 3 for two of three."""
    warned: list[tuple[int, int]]
    """(run, decisions) of each warning that errors became more."""
    cheered: list[tuple[int, int]]
    """(run, decisions) of each finding that they became fewer."""

    def learn(self, batch: Batch) -> None:
        """Take in a block's traffic and labels; set ``k``, ``q`` and ``epoch`` for the next one."""


@dataclass
class Outcome:
    """What became of one policy on one stream; arrays of shape (blocks, runs)."""

    k: NDArray[np.int8]
    automated: NDArray[np.int32]
    wrong: NDArray[np.int32]
    reviews: NDArray[np.int32]
    audits: NDArray[np.int32]
    more_work: NDArray[np.int32]
    """Second and third looks, and gold items."""
    warned: list[tuple[int, int]]
    cheered: list[tuple[int, int]]


def replay(stream: Stream, policy: Policy, seed: list[int]) -> Outcome:
    """One policy over all runs of a stream."""
    rng = np.random.default_rng(seed)
    people, size = stream.scenario.reviewers, stream.block
    row = np.arange(stream.runs)[:, None]
    judged = judgements(stream, policy.looks)
    automated, evidence = np.zeros_like(stream.wrong), np.zeros_like(stream.wrong)
    epoch = np.zeros(stream.wrong.shape, np.int16)
    drawn = np.zeros(stream.wrong.shape, np.float32)
    k = np.zeros((stream.blocks, stream.runs), np.int8)
    counts = np.zeros((5, stream.blocks, stream.runs), np.int32)
    for i in range(stream.blocks):
        now = slice(i * size, (i + 1) * size)
        k[i] = policy.k
        bins = stream.bins[:, now]
        auto = automated[:, now] = bins >= policy.k[:, None]
        coin = evidence[:, now] = stream.coin[:, now] < policy.q[:, None]
        epoch[:, now] = policy.epoch[:, None]
        drawn[:, now] = policy.q[:, None]
        pick, valid = _answers_of(stream, i, row)
        label_evidence, label_bins = evidence[pick], stream.bins[pick]
        reviews, audits = (~auto).sum(1), (auto & coin).sum(1)
        gold = rng.binomial(reviews + audits, people.gold_rate)
        caught = rng.binomial(gold, judged_rate(people.sensitivity, policy.looks))
        looks = coin & stream.blind[:, now]
        more = gold + caught * (policy.looks > 1) + looks.sum(1) * (policy.looks > 1)
        if policy.looks > 2:
            more += (looks & ~stream.second[:, now]).sum(1)
        counts[:, i] = auto.sum(1), (auto & stream.wrong[:, now]).sum(1), reviews, audits, more
        policy.learn(
            Batch(
                at=now.start,
                bins=bins,
                automated=auto,
                label_bins=label_bins,
                label_error=np.where(label_evidence, judged[pick], stream.shown[pick]),
                label_automated=automated[pick],
                label_evidence=label_evidence,
                label_epoch=epoch[pick],
                label_q=drawn[pick],
                known=valid & (label_evidence | ~automated[pick]) & (label_bins >= 0),
                gold=gold,
                caught=caught,
            )
        )
    return Outcome(k, *counts, warned=policy.warned, cheered=policy.cheered)


def judgements(stream: Stream, looks: int) -> Flags:
    """What the blind procedure would say of each decision: wrong or not."""
    if looks == 1:
        return stream.blind
    if looks == 2:
        return stream.blind & stream.second
    return stream.blind & (stream.second | stream.third)


def judged_rate(rate: float, looks: int) -> float:
    """How often the procedure calls an item wrong that each reviewer alone calls wrong at ``rate``."""
    return {1: rate, 2: rate**2, 3: rate * (1 - (1 - rate) ** 2)}[looks]


def _answers_of(stream: Stream, block: int, row: Ints) -> tuple[Any, Flags]:
    """Index of the decisions that are answered in this block, and which of its places are filled."""
    if stream.arrival is None or stream.arrived is None:
        now = slice(block * stream.block, (block + 1) * stream.block)
        return (slice(None), now), np.ones((stream.runs, stream.block), np.bool_)
    first, last = stream.arrived[:, block], stream.arrived[:, block + 1]
    place = first[:, None] + np.arange(max(int((last - first).max()), 1))
    at = stream.arrival[row, np.minimum(place, stream.bins.shape[1] - 1)]
    return (row, at), place < last[:, None]
