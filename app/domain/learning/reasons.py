"""Why a threshold changed, in sentences that a manager understands."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from app.domain.learning.bins import BINS, bin_of
from app.domain.learning.certificate import NextStep
from app.domain.learning.evidence_counts import EvidenceCounts
from app.domain.learning.in_force import InForce
from app.domain.learning.terms import LearningTerms
from app.domain.words import count


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the evidence: what was in force, what is now, and the numbers behind it.

    ``curve`` gives the expected error of automating from each bin up, ``catch`` the catch rate in percent,
    ``gold`` caught and answered gold items, ``step`` what the next lower threshold needs, ``cause`` what
    happened besides evidence.
    """

    before: InForce
    after: InForce
    evidence: EvidenceCounts
    curve: Callable[[], Sequence[float | None]]
    terms: LearningTerms
    catch: int
    gold: tuple[int, int]
    step: NextStep | None
    suspicious: bool = False
    """More is checked, since a monitor may be about to call."""
    cause: str = ""

    @property
    def behind(self) -> tuple[int, int]:
        """Blind checks and errors from the threshold in force up; of the next step where there is none."""
        if self.after.threshold <= 1:
            return self.evidence.from_threshold(self.after.threshold)
        return (self.step.labels, self.step.errors) if self.step else (0, 0)

    @property
    def missing(self) -> int:
        """Blind checks without an error that the next lower threshold still needs; 0 if none will do."""
        if self.step is None or self.step.needed is None:
            return 0
        return max(0, self.step.needed - self.step.labels)

    def reason(self) -> str:
        """The most important thing that changed, and what it rests on."""
        said = [self.cause, self._said(), self._canary(), self._awaiting(), self._assumed()]
        return " ".join(sentence for sentence in said if sentence)

    def _said(self) -> str:
        before, after = self.before, self.after
        old, new = (before.canary if before.version else 1.01), after.canary
        if new > 1:
            if old <= 1:
                return f"People decide everything from now on. {self._judged(old)} {self._progress()}"
            return f"People decide everything. {self._progress()}"
        if after.certified > 1 and after.own <= 1:
            return self._own(old, new)
        if new != old:
            return self._widened(old, new) if new < old else self._tightened(old, new)
        if before.evidence_probability != after.evidence_probability:
            return self._drawn()
        return f"Automation stays at {number(new)}. {self._judged(new)}"

    def _own(self, old: float, new: float) -> str:
        """On the policy's own threshold, without a guarantee."""
        if self.before.version and self.before.own == self.after.own and old != new:
            if new > old:
                return self._tightened(old, new)
            origin = "review of everything" if old > 1 else number(old)
            return f"Relaxed from {origin} to {number(new)}. {self._judged(new)} {self._expected(new)}"
        if self.before.version and self.before.evidence_probability != self.after.evidence_probability:
            return self._drawn()
        return (
            f"The policy's own threshold {number(self.after.own)} applies, without a guarantee. "
            f"{self._judged(new)} {self._progress()}"
        )

    def _widened(self, old: float, new: float) -> str:
        checks, wrong = self.evidence.from_threshold(new)
        start = f"Automation begins at {number(new)}"
        if old <= 1:
            start = f"Automation widened from {number(old)} to {number(new)}"
        if new > self.after.certified:
            return f"{start}: recent checks allow it again. {self._expected(new)}"
        sure = percent(1 - self.terms.delta)
        return (
            f"{start}: {counted(checks, 'blind check')}, {counted(wrong, 'error')}; with {sure} certainty "
            f"fewer than {percent(self.terms.alpha)} wrong."
        )

    def _tightened(self, old: float, new: float) -> str:
        checks, wrong = self.evidence.between(old, new)
        share = f" ({percent(wrong / checks)})" if checks else ""
        return (
            f"Tightened from {number(old)} to {number(new)}: of {counted(checks, 'blind check')} between "
            f"them {count(wrong)} found the AI wrong{share}. {self._expected(old)} {self._expected(new)}"
        )

    def _drawn(self) -> str:
        if self.suspicious:
            return (
                f"{percent(self.after.evidence_probability)} of decisions are drawn for a blind check now "
                f"({percent(self.before.evidence_probability)} before): recent answers may be a change. The "
                f"threshold stays at {number(self.after.canary)}."
            )
        return (
            f"{percent(self.after.evidence_probability)} of decisions are drawn for a blind check from now "
            f"on ({percent(self.before.evidence_probability)} before): "
            f"{count(max(self.evidence.automated, 0))} were automated so far. The threshold stays at "
            f"{number(self.after.canary)}."
        )

    def _judged(self, threshold: float) -> str:
        labels, errors = self.evidence.from_threshold(threshold)
        return (
            f"Of {counted(labels, 'blind check')} from {number(threshold)} up "
            f"{count(errors)} found the AI wrong."
        )

    def _progress(self) -> str:
        step = self.step
        if self.after.cap > 1 and self.after.certified <= 1:
            return (
                "No threshold is expected to keep the error of automation within the "
                f"{percent(self.terms.alpha)} allowed."
            )
        if step is None or step.needed is None:
            return "The planned blind checks can not show that less is wrong than allowed."
        if step.threshold > 1:
            return (
                f"Not enough evidence: scores are watched first, then about {count(step.needed)} blind "
                "checks without an error are needed."
            )
        return (
            f"Not enough evidence: {count(step.labels)} of about {count(step.needed)} blind checks from "
            f"{number(step.threshold)} up, {counted(step.errors, 'error')}."
        )

    def _canary(self) -> str:
        after = self.after
        if after.canary >= after.threshold or after.canary > 1:
            return ""
        above = "" if after.threshold > 1 else f" below {number(after.threshold)}"
        return f"At first {percent(after.canary_share)} of the decisions{above} are automated."

    def _awaiting(self) -> str:
        if not self.after.awaiting:
            return ""
        return f"The evidence certifies {number(self.after.awaiting)}; it waits for a person's yes."

    def _assumed(self) -> str:
        """What is assumed about reviewers, wherever a certificate speaks."""
        caught, shown = self.gold
        if self.after.certified > 1 and self.after.own <= 1:
            return ""
        if shown < self.terms.catch_items:
            return (
                f"Assumed: reviewers catch {self.catch} % of the AI's errors ({count(shown)} of "
                f"{count(self.terms.catch_items)} known errors answered so far)."
            )
        return f"Reviewers caught {count(caught)} of {count(shown)} known errors: at least {self.catch} %."

    def _expected(self, threshold: float) -> str:
        first = bin_of(max(threshold, 0.5)) if threshold <= 1 else BINS
        expected = self.curve()[first] if first < BINS else None
        if expected is None:
            return f"No recent decision reached {number(threshold)}."
        side, alpha = "within", self.terms.alpha
        if expected > self.terms.tighten_share * alpha:
            side = "more than" if expected > alpha else "too close to"
        return (
            f"Automating from {number(threshold)} up is expected to be wrong in {percent(expected)} of "
            f"cases, {side} the {percent(alpha)} allowed."
        )


def counted(many: int, what: str) -> str:
    """A number with its noun.

    >>> counted(1, "error"), counted(2402, "blind check")
    ('1 error', '2,402 blind checks')
    """
    return f"{count(many)} {what}" if many == 1 else f"{count(many)} {what}s"


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
