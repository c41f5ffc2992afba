"""The 14 targets: what each number is, in metrics, and the band it should stay in.

A formula is written once: Prometheus records it, the console computes it from the same counts.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from app.telemetry import catalogue as c
from app.telemetry.formulas import (
    Before,
    Formula,
    Gain,
    Increase,
    Quantile,
    Share,
    Total,
    Usual,
    Worst,
    where,
)
from app.telemetry.labels import AUTOMATED, JUDGED


class Group(StrEnum):
    """The three tables of the essay."""

    EFFICIENCY = "efficiency"
    QUALITY = "quality"
    LEARNING = "learning"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One target. ``series`` is the recorded series of all types together; beside it are series broken down
    by the label ``by``, named ``<by>:<the rest>``. ``judged`` is what the band is about, where that is not
    the number itself but its change."""

    name: str
    title: str
    group: Group
    formula: Formula
    series: str
    by: str = ""
    unit: str
    low: float | None = None
    high: float | None = None
    judged: Before | Usual | None = None
    judged_series: str = ""
    says: str
    """The target in words."""
    alert: str
    dashboard: str
    """Uid of the dashboard that has the details."""


AUTOMATION = Share(where(c.DECISIONS, route=AUTOMATED), where(c.DECISIONS), "1d")
ACCURACY = Share(where(c.OUTCOMES, result="correct"), where(c.OUTCOMES), "30d")
HANDLING = Quantile(c.HANDLING_SECONDS, 0.95, "1d")
DOWNSTREAM = Share(where(c.DOWNSTREAM), where(c.DECISIONS), "7d")
FINDINGS = Share(where(c.AUDITS, result="finding"), where(c.AUDITS), "30d")

