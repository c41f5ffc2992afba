"""What the demo reports, as typed values: the JSON of ``--report`` is exactly this.

Shares and probabilities are in [0, 1], durations in simulated minutes unless a name says otherwise,
intervals are 95 % Wilson intervals. Everything but ``run`` depends on the seed alone.
"""

from __future__ import annotations

import msgspec

from app.domain.learning.proportions import wilson

Z = 1.959964
"""Normal quantile of 95 %."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every part of the report."""


class Share(Part, frozen=True):
    """``hits`` of ``of``, as a share with its 95 % Wilson interval; the shares are ``None`` of nothing."""

    hits: int
    of: int
    share: float | None
    low: float | None
    high: float | None


def share(hits: int, of: int) -> Share:
    """A share with its 95 % Wilson score interval.

    >>> share(8, 10)
    Share(hits=8, of=10, share=0.8, low=0.4902, high=0.9433)
    >>> share(0, 0).share is None
    True
    """
    if of == 0:
        return Share(hits=hits, of=0, share=None, low=None, high=None)
    low, high = wilson(hits / of, of, Z)
    return Share(hits=hits, of=of, share=round(hits / of, 4), low=round(low, 4), high=round(high, 4))


class ModelCard(Part, frozen=True):
    """The AI of the demo, measured before it recommended anything."""

    name: str
    chosen: str
    trained_on: int
    log_loss: dict[str, float]
    accuracy: float
    base_rate: float


class Check(Part, frozen=True):
    """Two numbers that must agree."""

    text: str
    left: int
    right: int
    holds: bool


class Flow(Part, frozen=True):
    """Where every submitted record is now. ``dead_letters`` are submissions, ``dead_elsewhere`` others."""

    records: int
    decisions: int
    dead_letters: int
    dead_elsewhere: int
    resolved: int
    open: int
    reviews_requested: int
    reviews_answered: int
    reviews_open: int
    checks: list[Check]
    reconciled: bool


class LevelRow(Part, frozen=True):
    """One involvement level: how many decisions it got and how often their final answer was right."""

    level: int
    name: str
    decisions: int
    share: float
    right: Share


class DayRow(Part, frozen=True):
    """One simulated business day. ``threshold`` is the lowest in force for the decisions of that day."""

    day: int
    date: str
    decisions: int
    automated: int
    automated_share: float
    threshold: float


class Accuracy(Part, frozen=True):
    """Final answers and recommendations against what the lenders did."""

    ai_alone: Share
    always_approve: Share
    automated: Share
    people: Share
    ai_on_the_same: Share
    together: Share


class CodeRow(Part, frozen=True):
    """A reason that people gave for changing a recommendation."""

    code: str
    text: str
    category: str
    count: int


class SinkRow(Part, frozen=True):
    """A category of changes, where its feedback went, and how many events arrived there."""

    category: str
    topic: str
    changed: int
    delivered: int


class Changes(Part, frozen=True):
    """What people changed. ``changed``: of the reviews in which the recommendation was shown."""

    changed: Share
    final_changes: int
    for_the_better: int
    for_the_worse: int
    ai_errors_kept: int
    codes: list[CodeRow]
    sinks: list[SinkRow]
    reasons_captured: Share


class Blind(Part, frozen=True):
    """Reviewers when the recommendation was shown, and when it was withheld until the first answer."""

    changed_shown: Share
    changed_blind_first: Share
    revised_after_reveal: int
    gap: float | None
    caught_shown: Share
    caught_blind_first: Share


class Checks(Part, frozen=True):
    """What the blind evidence sample found among automated decisions, beside the truth, which only a
    demo knows. ``estimated_error`` weighs each label by 1 / its probability of being drawn."""

    automated: int
    evidence_labels: int
    evidence_errors: int
    estimated_error: float | None
    estimated_low: float | None
    estimated_high: float | None
    true_error: Share
    other_audits: int
    second_looks: int
    observed_outcomes: int
    observed_errors: int


class Threshold(Part, frozen=True):
    """The threshold of one learning key now, the policy's own floor, and the evidence."""

    learning_key: str
    threshold: float
    automates: bool
    floor: float
    certified: float | None
    labels: int
    errors: int
    labels_needed: int
    evidence_probability: float
    reason: str


class PatternRow(Part, frozen=True):
    """Something the drift agent found."""

    pattern: str
    segment: str
    text: str
    action: str


class Sla(Part, frozen=True):
    """Service levels in simulated time. ``met``: answered before the deadline, of all reviews due."""

    met: Share
    escalated: int
    median_wait: float | None
    median_handling: float | None
    longest_wait: float | None


class ReviewerRow(Part, frozen=True):
    """One simulated reviewer."""

    reviewer: str
    answers: int
    changed: Share
    right: Share


class DeadRow(Part, frozen=True):
    """Dead letters of one reason, with an example."""

    reason: str
    stage: str
    count: int
    example: str


class PlantedRow(Part, frozen=True):
    """A bad record that the demo submitted on purpose, and what became of it."""

    kind: str
    decision_id: str
    expected: str
    found: str
    as_expected: bool


class GroupRow(Part, frozen=True):
    """Approval rates of one group of applicants."""

    group: str
    applications: int
    lender_approved: Share
    ai_would_approve: Share
    finally_approved: Share


class Run(Part, frozen=True):
    """How long it took on this machine: the only part that differs between runs of one seed."""

    elapsed_s: float
    stages_s: dict[str, float]
    decisions_per_s: float


class Report(Part, frozen=True):
    """The whole report."""

    seed: int
    decision_type: str
    applications: int
    model: ModelCard
    flow: Flow
    automation: Share
    levels: list[LevelRow]
    days: list[DayRow]
    human_work: Share
    accuracy: Accuracy
    changes: Changes
    blind: Blind
    checks: Checks
    thresholds: list[Threshold]
    patterns: list[PatternRow]
    sla: Sla
    reviewers: list[ReviewerRow]
    dead_letters: list[DeadRow]
    planted: list[PlantedRow]
    groups: list[GroupRow]
    simulated: list[str]
    assumed_reviewers: list[str]
    next_steps: list[str]
    run: Run
