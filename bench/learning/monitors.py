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
        self._ratio = np.zeros((runs, BINS, 2, len(shifts)))

    def refer(self, runs: Flags, rate: Floats) -> None:
        """From now on errors of bin b are expected at ``rate`` (shape (runs, 94)) in these runs."""
        rate = rate[runs]
        odds = np.log(rate / (1 - rate))[..., None] + self.sign * self.shifts
        shifted = 1 / (1 + np.exp(-odds))
        ratio = np.stack([(1 - shifted) / (1 - rate[..., None]), shifted / rate[..., None]], 2)
        self._ratio[runs] = np.log(ratio)

    def restart(self, runs: Flags) -> None:
        """Forget everything; without a reference nothing is learned."""
        self.log[runs] = 0.0
        self._ratio[runs] = 0.0

    def highest(self, bins: np.ndarray, error: Flags, use: Flags) -> Floats:
        """Take in labels in order (shape (runs, labels)); the largest mean of M on the way."""
        if not use.any():
            return np.zeros(len(bins))
        row = np.arange(len(bins))[:, None]
        steps = np.where(use[..., None], self._ratio[row, bins, error.astype(np.int8)], 0.0)
        total = np.cumsum(steps, 1)
        start = np.maximum(self.log, 0.0)[:, None]
        # L_t = l_t + max(L_{t-1}, 0): the best start is the one before, or any label since
        best = np.maximum.accumulate(np.concatenate([start, -total[:, :-1]], 1), 1)
        path = total + best
        self.log = path[:, -1]
        return np.exp(path).mean(2).max(1)
