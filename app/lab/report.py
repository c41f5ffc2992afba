"""The report of a run: figures with their uncertainty, thresholds with their evidence, and alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from app.domain.events import ThresholdUpdated
from app.domain.learning.proportions import wilson
from app.domain.quality.gold_catch import lower_bound
from app.domain.terms import Terms
from app.domain.thresholds import SUSPENDED, threshold_in_force
from app.lab.counts import Tally, Window, merged
from app.lab.reviewers import Reviewers
from app.lab.simulation import STRIDE, Sighted

Z95 = 1.959964
POINTS = 120
"""Most points of a curve over time."""
SHOWN_REJECTS = 20
"""Rejected lines that are told one by one."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a part of the decisions. A share of nothing is ``None``."""

    name: str
    decisions: int
    automation_rate: float | None
    automated: int
    automated_error: float | None
    """Share of the automated decisions (with a truth) whose action differs from the truth."""
    automated_error_interval: tuple[float, float] | None
    """95 %, Wilson: what the next decisions of this kind may show."""
    human_work: float | None
    ai_error: float | None
    """The AI alone, on everything with a truth."""
    final_error: float | None


class KeyThreshold(msgspec.Struct, frozen=True, kw_only=True):
    """The threshold of a learning key at the end, with what it rests on."""

    key: str
    threshold: float
    automates: bool
    own: float
    """The policy's threshold before anything was learned."""
    cap: float
    certified: float | None
    epoch: int
    version: int
    """0: nothing was announced; the policy alone."""
    evidence_probability: float
    automated: int
    labels: int
    errors: int
    labels_needed: int
    error_estimate: float | None
    """What the learner believes of the automated error, from its own sample."""
    alpha: float
    delta: float
    reason: str


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """A pattern that was seen. ``decisions``: how many had been routed by then."""

    time: str
    pattern: str
    key: str
    decisions: int
    segment: str
    value: float
    limit: float
    count: int
    text: str
    action: str


class RejectedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that takes no part, and why."""

    line: int
    reason: str
    message: str


class Rejects(msgspec.Struct, kw_only=True):
    """Lines that take no part: how many for which reason, and the first ones."""

    total: int = 0
    by_reason: dict[str, int] = {}
    first: list[RejectedLine] = []

    def add(self, line: int, reason: str, message: str) -> None:
        """Count one."""
        self.total += 1
        self.by_reason[reason] = self.by_reason.get(reason, 0) + 1
        if len(self.first) < SHOWN_REJECTS:
            self.first.append(RejectedLine(line=line, reason=reason, message=message))


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the run."""

    decisions: int
    """Decisions of the run up to its end."""
    automation_rate: float | None
    automated_error: float | None
    """Of this stretch alone."""
    automated_error_so_far: float | None
    human_work: float | None
    evidence: int
    """Blind checks that the learner knew by then."""
    thresholds: dict[str, float]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything there is to know about a run. Shares are in [0, 1]; ``None`` where there is nothing to
    divide by."""

    decisions: int
    automation_rate: float | None
    automated_error: float | None
    automated_error_interval: tuple[float, float] | None
    automated: int
    automated_wrong: int
    reviews: int
    audits: int
    second_looks: int
    gold: int
    gold_catch_rate: float | None
    gold_catch_lower: float | None
    """Beta posterior's lower 5 % bound."""
    human_work: float | None
    """(reviews with all their approvals + audits + second looks + gold items) / decisions."""
    override_rate: float | None
    """Overrides among reviews with the recommendation shown. Never a measure of the automated error."""
    shown: int
    overrides: int
    audit_coverage: float | None
    """Checks of automated decisions over the sum of their probabilities; near 1."""
    ai_error: float | None
    final_error: float | None
    thresholds: list[KeyThreshold]
    alerts: list[Alert]
    elapsed_s: float
    decisions_per_s: float | None
    without_truth: int
    rejected: Rejects
    out_of_order: int
    """Decisions dated before the one on the line above."""
    unknown_fields: dict[str, int]
    labels: int
    """Labels that reached the learner."""
    labels_outstanding: int
    """Answers that were not known yet when the decisions ended."""
    lag: int
    """Decisions between two looks of the learner."""
    seed: int
    policy: str
    policy_version: str
    reviewers: Reviewers
    levels: dict[str, int]
    types: list[Group]
    over_time: list[Point]


class Story(msgspec.Struct, kw_only=True):
    """What a run leaves behind for its report."""

    total: Tally = msgspec.field(default_factory=Tally)
    types: dict[str, Tally] = {}
    levels: dict[int, int] = {}
    windows: list[Window] = []
    rejected: Rejects = msgspec.field(default_factory=Rejects)
    out_of_order: int = 0
    unknown_fields: dict[str, int] = {}


