"""The rule of docs/learning.md for many runs at once, written apart from the product's (its oracle)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from bench.learning.boundaries import NEVER, boundary
from bench.learning.estimates import Counts, lowest, suffix, tally
from bench.learning.monitors import Monitor
from bench.learning.replay import Batch, Flags, Ints
from bench.learning.streams import BINS, REVIEW_ALL, Floats

FIRST_SCORES = 50
LAG, REFRESH, FIRST_LABELS = 1000, 500, 400


@dataclass(frozen=True)
class Design:
    """What may be tuned. The defaults are the rule as it is written down."""

    q_floor: float = 0.03
    q_more: float = 1.0
    q_scale: float = 500.0
    start_mass: float = 0.20
    deep_mass: float = 0.60
    shallow: float = 0.25
    deep: float = 1.0
    first_share: float = 0.9
    """Share of delta for the first tests; the j-th restart gets (1 - share) 2^-j of it."""
    worse_limit: float = 3200.0
    better_limit: float = 3000.0
    shown_labels: bool = True
    """Do answers to shown recommendations feed cap and monitors? The certificate never takes them."""
    cap: float = 0.95
    cap_after: float = 0.80
    looks: int = 2
    gold_doubt: float = 0.05
    every: int = 2
    """Blocks between two fits of the cap."""


class Rule:
    """All runs of one scenario; see :class:`bench.learning.replay.Policy`."""

    def __init__(self, runs: int, alpha: float, delta: float, gold: bool, design: Design) -> None:
        self.design, self.alpha, self.delta = design, alpha, delta
        self.looks = design.looks
        self.k = np.full(runs, REVIEW_ALL)
        self.q = np.ones(runs)
        self.epoch = np.zeros(runs, np.int16)
        self.warned: list[tuple[int, int]] = []
        self.cheered: list[tuple[int, int]] = []
        self.automated = np.zeros(runs)
        self._floor_until = np.full(runs, -1)
        self._watch_gold = gold
        self._gold, self._caught = np.zeros(runs, np.int64), np.zeros(runs, np.int64)
        self.catch = np.full(runs, 0.05 if gold else 1.0)
        self.counts = Counts(runs)
        self._cap, self._cap_after = np.full(runs, REVIEW_ALL), np.full(runs, REVIEW_ALL)
        self._before = np.full(runs, -1)
        """The certificate of the epoch before, -1 in the first epoch."""
        self._seen = np.zeros(runs, np.int64)
        self._first = np.zeros((runs, BINS), np.int64)
        self.start, self.deep = np.zeros(runs, np.int64), np.zeros(runs, np.int64)
        self.n, self.x = np.zeros((runs, BINS), np.int64), np.zeros((runs, BINS), np.int64)
        self.rejected = np.zeros((runs, BINS), np.bool_)
        self.certified = np.full(runs, REVIEW_ALL)
        self._all = Monitor(runs, 1.0)
        self._audits = Monitor(runs, 1.0)
        self._fewer = Monitor(runs, -1.0)
        self._epoch_labels = np.zeros(runs, np.int64)
        self._references: list[tuple[Flags, Floats, Floats]] = []
        self._tables: dict[tuple[float, int], int] = {}
        self._limits = np.zeros((0, 2, 1), np.int64)

    def learn(self, batch: Batch) -> None:
        """Certificate, cap, monitors, restarts; then the threshold and the share for the next block."""
        fresh = batch.known & (batch.label_epoch == self.epoch[:, None])
        use = fresh if self.design.shown_labels else fresh & batch.label_evidence
        self.automated += batch.automated.sum(1)
        self._count_gold(batch)
        self._certify(batch, fresh & batch.label_evidence)
        self._fix_start(batch)
        self.counts.add(batch, use)
        self._epoch_labels += use.sum(1)
        self._watch(batch, use)
        if (batch.at // batch.bins.shape[1]) % self.design.every == 0:
            self._fit_cap()
        self._deploy(batch.at + batch.bins.shape[1])

    def _count_gold(self, batch: Batch) -> None:
        if self._watch_gold and batch.gold.any():
            self._gold += batch.gold
            self._caught += batch.caught
            low = beta.ppf(self.design.gold_doubt, 1 + self._caught, 1 + self._gold - self._caught)
            self.catch = np.floor(low * 40) / 40  # few boundaries to compute, and on the safe side

    def _fix_start(self, batch: Batch) -> None:
        """The two places of the fixed order, from the first 50 scores of the epoch."""
        open_ = self._seen < FIRST_SCORES
        if not open_.any():
            return
        self._first[open_] += tally(batch.bins, batch.bins >= 0)[open_]
        self._seen[open_] += batch.bins.shape[1]
        ready = open_ & (self._seen >= FIRST_SCORES)
        mass = suffix(self._first) / np.maximum(self._seen, 1)[:, None]
        self.start[ready] = _highest(mass >= self.design.start_mass)[ready]
        self.deep[ready] = _highest(mass >= self.design.deep_mass)[ready]

    def _certify(self, batch: Batch, use: Flags) -> None:
        count = use & (self._seen >= FIRST_SCORES)[:, None]
        self.n += suffix(tally(batch.label_bins, count))
        self.x += suffix(tally(batch.label_bins, count & batch.label_error))
        table = self._table()
        shape = (np.arange(BINS) <= self.deep[:, None]).astype(np.int64)
        errors = np.minimum(self.x, self._limits.shape[2] - 1)
        self.rejected |= self.n >= self._limits[table[:, None], shape, errors]
        below = np.arange(BINS) <= self.start[:, None]
        chain = np.logical_and.accumulate((self.rejected | ~below)[:, ::-1], 1)[:, ::-1]
        self.certified = np.where(self._seen >= FIRST_SCORES, lowest(chain & below), REVIEW_ALL)

    def _table(self) -> Ints:
        """Index of each run's boundary, by the reviewers' catch rate and the number of restarts."""
        found = np.empty(len(self.k), np.int64)
        for key in {(float(c), int(e)) for c, e in zip(self.catch, self.epoch, strict=True)}:
            if key not in self._tables:
                self._tables[key] = self._add(*key)
            found[(self.catch == key[0]) & (self.epoch == key[1])] = self._tables[key]
        return found

    def _add(self, catch: float, restarts: int) -> int:
        share = self.design.first_share
        level = self.delta * (share if restarts == 0 else (1 - share) * 2.0**-restarts)
        rate = self.alpha * catch
        rhos = (self.design.shallow, self.design.deep) if catch > 0.2 else ()
        rows = [boundary(rate, level, rho) for rho in rhos] or [(), ()]
        width = max(len(rows[0]), len(rows[1]), self._limits.shape[2] - 1) + 1
        grown = np.full((len(self._limits) + 1, 2, width), NEVER)
        grown[:-1, :, : self._limits.shape[2]] = self._limits
        for shape, row in enumerate(rows):
            grown[-1, shape, : len(row)] = row
        self._limits = grown
        return len(grown) - 1

    def _watch(self, batch: Batch, use: Flags) -> None:
        end = batch.at + batch.bins.shape[1]
        audits = use & batch.label_evidence & batch.label_automated
        of_all, of_audits = self._labels_per_decision()
        labels = (batch.label_bins, batch.label_error)
        worse = self._all.highest(*labels, use) >= self.design.worse_limit * of_all
        worse |= self._audits.highest(*labels, audits) >= self.design.worse_limit * of_audits
        better = self._fewer.highest(*labels, use) >= self.design.better_limit * of_all
        better &= ~worse
        self.warned += [(int(r), end) for r in np.flatnonzero(worse)]
        self.cheered += [(int(r), end) for r in np.flatnonzero(better)]
        if worse.any() or better.any():
            self._restart(worse, better, end)
        if end % REFRESH < batch.bins.shape[1]:
            self._refer()

    def _labels_per_decision(self) -> tuple[Floats, Floats]:
        """Expected labels of a decision as things stand: all, and those of automated decisions."""
        traffic = np.pad(suffix(self.counts.traffic), ((0, 0), (0, 1)))
        share = traffic[np.arange(len(self.k)), self.k] / np.maximum(traffic[:, 0], 1e-9)
        reviewed = (1 - share) * (1.0 if self.design.shown_labels else self.q)
        return np.maximum(reviewed + self.q * share, 1e-3), np.maximum(self.q * share, 1e-3)

    def _refer(self) -> None:
        """Keep today's rates; watch against those of a thousand decisions ago."""
        behind = self.counts.errors.sum(1)
        self._references.append((self._epoch_labels >= FIRST_LABELS, self.counts.error_by_bin(), behind))
        if len(self._references) <= LAG // REFRESH:
            return
        valid, rate, behind = self._references.pop(0)
        doubt = 1 / np.sqrt(behind + 4)[:, None]
        high = np.minimum(0.95, rate * (1 + doubt) + 0.006)
        low = np.maximum(5e-4, rate * (1 - doubt) - 0.006)
        self._all.refer(valid, high)
        self._audits.refer(valid, high)
        self._fewer.refer(valid, low)

    def _restart(self, worse: Flags, better: Flags, now: int) -> None:
        runs = worse | better
        self._before[runs] = self._allowed()[runs]
        self.epoch[runs] += 1
        self.counts.restart(runs)
        self._seen[runs] = 0
        self._first[runs] = 0
        self.n[runs] = self.x[runs] = 0
        self.rejected[runs] = False
        self.certified[runs] = REVIEW_ALL
        self._epoch_labels[runs] = 0
        for monitor in (self._all, self._audits, self._fewer):
            monitor.restart(runs)
        self._references = [(valid & ~runs, rate, behind) for valid, rate, behind in self._references]
        self.automated[worse] = self.design.q_scale
        self._floor_until[worse] = now + 1500
        self.automated[better] = 0.0
        self._fit_cap()

    def _fit_cap(self) -> None:
        expected = self.counts.region_errors(self.counts.error_by_bin())
        limit = (self.alpha * self.catch)[:, None]
        self._cap = lowest(expected <= self.design.cap * limit)
        self._cap_after = lowest(expected <= self.design.cap_after * limit)

    def _allowed(self) -> Ints:
        """The certificate's word: after a restart the old one still holds, a little further from the cap."""
        old = np.maximum(self._before, self._cap_after)
        return np.where(self._before < 0, self.certified, np.minimum(self.certified, old))

    def _deploy(self, now: int) -> None:
        self.k = np.maximum(self._cap, self._allowed())
        self.k = np.where((self._cap > self.start) & (self._seen >= FIRST_SCORES), REVIEW_ALL, self.k)
        q = self.design.q_floor + self.design.q_more * np.exp(-self.automated / self.design.q_scale)
        q = np.maximum(q, np.where(now < self._floor_until, 0.15, 0.0))
        self.q = np.where(self.k >= REVIEW_ALL, 1.0, np.minimum(q, 1.0))


def _highest(fine: Flags) -> NDArray[np.int64]:
    """The highest bin where ``fine``; 0 where none is."""
    return np.where(fine.any(1), BINS - 1 - fine[:, ::-1].argmax(1), 0)
