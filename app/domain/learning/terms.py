"""What the policy says about learning for one key, with the defaults of docs/learning.md."""

from __future__ import annotations

from functools import cached_property

import msgspec

from app.domain.learning.pattern_terms import PatternTerms
from app.domain.terms import EvidencePlan
from app.errors import UsageError


class LearningTerms(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything learning needs to know about one key. Built by the caller from ``Terms``.

    Shares are in [0, 1], half-lives and counts in decisions or labels as said. Raises ``UsageError``
    for values with which no threshold could be computed.
    """

    own_threshold: float
    """The policy's own threshold (``app.domain.thresholds.own_threshold``); in force without a certificate
    only where the policy says so (``guaranteed`` is false)."""
    floor: float = 0.5
    """No certificate leads below this."""
    guaranteed: bool = True
    """Nothing runs alone without a certificate."""
    planned: int = 1800
    """Labels of a region over which the chance of a false certificate is spread."""
    order_scores: int = 50
    """Scores that fix the order of the tests before labels count."""
    first_mass: float = 0.20
    """Share of the traffic in the highest region that is tested, where the order of the tests starts."""
    catch_rate: float = 0.8
    """Share of the AI's errors that reviewers are assumed to catch, while too few gold items say more."""
    catch_items: int = 30
    """Answers to gold items with a wrong recommendation from which on their own catch rate counts."""
    looks: int = 3
    """People who judge a decision at most: with 2 the second has to confirm an error, with 3 one of the next
    two."""
    second_look_share: float = 0.0
    """Share of reviews that a second person answers independently."""
    confirm_errors: bool = False
    """What a blind check finds is asked again of a second person, who has to find it as well."""
    confirm: bool = False
    """An expansion waits for a person's yes."""
    canary_share: float = 1.0
    """Share of newly eligible decisions that runs alone at first; 1: all at once."""
    canary_size: int = 0
    """Decisions that run alone by the canary before the others follow."""
    cooldown: int = 0
    """Decisions of the key between two expansions."""
    scoring: str = ""
    """Stands for everything that makes a score or an eligible decision; another one is another epoch."""
    recheck_share: float = 0.15
    """After a change for the worse at least this share is checked ..."""
    recheck_decisions: int = 1500
    """... for so many decisions."""
    restart_share: float = 0.80
    """After a restart the earlier certificate holds where the expected error is at most this share of
    ``alpha``."""
    better_checks: float = 2.0
    """After a change for the better so many times as many are checked as at the start."""
    worse_limit: float = 7000.0
    """Decisions between two false alarms of a monitor, at least on average."""
    better_limit: float = 7000.0
    suspicion_worse: float = 3.0
    """From this value of a monitor on at least ``suspicion_share`` is checked; far below its limit."""
    suspicion_better: float = 8.0
    suspicion_share: float = 0.15
    reference_doubt: float = 1.5
    """Standard errors by which what the monitors compare with is moved to the careful side ..."""
    reference_margin: float = 0.003
    """... and so much more."""
    reference_labels: int = 400
    """Labels of the epoch from which on the monitors listen."""
    reference_lag: int = 1000
    """Age, in decisions, of what the monitors compare with."""
    reference_refresh: int = 500
    alpha: float = 0.02
    """Share of automated decisions that may be wrong."""
    delta: float = 0.05
    """Probability with which a statement about ``alpha`` may be false."""
    evidence: EvidencePlan = EvidencePlan(floor=0.025, initial=1.0, scale=500.0)
    half_life: float = 4000.0
    """Decisions of the key after which a label or a tally weighs half."""
    ridge: float = 10.0
    """Pull of the Platt fit towards (slope 1, intercept 0)."""
    prior_labels: float = 50.0
    """Labels that the Platt fit is worth in each bin."""
    tighten_share: float = 0.95
    """The cap keeps the expected error of automation at or below this share of ``alpha``."""
    relax_share: float = 0.90
    """A threshold goes down only to where the expected error is below this share of ``alpha``."""
    early_significance: float = 0.01
    """Before enough labels are there, the cap acts if so many errors were at most this likely."""
    refresh_labels: int = 25
    """Labels between two looks."""
    refresh_decisions: int = 1000
    """Decisions between two looks when no label arrives."""
    threshold_step: float = 0.0025
    """Smallest relaxation that is announced. Tightening never waits."""
    evidence_step: float = 1.25
    """Ratio between neighbouring evidence probabilities."""
    evidence_minimum: float = 0.005
    """The evidence probability is never below this: without evidence nothing is known."""
    evidence_when_reviewed: float = 1.0
    """Evidence share while everything is reviewed."""
    calibration_labels: int = 50
    """Fewest labels before a calibration is announced."""
    calibration_step: float = 0.25
    """Smallest change of a calibrated confidence, in log-odds, that is announced."""
    restart_weight: float = 0.25
    """What labels of the epoch before weigh in a new epoch's cap."""
    stratum_labels: int = 20
    """Fewest audits in a stratum of the automated error."""
    memory: int = 256
    """Blind judgements that a later truth or second look can still correct."""
    duplicates: int = 384
    """Labels by which a repeated one is recognised."""
    reviewers: int = 64
    """Reviewers with a rate of their own; the one not seen for longest is forgotten."""
    patterns: PatternTerms = PatternTerms()

    def __post_init__(self) -> None:
        """Refuse what would divide by zero or never let evidence in."""
        if not 0 < self.alpha < 1 or not 0 < self.delta < 1:
            raise UsageError(
                f"learning: alpha={self.alpha} and delta={self.delta} must lie strictly between 0 and 1",
                hint="set alpha to the share of automated decisions that may be wrong, e.g. 0.02",
            )
        positive = {
            "half_life": self.half_life,
            "evidence.scale": self.evidence.scale,
            "evidence_minimum": self.evidence_minimum,
            "refresh_labels": self.refresh_labels,
            "refresh_decisions": self.refresh_decisions,
            "ridge": self.ridge,
            "planned": self.planned,
            "order_scores": self.order_scores,
            "catch_rate": self.catch_rate,
            "first_mass": self.first_mass,
            "worse_limit": self.worse_limit,
            "better_limit": self.better_limit,
            "better_checks": self.better_checks,
            "patterns.half_life": self.patterns.half_life,
            "patterns.fast_half_life": self.patterns.fast_half_life,
        }
        for name, value in positive.items():
            if not value > 0:
                raise UsageError(
                    f"learning: {name}={value} must be above 0", hint="leave it out for the default"
                )
        if self.planned * self.alpha > 500:
            raise UsageError(
                f"learning: planned={self.planned} labels at alpha={self.alpha} are too many",
                hint="500 / alpha is the most; far fewer do",
            )
        if not 0 < self.relax_share <= self.tighten_share <= 1:
            raise UsageError(
                f"learning: relax_share={self.relax_share} must be at most "
                f"tighten_share={self.tighten_share}, both in (0, 1]",
                hint="the gap between them keeps a threshold from moving to and fro",
            )
        if not self.evidence_step > 1:
            raise UsageError(
                f"learning: evidence_step={self.evidence_step} must be above 1",
                hint="1.25 gives about 16 steps",
            )

    @cached_property
    def watched(self) -> tuple[float, ...]:
        """What changes a threshold by itself: another value is looked at without waiting."""
        plan = self.evidence
        return (
            self.own_threshold,
            self.floor,
            float(self.guaranteed),
            self.alpha,
            self.delta,
            plan.floor,
            plan.initial,
            plan.scale,
            float(self.confirm),
        )
