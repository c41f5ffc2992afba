"""Decayed counts of all runs at once, the Platt fit through them and the fast cap's expected errors."""

from __future__ import annotations

import numpy as np

from bench.learning.replay import Batch, Flags, Ints
from bench.learning.streams import BINS, LOGITS, REVIEW_ALL, Floats

HALF_LIFE, RIDGE, PRIOR_LABELS = 4000.0, 10.0, 50.0


class Counts:
    """Traffic, labels and errors per bin, shape (runs, 94); half after 4000 decisions."""

    def __init__(self, runs: int) -> None:
        self.traffic = np.zeros((runs, BINS))
        self.labels = np.zeros((runs, BINS))
        self.errors = np.zeros((runs, BINS))
        self._platt = np.tile([1.0, 0.0], (runs, 1))

    def add(self, batch: Batch, use: Flags) -> None:
        """Count a block's decisions, and the labels in the places ``use``."""
        fade = 0.5 ** (batch.bins.shape[1] / HALF_LIFE)
        self.traffic = self.traffic * fade + tally(batch.bins, batch.bins >= 0)
        self.labels = self.labels * fade + tally(batch.label_bins, use)
        self.errors = self.errors * fade + tally(batch.label_bins, use & batch.label_error)

    def restart(self, runs: Flags, keep: float = 0.25) -> None:
        """Labels of before count for less."""
        self.labels[runs] *= keep
        self.errors[runs] *= keep

    def error_by_bin(self) -> Floats:
        """p_b, observed errors shrunk to the Platt fit; shape (runs, 94)."""
        expected = 1 - _sigmoid(self._fit() @ np.stack([LOGITS, np.ones(BINS)]))
        return (self.errors + PRIOR_LABELS * expected) / (self.labels + PRIOR_LABELS)

    def region_errors(self, error: Floats) -> Floats:
        """Expected error of automating from bin k up; infinite where nothing came."""
        mass = suffix(self.traffic)
        nothing = np.full_like(mass, np.inf)
        return np.divide(suffix(self.traffic * error), mass, out=nothing, where=mass > 1e-9)

    def _fit(self) -> Floats:
        """Newton's method from the last fit; the loss is strictly convex and changes little each time."""
        right = self.labels - self.errors
        theta = self._platt
        for _ in range(4):
            p = _sigmoid(theta @ np.stack([LOGITS, np.ones(BINS)]))
            residual, curve = self.labels * p - right, self.labels * p * (1 - p)
            g0 = residual @ LOGITS + RIDGE * (theta[:, 0] - 1)
            g1 = residual.sum(1) + RIDGE * theta[:, 1]
            h00, h01, h11 = curve @ LOGITS**2 + RIDGE, curve @ LOGITS, curve.sum(1) + RIDGE
            determinant = h00 * h11 - h01**2
            step = np.stack([h11 * g0 - h01 * g1, h00 * g1 - h01 * g0], 1) / determinant[:, None]
            theta = theta - np.clip(step, -1.0, 1.0)
            if np.abs(step).max() < 1e-7:
                break
        self._platt = theta
        return theta


def tally(bins: np.ndarray, use: Flags) -> Ints:
    """How often each bin stands in the places ``use``, shape (runs, 94)."""
    runs = len(bins)
    flat = (np.arange(runs)[:, None] * BINS + bins)[use]
    return np.bincount(flat, minlength=runs * BINS).reshape(runs, BINS)


def suffix(counts: np.ndarray) -> np.ndarray:
    """Sums from bin k up."""
    return np.cumsum(counts[:, ::-1], 1)[:, ::-1]


def lowest(fine: Flags) -> Ints:
    """The lowest bin where ``fine``; "review all" where none is."""
    return np.where(fine.any(1), fine.argmax(1), REVIEW_ALL)


def _sigmoid(z: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(z, -30, 30)))
