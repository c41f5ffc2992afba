"""Whole lives of a learning key, with the truth kept aside. Fixed seeds; the learner sees only the labels
that its own routing reveals."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from app.domain.events import Arm, LearningLabel, ReviewKind, ScoreTally, ThresholdUpdated
from app.domain.evidence import evidence_probability
from app.domain.learning.bins import bin_of
from app.domain.learning.drift import Change, KeyState
from app.domain.learning.terms import LearningTerms
from app.domain.terms import EvidencePlan

ALPHA = 0.05
TERMS = LearningTerms(
    own_threshold=0.9,
    alpha=ALPHA,
    delta=0.1,
    evidence=EvidencePlan(floor=0.03, initial=1.0, scale=500.0),
)


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def calibrated(score: float) -> float:
    return score


def overconfident(score: float) -> float:
    """Claims of .9, .97 and .99 are true in .84, .93 and .965 of cases."""
    return sigmoid(0.75 * logit(score))


class Life:
    """Routes simulated decisions by the thresholds that the state announces, 50 to a batch."""

    def __init__(self, seed: int, terms: LearningTerms = TERMS, key: str = "k") -> None:
        self.random = random.Random(seed)
        self.terms = terms
        self.state = KeyState(learning_key=key)
        self.threshold = terms.own_threshold
        self.q = evidence_probability(terms.evidence, 0)
        self.decisions = self.labels = 0
        self.changes: list[Change] = []
        self.thresholds: list[float] = []

    def run(self, decisions: int, right: Callable[[float], float]) -> tuple[int, int, float]:
        """Returns automated, wrong among them, and the labels it took."""
        automated = wrong = 0
        labels_before = self.labels
        for _ in range(decisions // 50):
            bins: dict[int, list[int]] = {}
            labels: list[LearningLabel] = []
            for _ in range(50):
                self.decisions += 1
                score = min(sigmoid(self.random.gauss(2.6, 1.3)), 0.999)
                error = self.random.random() >= right(score)
                runs = score >= self.threshold
                counts = bins.setdefault(bin_of(score), [0, 0])
                counts[0] += 1
                counts[1] += runs
                automated += runs
                wrong += runs and error
                if self.random.random() < self.q:
                    self.labels += 1
                    labels.append(self.label(score, error, runs))
            tally = ScoreTally(
                learning_key=self.state.learning_key,
                epoch=self.state.epoch,
                bins=[n for b in sorted(bins) for n in (b, *bins[b])],
                policy_threshold=self.terms.own_threshold,
                routed_at=self.decisions,
            )
            changes = self.state.apply_tally(tally, self.terms)
            for label in labels:
                changes += self.state.apply_label(label, self.terms)
            for change in changes:
                if isinstance(change, ThresholdUpdated):
                    self.threshold, self.q = change.threshold, change.evidence_probability
            self.changes += changes
            self.thresholds.append(self.threshold)
        return automated, wrong, self.labels - labels_before

    def label(self, score: float, error: bool, automated: bool) -> LearningLabel:
        return LearningLabel(
            label_id=f"l{self.decisions}",
            decision_id=f"d{self.decisions}",
            learning_key=self.state.learning_key,
            decision_type="type",
            epoch=self.state.epoch,
            raw=score,
            score=score,
            level=1 if automated else 3,
            automated=automated,
            evidence=True,
            inclusion_probability=self.q,
            source="review",
            kind=ReviewKind.AUDIT if automated else ReviewKind.REVIEW,
            blind=Arm.BLIND is not None,
            reviewer="ann",
            error=error,
            decided_at=self.decisions,
            labelled_at=self.decisions,
        )