TARGETS: tuple[Target, ...] = (
    Target(
        name="automation_rate",
        title="Automation rate",
        group=Group.EFFICIENCY,
        formula=AUTOMATION,
        series="all:hitl_automation:ratio_rate1d",
        by="decision_type",
        unit="percentunit",
        low=0.70,
        high=0.85,
        says="70 to 85 % of decisions are taken by the AI alone",
        alert="HitlAutomationRateOutOfBand",
        dashboard="hitl-efficiency",
    ),
    Target(
        name="review_time",
        title="Human review time",
        group=Group.EFFICIENCY,
        formula=HANDLING,
        series="all:hitl_review_handling_seconds:p95_1d",
        by="decision_type",
        unit="s",
        high=1.5,
        judged=Usual(HANDLING, "28d"),
        judged_series="all:hitl_review_handling_seconds:p95_1d_to_28d",
        says="19 of 20 reviews take no more than 1.5 times as long as usual (median of four weeks)",
        alert="HitlReviewTimeRising",
        dashboard="hitl-efficiency",
    ),
    Target(
        name="queue_depth",
        title="Queue depth",
        group=Group.EFFICIENCY,
        formula=Total(where(c.QUEUE_DEPTH)),
        series="all:hitl_queue_depth:sum",
        by="queue",
        unit="short",
        high=25,
        says="near zero: no more than 25 reviews wait",
        alert="HitlQueueGrowing",
        dashboard="hitl-queue",
    ),
    Target(
        name="sla",
        title="SLA compliance",
        group=Group.EFFICIENCY,
        formula=Share(where(c.SLA, result="met"), where(c.SLA), "7d"),
        series="all:hitl_sla_met:ratio_rate7d",
        by="sla_class",
        unit="percentunit",
        low=0.95,
        says="at least 95 % of reviews are answered in time",
        alert="HitlSlaBudgetBurnSlow",
        dashboard="hitl-efficiency",
    ),
    Target(
        name="escalation_rate",
        title="Escalation rate",
        group=Group.EFFICIENCY,
        formula=Share(where(c.ESCALATIONS), where(c.REVIEWS_ENQUEUED), "7d"),
        series="all:hitl_escalation:ratio_rate7d",
        by="queue",
        unit="percentunit",
        high=0.05,
        says="at most 5 % of reviews go to a supervisor",
        alert="HitlEscalationRateHigh",
        dashboard="hitl-efficiency",
    ),
    Target(
        name="accuracy",
        title="Decision accuracy",
        group=Group.QUALITY,
        formula=ACCURACY,
        series="all:hitl_accuracy:ratio_rate30d",
        by="decision_type",
        unit="percentunit",
        low=0.98,
        says="at least 98 % of verified decisions were right, the AI's and people's",
        alert="HitlAccuracyLow",
        dashboard="hitl-quality",
    ),
    Target(
        name="override_rate",
        title="Override rate",
        group=Group.QUALITY,
        formula=Share(
            where(c.REVIEWS, blind="false", outcome=("modified", "overridden")),
            where(c.REVIEWS, blind="false", outcome=JUDGED),
            "7d",
        ),
        series="all:hitl_override:ratio_rate7d",
        by="decision_type",
        unit="percentunit",
        low=0.10,
        high=0.30,
        says="people decide otherwise in 10 to 30 % of the reviews that show a recommendation",
        alert="HitlOverrideRateOutOfBand",
        dashboard="hitl-quality",
    ),
    Target(
        name="downstream_errors",
        title="Downstream errors",
        group=Group.QUALITY,
        formula=DOWNSTREAM,
        series="all:hitl_downstream_error:ratio_rate7d",
        by="decision_type",
        unit="percentunit",
        high=1.1,
        judged=Before(DOWNSTREAM, "7d"),
        judged_series="all:hitl_downstream_error:ratio_rate7d_to_7d",
        says="declining: at most 1.1 times last week's share",
        alert="HitlDownstreamErrorsRising",
        dashboard="hitl-quality",
    ),
    Target(
        name="customer_incidents",
        title="Customer incidents",
        group=Group.QUALITY,
        formula=Increase(where(c.INCIDENTS), "7d"),
        series="all:hitl_customer_incidents:increase7d",
        by="decision_type",
        unit="short",
        high=0,
        says="none in a week",
        alert="HitlCustomerIncident",
        dashboard="hitl-quality",
    ),
    Target(
        name="audit_findings",
        title="Audit findings",
        group=Group.QUALITY,
        formula=FINDINGS,
        series="all:hitl_audit_finding:ratio_rate30d",
        by="decision_type",
        unit="percentunit",
        high=1.0,
        judged=Before(FINDINGS, "30d"),
        judged_series="all:hitl_audit_finding:ratio_rate30d_to_30d",
        says="declining: no larger a share of audits than a month ago",
        alert="HitlAuditFindingsRising",
        dashboard="hitl-quality",
    ),
    Target(
        name="reasons_captured",
        title="Override reasons captured",
        group=Group.LEARNING,
        formula=Share(where(c.OVERRIDES, reason_captured="true"), where(c.OVERRIDES), "7d"),
        series="all:hitl_reason_captured:ratio_rate7d",
        by="decision_type",
        unit="percentunit",
        low=0.95,
        says="at least 95 % of overrides say why",
        alert="HitlReasonsNotCaptured",
        dashboard="hitl-learning",
    ),
    Target(
        name="feedback_latency",
        title="Feedback latency",
        group=Group.LEARNING,
        formula=Worst(Quantile(c.FEEDBACK_SECONDS, 0.95, "30d"), c.FEEDBACK_OLDEST),
        series="all:hitl_feedback_latency_seconds:worst30d",
        by="decision_type",
        unit="s",
        high=7 * c.DAY,
        says="feedback reaches the model, or whoever has to act on it, within a week",
        alert="HitlFeedbackSlow",
        dashboard="hitl-learning",
    ),
    Target(
        name="model_improvement",
        title="Model improvement",
        group=Group.LEARNING,
        formula=Gain((AUTOMATION, ACCURACY), "30d"),
        series="all:hitl_improvement:delta30d",
        by="decision_type",
        unit="percentunit",
        low=0.0,
        says="automation or accuracy is no lower than a month ago",
        alert="HitlModelNotImproving",
        dashboard="hitl-learning",
    ),
    Target(
        name="new_scenarios",
        title="New scenarios",
        group=Group.LEARNING,
        formula=Increase(where(c.NEW_SCENARIOS), "30d"),
        series="all:hitl_new_scenarios:increase30d",
        by="decision_type",
        unit="short",
        low=1,
        says="at least one in a month",
        alert="HitlNoNewScenarios",
        dashboard="hitl-learning",
    ),
)
