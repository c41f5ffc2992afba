"""The rule of docs/learning.md for many runs at once, written apart from the product's (its oracle)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln
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
    shown: str = "all"
    """Answers to shown recommendations feed "all" but the certificate as if they were blind, the monitors
    against a reference of their "own", or "none"."""
    audits_limit: float = 3200.0
    doubt: float = 1.0
    """The reference is raised by so many of its standard errors, and by ``margin``."""
    margin: float = 0.006
    suspicion: float = 0.0
    """From this value of a monitor on, q is at least ``suspicious_q``; 0: never."""
    hope: float = 0.0
    suspicious_q: float = 0.15
    keep_worse: float = 0.25
    keep_better: float = 0.25
    worse_q: float = 0.15
    reference_anew: bool = False
    """The reference is of labels since the restart alone."""
    move: bool = False
    """At a restart the old errors are moved by the shift of the odds that the monitor found."""
    scale_better: float = 1.0
    """After better, A starts below 0 by so much: A := -q_scale log(scale)."""
    cap: float = 0.95
    cap_after: float = 0.80
    looks: int = 2
    gold_doubt: float = 0.05
    gold_sequence: bool = False
    """Bound the catch rate by a confidence sequence at .1 delta, of which the first tests then get less."""
    every: int = 2
    """Blocks between two fits of the cap."""


IMPROVED = Design(
    q_floor=0.025,
    worse_limit=7000.0,
    audits_limit=7000.0,
    better_limit=7000.0,
    shown="own",
    doubt=1.5,
    margin=0.003,
    suspicion=3.0,
    hope=8.0,
    scale_better=2.0,
    reference_anew=True,
    move=True,
    looks=3,
)
"""What won on the tuning set at the same validity; ``notes.md`` has the formulas and what did not win."""


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
        self.shown_counts = Counts(runs)
        self._epoch_shown = np.zeros(runs, np.int64)
        self._shown_references: list[tuple[Flags, Floats, Floats]] = []
        self._base_q = np.ones(runs)
        self._cap, self._cap_after = np.full(runs, REVIEW_ALL), np.full(runs, REVIEW_ALL)
        self._before = np.full(runs, -1)
        """The certificate of the epoch before, -1 in the first epoch."""
        self._seen = np.zeros(runs, np.int64)
        self._first = np.zeros((runs, BINS), np.int64)
        self.start, self.deep = np.zeros(runs, np.int64), np.zeros(runs, np.int64)
        self.hint = np.full(runs, -1)
        """Where other keys' labels say that the order may start, if that is lower; -1: they say nothing."""
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
        use = fresh if self.design.shown == "all" else fresh & batch.label_evidence
        self.automated += batch.automated.sum(1)
        self._count_gold(batch)
        self._certify(batch, fresh & batch.label_evidence)
        self._fix_start(batch)
        self.counts.add(batch, use)
        self._epoch_labels += use.sum(1)
        if self.design.shown == "own":
            others = fresh & ~batch.label_evidence
            self.shown_counts.add(batch, others)
            self._epoch_shown += others.sum(1)
            self._watch(batch, fresh)
        else:
            self._watch(batch, use)
        if (batch.at // batch.bins.shape[1]) % self.design.every == 0:
            self._fit_cap()
        self._deploy(batch.at + batch.bins.shape[1])

    def _count_gold(self, batch: Batch) -> None:
        if self._watch_gold and batch.gold.any():
            self._gold += batch.gold
            self._caught += batch.caught
            self.catch = self._catch_rate()

    def _catch_rate(self) -> Floats:
        """Lower bound of the procedure's catch rate, in steps of .025 (few boundaries, and the safe side)."""
        x, n = self._caught, self._gold
        if not self.design.gold_sequence:
            return np.floor(beta.ppf(self.design.gold_doubt, 1 + x, 1 + n - x) * 40) / 40
        # Robbins' mixture: what it rejects at any time stays rejected, at .1 delta altogether
        rate = np.arange(1, 40) / 40
        against = betaln(1 + x, 1 + n - x)[:, None] - x[:, None] * np.log(rate)
        against -= (n - x)[:, None] * np.log1p(-rate)
        rejected = (against >= -np.log(0.1 * self.delta)) & (rate < (x / np.maximum(n, 1))[:, None])
        return np.maximum(self.catch, np.where(rejected, rate, 0.05).max(1))

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
        self.start[ready] = np.where(self.hint >= 0, np.minimum(self.start, self.hint), self.start)[ready]
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
        share = self.design.first_share - 0.1 * (self.design.gold_sequence and self._watch_gold)
        level = self.delta * (share if restarts == 0 else (1 - self.design.first_share) * 2.0**-restarts)
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
        kind = batch.label_bins.astype(np.int64)
        if self.design.shown == "own":
            kind = kind + BINS * ~batch.label_evidence
        labels = (kind, batch.label_error)
        worse = self._all.highest(*labels, use) >= self.design.worse_limit * of_all
        worse |= self._audits.highest(*labels, audits) >= self.design.audits_limit * of_audits
        better = self._fewer.highest(*labels, use) >= self.design.better_limit * of_all
        better &= ~worse
        self.warned += [(int(r), end) for r in np.flatnonzero(worse)]
        self.cheered += [(int(r), end) for r in np.flatnonzero(better)]
        if worse.any() or better.any():
            if self.design.move:
                by_audits = self._audits.now / of_audits > self._all.now / of_all
                more = np.where(by_audits, self._audits.found(), self._all.found())
                self.counts.move(worse, more)
                self.counts.move(better, -self._fewer.found())
            self._restart(worse, better, end)
        if end % REFRESH < batch.bins.shape[1]:
            self._refer()

    def _labels_per_decision(self) -> tuple[Floats, Floats]:
        """Expected labels of a decision as things stand: all, and those of automated decisions."""
        traffic = np.pad(suffix(self.counts.traffic), ((0, 0), (0, 1)))
        share = traffic[np.arange(len(self.k)), self.k] / np.maximum(traffic[:, 0], 1e-9)
        reviewed = (1 - share) * (self._base_q if self.design.shown == "none" else 1.0)
        return np.maximum(reviewed + self._base_q * share, 1e-3), np.maximum(self._base_q * share, 1e-3)

    def _refer(self) -> None:
        """Keep today's rates; watch against those of a thousand decisions ago."""
        for shown, queue, counts, labels in (
            (False, self._references, self.counts, self._epoch_labels),
            (True, self._shown_references, self.shown_counts, self._epoch_shown),
        ):
            if shown and self.design.shown != "own":
                continue
            anew = self.design.reference_anew
            behind = counts.errors.sum(1) + (0.0 if anew else counts.old_errors.sum(1))
            queue.append((labels >= FIRST_LABELS, counts.error_by_bin(since_restart=anew), behind))
            if len(queue) <= LAG // REFRESH:
                continue
            valid, rate, behind = queue.pop(0)
            doubt = self.design.doubt / np.sqrt(behind + 4)[:, None]
            high = np.minimum(0.95, rate * (1 + doubt) + self.design.margin)
            low = np.maximum(5e-4, rate * (1 - doubt) - self.design.margin)
            for monitor, rates in ((self._all, high), (self._audits, high), (self._fewer, low)):
                monitor.refer(valid, rates, shown)

    def _restart(self, worse: Flags, better: Flags, now: int) -> None:
        runs = worse | better
        self._before[runs] = self._allowed()[runs]
        self.epoch[runs] += 1
        for counts in (self.counts, self.shown_counts):
            counts.restart(worse, self.design.keep_worse)
            counts.restart(better, self.design.keep_better)
        self._epoch_shown[runs] = 0
        self._seen[runs] = 0
        self._first[runs] = 0
        self.n[runs] = self.x[runs] = 0
        self.rejected[runs] = False
        self.certified[runs] = REVIEW_ALL
        self._epoch_labels[runs] = 0
        for monitor in (self._all, self._audits, self._fewer):
            monitor.restart(runs)
        for queue in (self._references, self._shown_references):
            queue[:] = [(valid & ~runs, rate, behind) for valid, rate, behind in queue]
        self.automated[worse] = self.design.q_scale
        self._floor_until[worse] = now + 1500
        self.automated[better] = -self.design.q_scale * np.log(self.design.scale_better)
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
        q = np.maximum(q, np.where(now < self._floor_until, self.design.worse_q, 0.0))
        self._base_q = np.where(self.k >= REVIEW_ALL, 1.0, np.minimum(q, 1.0))
        look = np.zeros(len(q), np.bool_)
        if self.design.suspicion:
            look |= np.maximum(self._all.now, self._audits.now) >= self.design.suspicion
        if self.design.hope:
            look |= self._fewer.now >= self.design.hope
        self.q = np.maximum(self._base_q, np.where(look, self.design.suspicious_q, 0.0))


def _highest(fine: Flags) -> NDArray[np.int64]:
    """The highest bin where ``fine``; 0 where none is."""
    return np.where(fine.any(1), BINS - 1 - fine[:, ::-1].argmax(1), 0)