def report(
    story: Story,
    *,
    keys: Mapping[str, Terms],
    updates: Mapping[str, ThresholdUpdated],
    sighted: Sequence[Sighted],
    labels: tuple[int, int],
    reviewers: Reviewers,
    seed: int,
    policy: tuple[str, str],
    elapsed: float,
) -> Report:
    """The report. ``labels`` are those known and those given, ``policy`` is its name and version, ``elapsed``
    the seconds it took."""
    t = story.total
    whole = group("all", t)
    return Report(
        decisions=t.decisions,
        automation_rate=whole.automation_rate,
        automated_error=whole.automated_error,
        automated_error_interval=whole.automated_error_interval,
        automated=t.automated,
        automated_wrong=t.automated_wrong,
        reviews=t.reviewed,
        audits=t.audits,
        second_looks=t.second_looks,
        gold=t.gold,
        gold_catch_rate=share(t.gold_caught, t.gold),
        gold_catch_lower=lower_bound(t.gold_caught, t.gold) if t.gold else None,
        human_work=whole.human_work,
        override_rate=share(t.overrides, t.shown),
        shown=t.shown,
        overrides=t.overrides,
        audit_coverage=share(t.audits, t.audit_chance),
        ai_error=whole.ai_error,
        final_error=whole.final_error,
        thresholds=[key_threshold(key, terms, updates.get(key)) for key, terms in sorted(keys.items())],
        alerts=[_alert(seen) for seen in sighted],
        elapsed_s=round(elapsed, 3),
        decisions_per_s=round(t.decisions / elapsed) if elapsed > 0 else None,
        without_truth=t.decisions - t.known,
        rejected=story.rejected,
        out_of_order=story.out_of_order,
        unknown_fields=dict(sorted(story.unknown_fields.items())),
        labels=labels[0],
        labels_outstanding=labels[1] - labels[0],
        lag=STRIDE,
        seed=seed,
        policy=policy[0],
        policy_version=policy[1],
        reviewers=reviewers,
        levels={str(level): story.levels.get(level, 0) for level in range(1, 6)},
        types=[group(name, tally) for name, tally in sorted(story.types.items())],
        over_time=_over_time(merged(story.windows, POINTS)),
    )


def share(part: float, whole: float) -> float | None:
    """``part / whole``, ``None`` for a share of nothing."""
    return part / whole if whole else None


def group(name: str, t: Tally) -> Group:
    """The figures of counts."""
    wrong = share(t.automated_wrong, t.automated_known)
    return Group(
        name=name,
        decisions=t.decisions,
        automation_rate=share(t.automated, t.decisions),
        automated=t.automated,
        automated_error=wrong,
        automated_error_interval=None if wrong is None else wilson(wrong, t.automated_known, Z95),
        human_work=share(t.work, t.decisions),
        ai_error=share(t.ai_wrong, t.known),
        final_error=share(t.final_wrong, t.known),
    )


def key_threshold(key: str, terms: Terms, update: ThresholdUpdated | None) -> KeyThreshold:
    """What is in force for a key, as routing sees it."""
    now = threshold_in_force(terms, update)
    return KeyThreshold(
        key=key,
        threshold=now.threshold,
        automates=now.threshold < SUSPENDED,
        own=now.own,
        cap=now.cap,
        certified=now.certified,
        epoch=now.epoch,
        version=now.version,
        evidence_probability=now.evidence_probability,
        automated=update.automated if update else 0,
        labels=now.labels,
        errors=update.errors if update else 0,
        labels_needed=now.labels_needed,
        error_estimate=update.error_estimate if update else None,
        alpha=terms.alpha,
        delta=terms.delta,
        reason=now.reason or "Nothing was learned yet: the policy's own threshold applies.",
    )


def _alert(seen: Sighted) -> Alert:
    pattern = seen.pattern
    return Alert(
        time=_moment(pattern.detected_at),
        pattern=pattern.pattern,
        key=pattern.learning_key,
        decisions=seen.decisions,
        segment=pattern.segment,
        value=pattern.value,
        limit=pattern.limit,
        count=pattern.count,
        text=pattern.text,
        action=pattern.action,
    )


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, tz=UTC).isoformat().replace("+00:00", "Z")


def _over_time(windows: Sequence[Window]) -> list[Point]:
    points = []
    so_far = Tally()
    for window in windows:
        so_far = so_far.plus(window.tally)
        now = window.tally
        points.append(
            Point(
                decisions=window.until,
                automation_rate=share(now.automated, now.decisions),
                automated_error=share(now.automated_wrong, now.automated_known),
                automated_error_so_far=share(so_far.automated_wrong, so_far.automated_known),
                human_work=share(now.work, now.decisions),
                evidence=window.evidence,
                thresholds=window.thresholds,
            )
        )
    return points
