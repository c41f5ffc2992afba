"""The certificate: which thresholds the blind evidence has shown to keep the error of automation below alpha.

The *region* k is every decision whose score lies in bin k or above. Its hypothesis "wrong in a' of cases or
more" is rejected by the exact sequential boundary, for good. Regions are tried in a fixed order, from k0
downwards, and the certified threshold is the last of the unbroken chain: a bad threshold there would need
the first true hypothesis of the order to be rejected, which happens with probability at most delta.

k0 (the highest region with a fifth of the traffic, or the share that the policy plans for small types) and
k_deep (with three fifths) come from the first scores of an epoch, without labels; counting starts after them.

a' = alpha x catch rate: of the AI's errors reviewers see only a share. Catch rates are taken in steps of
5 %, rounded down. A lower one needs more labels with every number of errors, so whoever is rejected at one
is at every higher one, and all of them together cost one delta: the catch rate may be corrected in either
direction while labels are counted. Each region remembers the lowest one at which it was rejected.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import msgspec

from app.domain.learning.bins import BINS, LOWER_EDGES, NO_BIN, REVIEW_EVERYTHING
from app.domain.learning.boundary import DEEP, SHALLOW, boundary

CATCH_STEP = 5
"""Percentage points."""

_DEEP_MASS = 0.60


class Plan(msgspec.Struct, frozen=True):
    """What is tested: error rate ``alpha``, chance ``delta`` of this epoch, planned labels of a region."""

    alpha: float
    delta: float
    planned: int


class NextStep(msgspec.Struct, frozen=True):
    """What the next lower threshold needs: ``labels`` with ``errors`` so far, of about ``needed`` if no more
    errors are found. ``needed`` is ``None`` where the planned labels can not show it any more."""

    threshold: float
    labels: int
    errors: int
    needed: int | None


class Certificate(msgspec.Struct):
    """What one epoch has shown. ``rejected`` has shape (94,): the lowest catch rate, in percent, at which a
    region was rejected, 0 for none."""

    scores: dict[int, int] = msgspec.field(default_factory=dict)
    """Scores per bin, while the order is not fixed."""
    first: int = NO_BIN
    """k0; -1 while the order is not fixed."""
    deep: int = NO_BIN
    """k_deep; -1 where less traffic than that has a bin."""
    rejected: list[int] = msgspec.field(default_factory=lambda: [0] * BINS)

    @property
    def fixed(self) -> bool:
        """Whether the order of the tests is fixed, so that labels count."""
        return self.first != NO_BIN

    def watch(self, bins: Sequence[int], enough: int, first_mass: float = 0.20) -> bool:
        """Take a tally's (bin, decisions, automated) triples; whether they fixed the order. ``first_mass`` is
        the share of the traffic in the first region.

        Examples
        --------
        >>> certificate = Certificate()
        >>> certificate.watch([70, 20, 0], 50), certificate.watch([90, 12, 0, 80, 18, 0], 50)
        (False, True)
        >>> certificate.first, certificate.deep
        (90, 80)
        """
        if self.fixed:
            return False
        for i in range(0, len(bins), 3):
            self.scores[bins[i]] = self.scores.get(bins[i], 0) + bins[i + 1]
        total = sum(self.scores.values())
        if total < enough:
            return False
        mass = 0
        self.first = 0
        for k in range(BINS - 1, -1, -1):
            before, mass = mass, mass + self.scores.get(k, 0)
            if before < first_mass * total <= mass:
                self.first = k
            if before < _DEEP_MASS * total <= mass:
                self.deep = k
        self.scores = {}
        return True

    def test(self, labels: Sequence[int], errors: Sequence[int], plan: Plan, catch: int) -> None:
        """Look at the epoch's labels and errors per bin, shape (94,), at a catch rate in percent."""
        if not self.fixed:
            return
        rate = plan.alpha * catch / 100
        shallow = boundary(rate, plan.delta, plan.planned, SHALLOW)
        deep = boundary(rate, plan.delta, plan.planned, DEEP)
        n, x = _from_the_top(labels), _from_the_top(errors)
        for k in range(self.first + 1):
            known = self.rejected[k]
            if known and known <= catch:
                continue
            enough = shallow if k > self.deep else deep
            if x[k] < len(enough) and n[k] >= enough[x[k]]:
                self.rejected[k] = catch

    def bin(self, labels: Sequence[int], catch: int) -> int | None:
        """The lowest bin of the unbroken chain that has a label of its own, ``None`` without a chain."""
        lowest = None
        for k in range(self.first, -1, -1):
            if not 0 < self.rejected[k] <= catch:
                break
            if lowest is None or labels[k]:
                lowest = k
        return lowest

    def threshold(self, labels: Sequence[int], catch: int) -> float:
        """The certified threshold: the last of the unbroken chain; 1.01 without one.

        Examples
        --------
        >>> certificate = Certificate(first=90, deep=70)
        >>> labels, errors = [0] * 94, [0] * 94
        >>> labels[91], labels[85] = 200, 30
        >>> certificate.test(labels, errors, Plan(0.02, 0.09, 1800), 100)
        >>> certificate.threshold(labels, 100), certificate.threshold(labels, 95)
        (1.01, 1.01)
        >>> labels[91] = 223
        >>> certificate.test(labels, errors, Plan(0.02, 0.09, 1800), 100)
        >>> certificate.threshold(labels, 100), certificate.threshold(labels, 95)
        (0.95, 1.01)
        """
        lowest = self.bin(labels, catch)
        return REVIEW_EVERYTHING if lowest is None else LOWER_EDGES[lowest]

    def next_step(
        self, labels: Sequence[int], errors: Sequence[int], plan: Plan, catch: int
    ) -> NextStep | None:
        """What is missing for the next lower threshold; ``None`` when there is none."""
        lowest = self.bin(labels, catch)
        k = self.first if lowest is None else lowest - 1
        if lowest is not None:
            # a bin without labels has nothing to say: the step is to the next one that has
            while k > 0 and not labels[k]:
                k -= 1
        if k < 0:
            return None if self.fixed else NextStep(REVIEW_EVERYTHING, 0, 0, self.fewest(plan, catch))
        enough = boundary(plan.alpha * catch / 100, plan.delta, plan.planned, self._shape(k))
        n, x = sum(labels[k:]), sum(errors[k:])
        return NextStep(LOWER_EDGES[k], n, x, enough[x] if x < len(enough) else None)

    def fewest(self, plan: Plan, catch: int) -> int | None:
        """Labels, all without an error, below which nothing is ever certified."""
        enough = boundary(plan.alpha * catch / 100, plan.delta, plan.planned, SHALLOW)
        return enough[0] if enough else None

    def _shape(self, k: int) -> float:
        return SHALLOW if k > self.deep else DEEP


def catch_percent(share: float) -> int:
    """A catch rate in whole steps of 5 %, rounded down, at least 5 %.

    >>> catch_percent(0.8), catch_percent(0.849), catch_percent(1.0), catch_percent(0.01)
    (80, 80, 100, 5)
    """
    return max(CATCH_STEP, int(share * 100 / CATCH_STEP + 1e-9) * CATCH_STEP)


def _from_the_top(counts: Sequence[int]) -> list[int]:
    return list(accumulate(reversed(counts)))[::-1]
