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
        self.old_labels, self.old_errors = np.zeros((runs, BINS)), np.zeros((runs, BINS))
        """What is kept from before the last restart."""
        self._platt = np.tile([1.0, 0.0], (2, runs, 1))

    def add(self, batch: Batch, use: Flags) -> None:
        """Count a block's decisions, and the labels in the places ``use``."""
        fade = 0.5 ** (batch.bins.shape[1] / HALF_LIFE)
        self.traffic = self.traffic * fade + tally(batch.bins, batch.bins >= 0)
        self.labels = self.labels * fade + tally(batch.label_bins, use)
        self.errors = self.errors * fade + tally(batch.label_bins, use & batch.label_error)
        self.old_labels *= fade
        self.old_errors *= fade

    def restart(self, runs: Flags, keep: float) -> None:
        """Labels of before count for less, and apart."""
        self.old_labels[runs] = keep * (self.labels + self.old_labels)[runs]
        self.old_errors[runs] = keep * (self.errors + self.old_errors)[runs]
        self.labels[runs] = self.errors[runs] = 0.0

    def move(self, runs: Flags, log_odds: Floats) -> None:
        """Errors as they would be expected, had their odds been shifted by so much (shape (runs,))."""
        rate = self.error_by_bin()[runs]
        moved = _sigmoid(np.log(rate / (1 - rate)) + log_odds[runs, None])
        self.errors[runs] = self.labels[runs] * moved
        self.old_errors[runs] = self.old_labels[runs] * moved

    def error_by_bin(self, since_restart: bool = False) -> Floats:
        """p_b, observed errors shrunk to the Platt fit; shape (runs, 94)."""
        labels, errors = self.labels, self.errors
        if not since_restart:
            labels, errors = labels + self.old_labels, errors + self.old_errors
        platt = self._platt[int(since_restart)] = _fit(self._platt[int(since_restart)], labels, errors)
        expected = 1 - _sigmoid(platt @ np.stack([LOGITS, np.ones(BINS)]))
        return (errors + PRIOR_LABELS * expected) / (labels + PRIOR_LABELS)

    def region_errors(self, error: Floats) -> Floats:
        """Expected error of automating from bin k up; infinite where nothing came."""
        mass = suffix(self.traffic)
        nothing = np.full_like(mass, np.inf)
        return np.divide(suffix(self.traffic * error), mass, out=nothing, where=mass > 1e-9)


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


def _fit(theta: Floats, labels: Floats, errors: Floats) -> Floats:
    """Newton's method from the last fit; the loss is strictly convex and changes little each time."""
    right = labels - errors
    for _ in range(4):
        p = _sigmoid(theta @ np.stack([LOGITS, np.ones(BINS)]))
        residual, curve = labels * p - right, labels * p * (1 - p)
        g0 = residual @ LOGITS + RIDGE * (theta[:, 0] - 1)
        g1 = residual.sum(1) + RIDGE * theta[:, 1]
        h00, h01, h11 = curve @ LOGITS**2 + RIDGE, curve @ LOGITS, curve.sum(1) + RIDGE
        determinant = h00 * h11 - h01**2
        step = np.stack([h11 * g0 - h01 * g1, h00 * g1 - h01 * g0], 1) / determinant[:, None]
        theta = theta - np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-7:
            break
    return theta


def _sigmoid(z: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(z, -30, 30)))
