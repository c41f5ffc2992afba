"""What others do, with the same audits: each sees only the labels that its own routing revealed.

All but the oracle draw 5 % of the automated decisions as blind audits, as the rule does in the mean, and
take the answers to reviewed decisions as labels. A blind finding is
confirmed by a second look, as the rule's is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import beta

from bench.learning.estimates import lowest, suffix
from bench.learning.replay import Batch, Flags, Ints
from bench.learning.streams import BINS, EDGES, REVIEW_ALL, Floats, Stream

AUDITS = 0.05
WARM_UP = 200
"""Labels before a learning baseline automates anything."""
POINT_NINE = int(np.searchsorted(EDGES, 0.9))


class Baseline:
    """No memory, one threshold: automate from .9 up, always. The .7/.9 bands automate the same decisions;
    they differ in who looks at the rest."""

    looks = 2

    def __init__(self, runs: int, alpha: float, delta: float, stream: Stream) -> None:
        self.alpha, self.delta = alpha, delta
        self.k: Ints = np.full(runs, POINT_NINE)
        self.q: Floats = np.full(runs, AUDITS)
        self.epoch = np.zeros(runs, np.int16)
        self.warned: list[tuple[int, int]] = []
        self.cheered: list[tuple[int, int]] = []
        self._truth = stream.truth()

    def learn(self, batch: Batch) -> None:
        """Nothing is learned."""


class Steps(Baseline):
    """Observed error of the last 100 audits above alpha: one bin up; below: one bin down."""

    def __init__(self, runs: int, alpha: float, delta: float, stream: Stream) -> None:
        super().__init__(runs, alpha, delta, stream)
        self._audits, self._errors = np.zeros(runs), np.zeros(runs)

    def learn(self, batch: Batch) -> None:
        audits = batch.known & batch.label_automated
        fade = 0.99 ** audits.sum(1)
        self._audits = self._audits * fade + audits.sum(1)
        self._errors = self._errors * fade + (audits & batch.label_error).sum(1)
        if batch.at // 25 % 8 == 0:
            rate = self._errors / np.maximum(self._audits, 1)
            step = np.where(rate > self.alpha, 1, -1) * (self._audits >= 20)
            # where nothing is automated, nothing is audited: it tries again
            step = np.where(self.k >= BINS, -1, step)
            self.k = np.clip(self.k + step, 0, REVIEW_ALL)


class OnlineGradient(Baseline):
    """ACI (Gibbs and Candes 2021) on the threshold's place in the traffic, audits weighted by 1/q."""

    rate = 0.003

    def __init__(self, runs: int, alpha: float, delta: float, stream: Stream) -> None:
        super().__init__(runs, alpha, delta, stream)
        self._place = self.k.astype(float)

    def learn(self, batch: Batch) -> None:
        audits = batch.known & batch.label_automated & batch.label_evidence
        weighted = (np.where(audits, batch.label_error / np.maximum(batch.label_q, 1e-9), 0.0)).sum(1)
        excess = weighted - self.alpha * batch.automated.sum(1)
        stuck = (~batch.automated).all(1) * self.alpha * batch.bins.shape[1]
        self._place = np.clip(self._place + self.rate * BINS * (excess - stuck) / 2, 0, REVIEW_ALL)
        self.k = np.ceil(self._place).astype(np.int64)


class _Counting(Baseline):
    """Starts with people, then the lowest threshold that its labels so far seem to allow."""

    def __init__(self, runs: int, alpha: float, delta: float, stream: Stream) -> None:
        super().__init__(runs, alpha, delta, stream)
        self.k = np.full(runs, REVIEW_ALL)
        self._labels, self._errors = np.zeros((runs, BINS)), np.zeros((runs, BINS))
        self._seen = np.zeros(runs)

    def learn(self, batch: Batch) -> None:
        use = self._usable(batch)
        weight = np.where(batch.label_automated, 1 / AUDITS, 1.0) if self._weighted else np.ones(use.shape)
        self._labels += _weigh(batch.label_bins, use, weight)
        self._errors += _weigh(batch.label_bins, use & batch.label_error, weight)
        self._seen += use.sum(1)
        fine = self._allowed(suffix(self._labels), suffix(self._errors))
        self.k = np.where(self._seen >= WARM_UP, lowest(fine), REVIEW_ALL)
        self.q = np.where(self.k >= REVIEW_ALL, 1.0, AUDITS)

    _weighted = True

    def _usable(self, batch: Batch) -> Flags:
        return batch.known

    def _allowed(self, labels: Floats, errors: Floats) -> Flags:
        raise NotImplementedError


class PlugIn(_Counting):
    """Horvitz-Thompson: the weighted error rate of the labels so far is at most alpha."""

    def _allowed(self, labels: Floats, errors: Floats) -> Flags:
        return (labels >= 50) & (errors <= self.alpha * labels)


class ClopperPearson(_Counting):
    """The exact upper bound (confidence 1 - delta) of the evidence labels, looked at again and again."""

    _weighted = False

    def _usable(self, batch: Batch) -> Flags:
        return batch.known & batch.label_evidence

    def _allowed(self, labels: Floats, errors: Floats) -> Flags:
        # the bound is at most alpha exactly where P(Bin(n, alpha) <= x) <= delta
        return (beta.cdf(1 - self.alpha, labels - errors, errors + 1) <= self.delta) & (labels > errors)


class Oracle(Baseline):
    """Knows the true error of every threshold at every moment."""

    def __init__(self, runs: int, alpha: float, delta: float, stream: Stream) -> None:
        super().__init__(runs, alpha, delta, stream)
        self.k = np.full(runs, self._best(0))
        self.q = np.zeros(runs)

    def learn(self, batch: Batch) -> None:
        following = min(batch.at // batch.bins.shape[1] + 1, len(self._truth) - 1)
        self.k = np.full(len(self.k), self._best(following))

    def _best(self, block: int) -> int:
        fine = self._truth[block] <= self.alpha
        return int(fine.argmax())


def _weigh(bins: np.ndarray, use: Flags, weight: Floats) -> Floats:
    runs = len(bins)
    flat = (np.arange(runs)[:, None] * BINS + bins)[use]
    return np.bincount(flat, weight[use], minlength=runs * BINS).reshape(runs, BINS)


BASELINES: dict[str, Callable[[int, float, float, Stream], Baseline]] = {
    "static .9, and .7/.9 bands": Baseline,
    "step rule": Steps,
    "ACI, inverse weights": OnlineGradient,
    "plug-in Horvitz-Thompson": PlugIn,
    "Clopper-Pearson, repeated": ClopperPearson,
    "oracle": Oracle,
}
