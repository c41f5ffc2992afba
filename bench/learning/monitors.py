"""Likelihood-ratio e-CUSUMs over the labels of all runs, for errors that become more or fewer."""

from __future__ import annotations

import numpy as np

from bench.learning.replay import Flags
from bench.learning.streams import BINS, Floats

SHIFTS = np.array([0.4, 0.8, 1.3, 2.0])


class Monitor:
    """M_s <- max(M_s, 1) LR_s(label) for each shift s of the reference's log-odds; alarms on their mean."""

    def __init__(self, runs: int, sign: float, shifts: Floats = SHIFTS) -> None:
        self.sign = sign
        self.shifts = shifts
        self.log = np.zeros((runs, len(shifts)))
        self.now = np.zeros(runs)
        self._ratio = np.zeros((runs, 2 * BINS, 2, len(shifts)))
        """Of blind labels, and of those where the reviewer saw the recommendation: (runs, 188, 2, shifts)."""

    def refer(self, runs: Flags, rate: Floats, shown: bool = False) -> None:
        """From now on errors of bin b are expected at ``rate`` (shape (runs, 94)) in these runs."""
        rate = rate[runs]
        odds = np.log(rate / (1 - rate))[..., None] + self.sign * self.shifts
        shifted = 1 / (1 + np.exp(-odds))
        ratio = np.stack([(1 - shifted) / (1 - rate[..., None]), shifted / rate[..., None]], 2)
        self._ratio[runs, BINS * shown : BINS * (1 + shown)] = np.log(ratio)

    def restart(self, runs: Flags) -> None:
        """Forget everything; without a reference nothing is learned."""
        self.log[runs] = 0.0
        self.now[runs] = 0.0
        self._ratio[runs] = 0.0

    def found(self) -> Floats:
        """The shift in log-odds that the labels speak for: mean over the shifts by their M, shape (runs,)."""
        weight = np.exp(self.log - self.log.max(1, keepdims=True))
        return (weight @ self.shifts) / weight.sum(1)

    def highest(self, bins: np.ndarray, error: Flags, use: Flags) -> Floats:
        """Take in labels in order (shape (runs, labels)); the largest mean of M on the way."""
        if not use.any():
            return np.zeros(len(bins))
        row = np.arange(len(bins))[:, None]
        first = np.argsort(~use, 1, kind="stable")[:, : int(use.sum(1).max())]  # labels, then gaps
        bins, error, use = bins[row, first], error[row, first], use[row, first]
        places = (np.arange(len(bins)), bins.T, error.T.astype(np.int8))
        steps = np.where(use.T[..., None], self._ratio[places], 0.0)  # a gap changes nothing
        best = np.zeros(len(bins))
        for step in steps:
            self.log = np.maximum(self.log, 0.0) + step
            self.now = np.exp(self.log).mean(1)
            best = np.maximum(best, self.now)
        return best
