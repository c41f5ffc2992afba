"""Why a threshold changed, in sentences that a manager understands."""

from __future__ import annotations

import msgspec

from app.domain.learning.bins import BINS, bin_of
from app.domain.learning.evidence_counts import EvidenceCounts
from app.domain.learning.in_force import InForce


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the evidence: what was in force, what is now, and the numbers behind it.

    ``labels`` and ``errors`` are the epoch's blind checks from the policy's own threshold up, ``curve``
    the expected error of automating from each bin up; above ``tolerated`` the threshold is tightened.
    """

    before: InForce
    after: InForce
    evidence: EvidenceCounts
    curve: list[float | None]
    alpha: float
    tolerated: float
    labels: int
    errors: int
    needed: int

    def reason(self) -> str:
        """The sentence for the most important thing that changed."""
        before, after = self.before, self.after
        if not after.enough:
            return (
                f"Not enough evidence: {self.labels} of about {self.needed} blind checks from "
                f"{number(after.own)} up. The policy's own threshold {number(after.own)} applies."
            )
        if before.version and before.own == after.own:
            if before.threshold != after.threshold:
                return self._moved()
            if before.enough:
                return self._drawn()
        if after.threshold > 1:
            return f"Everything is reviewed. {self._judged()}"
        source = "The policy's own threshold" if after.cap == 0 else "The tightened threshold"
        return (
            f"{self._judged()} {self._expected(after.threshold)} {source} {number(after.threshold)} applies."
        )

    def _moved(self) -> str:
        old, new = self.before.threshold, self.after.threshold
        if new > 1:
            return (
                f"Everything is reviewed from now on. {self._judged()} No threshold from "
                f"{number(self.after.own)} up is expected to keep the error of automation within the "
                f"{percent(self.alpha)} allowed."
            )
        if new > old:
            checks, wrong = self.evidence.between(old, new)
            share = f" ({percent(wrong / checks)})" if checks else ""
            return (
                f"Tightened from {number(old)} to {number(new)}: of {checks} blind checks between them "
                f"{wrong} found the AI wrong{share}. {self._expected(old)} {self._expected(new)}"
            )
        verb = "Relaxed to the policy's own threshold" if self.after.cap == 0 else "Relaxed"
        origin = "review of everything" if old > 1 else number(old)
        return f"{verb} from {origin} to {number(new)}. {self._judged()} {self._expected(new)}"

    def _drawn(self) -> str:
        return (
            f"{percent(self.after.evidence_probability)} of decisions are drawn for a blind check from now "
            f"on ({percent(self.before.evidence_probability)} before): "
            f"{self.evidence.automated} were automated so far. The threshold stays at "
            f"{number(self.after.threshold)}."
        )

    def _judged(self) -> str:
        checked = f"Of {self.labels} blind checks from {number(self.after.own)} up"
        return f"{checked} {self.errors} found the AI wrong."

    def _expected(self, threshold: float) -> str:
        first = bin_of(max(threshold, 0.5)) if threshold <= 1 else BINS
        expected = self.curve[first] if first < BINS else None
        if expected is None:
            return f"No recent decision reached {number(threshold)}."
        side = "within"
        if expected > self.tolerated:
            side = "more than" if expected > self.alpha else "too close to"
        return (
            f"Automating from {number(threshold)} up is expected to be wrong in {percent(expected)} of "
            f"cases, {side} the {percent(self.alpha)} allowed."
        )


def number(threshold: float) -> str:
    """A threshold as people read it.

    >>> number(0.9), number(0.9925)
    ('0.90', '0.9925')
    """
    text = f"{threshold:.4f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


def percent(share: float) -> str:
    """A share as people read it.

    >>> percent(0.03), percent(0.0345), percent(0.00312)
    ('3 %', '3.5 %', '0.31 %')
    """
    return f"{share * 100:.2g} %" if share < 0.0995 else f"{share * 100:.0f} %"
