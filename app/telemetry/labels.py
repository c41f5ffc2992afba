"""What the labels of the metrics can be: declared by the policy or by the code, so that every series exists
before the first event and their number is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.domain.events import ConsequenceClass, DecidedBy, OverrideCategory
from app.domain.learning.sighting import Pattern
from app.policy.compiled import CompiledPolicy
from app.telemetry import catalogue as c
from app.telemetry.catalogue import Metric

ROUTES = {
    1: "full_automation",
    2: "automation_audit",
    3: "automation_review",
    4: "human_decision",
    5: "human_control",
}
"""Label of each level of involvement."""
AUTOMATED = (ROUTES[1], ROUTES[2])
FLAGS = ("true", "false")
JUDGED = ("agreed", "modified", "overridden")
"""Outcomes of an answer that had a recommendation to agree with."""

STAGES = ("scoring", "routing", "review_request", "outcome", "drift", "publish")
REASONS = (
    "duplicate", "empty", "erased", "invalid_facts", "malformed", "no_keys", "not_avro", "not_utf8",
    "too_large", "unknown_decision", "unknown_fingerprint", "unknown_schema_id", "unknown_type",
    "unsafe_default", "unsealed_answer", "wrong_type", "other",
)  # fmt: skip
"""Why records are dead-lettered; ``other`` are the rarer ones and bugs, whose letters say more."""

Values = Callable[[CompiledPolicy], tuple[str, ...]]

_FIXED: Mapping[str, tuple[str, ...]] = {
    "route": tuple(ROUTES.values()),
    "consequence": tuple(ConsequenceClass),
    "confidence_band": ("high", "medium", "low"),
    "outcome": (*JUDGED, "audited", "no_recommendation", "gold"),
    "blind": FLAGS,
    "reason_captured": FLAGS,
    "category": tuple(OverrideCategory),
    "decided_by": tuple(DecidedBy),
    "pattern": tuple(Pattern),
    "bin": tuple(f"0.{tenth}" for tenth in range(10)),
    "state": ("open", "claimed", "waiting"),
    "stage": STAGES,
}
VALUES: Mapping[str, Values] = {
    "decision_type": lambda policy: tuple(policy.terms),
    "queue": lambda policy: policy.pool_names,
    "sla_class": lambda policy: tuple(policy.sla_classes),
    "version": lambda policy: (policy.version,),
}
_BY_METRIC: Mapping[tuple[str, str], tuple[str, ...]] = {
    (c.SLA.name, "result"): ("met", "missed"),
    (c.OUTCOMES.name, "result"): ("correct", "incorrect"),
    (c.AUDITS.name, "result"): ("clean", "finding"),
    (c.TRANSACTIONS.name, "result"): ("committed", "aborted"),
    (c.ESCALATIONS.name, "reason"): ("reviewer", "sla_at_risk", "deadline_rule", "disagreement"),
    (c.NEW_SCENARIOS.name, "source"): ("edge_case", "traffic_shift"),
    (c.FAILURES.name, "reason"): REASONS,
    (c.DEAD_LETTERS.name, "reason"): REASONS,
}


def values(metric: Metric, label: str, policy: CompiledPolicy) -> tuple[str, ...]:
    """What a label can be; empty where only the running process knows (sources, learning keys)."""
    found = _BY_METRIC.get((metric.name, label)) or _FIXED.get(label)
    if found is not None:
        return found
    return VALUES[label](policy) if label in VALUES else ()
