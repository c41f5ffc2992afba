"""Running counts of a run: what every figure of the report is made from."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from app.lab.simulation import Simulated


class Tally(msgspec.Struct):
    """Counts of a set of decisions. ``known`` are those with a truth: only they can be right or wrong."""

    decisions: int = 0
    automated: int = 0
    automated_known: int = 0
    automated_wrong: int = 0
    known: int = 0
    ai_wrong: int = 0
    """The recommendation differs from the truth, whoever decided."""
    final_wrong: int = 0
    """The final action differs from the truth."""
    reviewed: int = 0
    """A person decided."""
    audits: int = 0
    second_looks: int = 0
    gold: int = 0
    gold_caught: int = 0
    work: int = 0
    """Answers of people: reviews with all their approvals, audits, second looks, gold items."""
    shown: int = 0
    overrides: int = 0
    audit_chance: float = 0.0
    """Sum of the inclusion probabilities of what was automated: how many checks were to be expected."""

    def add(self, done: Simulated) -> None:
        """Count one decision."""
        line, judged, truth = done.line, done.judged, done.submission.truth
        self.decisions += 1
        self.work += judged.work
        if line.automated:
            self.automated += 1
            self.audits += line.audited
            self.audit_chance += line.inclusion_probability
        else:
            self.reviewed += 1
            self.second_looks += len(done.routed.route.review_kinds) - 1
            self.shown += judged.shown
            self.overrides += judged.override
        self.second_looks += judged.confirmed
        if judged.gold_caught is not None:
            self.gold += 1
            self.gold_caught += judged.gold_caught
        if truth is not None:
            self.known += 1
            wrong = line.final_action != truth
            self.final_wrong += wrong
            self.ai_wrong += done.submission.decision.recommendation.action != truth
            if line.automated:
                self.automated_known += 1
                self.automated_wrong += wrong

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__struct_fields__))


class Window(msgspec.Struct):
    """A stretch of the run, and the thresholds at its end by learning key."""

    tally: Tally
    until: int
    """Decisions of the run up to here."""
    thresholds: dict[str, float]
    evidence: int = 0
    """Blind checks that the learner knew by then."""


def merged(windows: list[Window], most: int) -> list[Window]:
    """Neighbouring windows put together, so that at most ``most`` are left."""
    size = -(-len(windows) // most)
    if size <= 1:
        return windows
    together = []
    for start in range(0, len(windows), size):
        part = windows[start : start + size]
        together.append(
            Window(
                total(window.tally for window in part), part[-1].until, part[-1].thresholds, part[-1].evidence
            )
        )
    return together


def total(tallies: Iterable[Tally]) -> Tally:
    """All together."""
    together = Tally()
    for tally in tallies:
        together = together.plus(tally)
    return together
