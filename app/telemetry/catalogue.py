"""Every metric and every target, once. Worker, console, rules, dashboards and docs/metrics.md come from here.

Labels have values that the policy or the code declares (``app/telemetry/labels.py``), never ids or texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What Prometheus calls a type."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(msgspec.Struct, frozen=True):
    """One metric. ``buckets`` are the upper edges of a histogram, without infinity; ``unit`` is
    Grafana's name of what a value is."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    unit: str = "short"
    buckets: tuple[float, ...] = ()


MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
HANDLING = (5, 15, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 30 * MINUTE, HOUR, 4 * HOUR)
WAITING = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 4 * HOUR, 8 * HOUR, DAY, 2 * DAY, 3 * DAY, 7 * DAY)
"""Among them the limits of the usual SLA classes."""
FEEDBACK = (
    MINUTE,
    10 * MINUTE,
    HOUR,
    4 * HOUR,
    8 * HOUR,
    DAY,
    2 * DAY,
    3 * DAY,
    5 * DAY,
    7 * DAY,
    10 * DAY,
    14 * DAY,
)
ROUTING = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
BATCH = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

C, G, H = Kind.COUNTER, Kind.GAUGE, Kind.HISTOGRAM

DECISIONS = Metric(
    "hitl_decisions_total",
    C,
    ("decision_type", "route", "consequence", "confidence_band"),
    "Decisions routed, by who decides (the level of involvement), harm of an error and confidence.",
)
ROUTING_SECONDS = Metric(
    "hitl_routing_seconds",
    H,
    ("decision_type",),
    "From the submission's record to its committed route.",
    "s",
    ROUTING,
)
REVIEWS_ENQUEUED = Metric(
    "hitl_reviews_enqueued_total", C, ("queue", "sla_class"), "Reviews that entered a queue."
)
REVIEWS = Metric(
    "hitl_reviews_total",
    C,
    ("decision_type", "queue", "outcome", "blind"),
    "Answers of people. blind: answered before any AI content was seen; such answers never enter the override"
    " rate. gold: an item with known truth, which measures the reviewer.",
)
HANDLING_SECONDS = Metric(
    "hitl_review_handling_seconds", H, ("decision_type",), "From claim to answer.", "s", HANDLING
)
WAIT_SECONDS = Metric("hitl_review_wait_seconds", H, ("queue",), "From request to claim.", "s", WAITING)
SLA = Metric(
    "hitl_review_sla_total",
    C,
    ("queue", "sla_class", "result"),
    "Reviews whose SLA is known: missed the moment the deadline passes, met when answered before.",
)
ESCALATIONS = Metric(
    "hitl_escalations_total",
    C,
    ("queue", "reason"),
    "Reviews that became a supervisor's, each counted once: by a person, the SLA ladder, the deadline rule"
    " or two who disagreed.",
)
OVERRIDES = Metric(
    "hitl_overrides_total",
    C,
    ("decision_type", "category", "reason_captured"),
    "Answers that differ from the recommendation, by why; reason_captured: a code that is not `other`, or"
    " words with at least three different letters. The desk asks for words, and takes a point.",
)
OUTCOMES = Metric(
    "hitl_decision_outcomes_total",
    C,
    ("decision_type", "decided_by", "result"),
    "Decisions that were verified: by a later truth, or by the audit of what the AI decided alone.",
)
DOWNSTREAM = Metric(
    "hitl_downstream_errors_total", C, ("decision_type",), "Errors that later processes found."
)
INCIDENTS = Metric("hitl_customer_incidents_total", C, ("decision_type",), "Decisions that hurt a customer.")
AUDITS = Metric(
    "hitl_audits_total",
    C,
    ("decision_type", "result"),
    "Checks after the fact, by a reviewer or from outside: clean, or with a finding.",
)
FEEDBACK_SECONDS = Metric(
    "hitl_feedback_latency_seconds",
    H,
    ("decision_type",),
    "From a decision to the moment its label (answer or later truth) has reached the learner.",
    "s",
    FEEDBACK,
)
FEEDBACK_OLDEST = Metric(
    "hitl_feedback_oldest_pending_seconds",
    G,
    ("decision_type",),
    "Age of the oldest feedback that waits for somebody to act on it; 0 when nothing waits.",
    "s",
)
NEW_SCENARIOS = Metric(
    "hitl_new_scenarios_total",
    C,
    ("decision_type", "source"),
    "Cases the AI should learn to handle: edge cases that people named, and traffic that is unlike what was.",
)
PATTERNS = Metric(
    "hitl_patterns_total", C, ("decision_type", "pattern"), "Patterns that somebody should look at."
)
CALIBRATION_CONFIDENCE = Metric(
    "hitl_calibration_confidence_total",
    C,
    ("decision_type", "bin"),
    "Sum of the confidence of labelled decisions, by tenth of confidence.",
)
CALIBRATION_LABELS = Metric(
    "hitl_calibration_labels_total", C, ("decision_type", "bin"), "Labelled decisions by tenth of confidence."
)
CALIBRATION_CORRECT = Metric(
    "hitl_calibration_correct_total",
    C,
    ("decision_type", "bin"),
    "Labelled decisions whose recommendation was right, by tenth of confidence.",
)
MODEL = Metric(
    "hitl_model_info", G, ("decision_type", "learning_key"), "1 for each learning key with a threshold."
)
THRESHOLD = Metric(
    "hitl_threshold",
    G,
    ("decision_type", "learning_key"),
    "The threshold in force: the AI decides alone at this score and above; above 1 it never does.",
    "percentunit",
)
CERTIFIED = Metric(
    "hitl_threshold_certified",
    G,
    ("decision_type", "learning_key"),
    "The threshold that evidence certifies; absent before there is a certificate.",
    "percentunit",
)
CAP = Metric(
    "hitl_threshold_cap",
    G,
    ("decision_type", "learning_key"),
    "What the fast cap asks for: it tightens at once when errors appear.",
    "percentunit",
)
LABELS = Metric(
    "hitl_threshold_labels", G, ("decision_type", "learning_key"), "Evidence labels behind the threshold."
)
LABELS_NEEDED = Metric(
    "hitl_threshold_labels_needed",
    G,
    ("decision_type", "learning_key"),
    "About how many more evidence labels the next step takes.",
)
ERROR_ESTIMATE = Metric(
    "hitl_threshold_error_estimate",
    G,
    ("decision_type", "learning_key"),
    "Estimated error of automation at the threshold; absent while unknown.",
    "percentunit",
)
THRESHOLD_VERSION = Metric(
    "hitl_threshold_version",
    G,
    ("decision_type", "learning_key"),
    "Rises with every change of the threshold.",
)
POLICY = Metric("hitl_policy_info", G, ("version",), "1 for the policy in force in this process.")

QUEUE_DEPTH = Metric(
    "hitl_queue_depth",
    G,
    ("queue", "sla_class", "state"),
    "Undecided reviews: open waits for somebody, claimed is in somebody's hands, waiting stands still until"
    " information comes.",
)
QUEUE_OLDEST = Metric(
    "hitl_queue_oldest_age_seconds",
    G,
    ("queue", "sla_class"),
    "Age of the oldest undecided review, in the working time of its SLA class; 0 when there is none.",
    "s",
)
QUEUE_OVERDUE = Metric("hitl_queue_overdue", G, ("queue",), "Undecided reviews whose deadline has passed.")
QUEUE_UNPUBLISHED = Metric(
    "hitl_queue_unpublished", G, ("queue",), "Steps in the outbox that Kafka does not have yet."
)
QUEUE_BROKEN = Metric(
    "hitl_queue_broken", G, ("queue",), "Steps that the relay could not publish and put aside."
)
SLA_TARGET = Metric("hitl_sla_target_seconds", G, ("sla_class",), "What the policy promises.", "s")
REVIEWERS = Metric("hitl_reviewers_active", G, ("queue",), "People who hold a review of this queue.")
STORE_MEMORY = Metric("hitl_store_memory_bytes", G, (), "Memory that the store uses.", "bytes")
STORE_CLIENTS = Metric("hitl_store_clients", G, (), "Connections to the store.")
STORE_SECONDS = Metric("hitl_store_answer_seconds", G, (), "How long the store took for the last look.", "s")

CONSUMED = Metric("hitl_events_consumed_total", C, ("source",), "Records read and committed.")
FAILURES = Metric(
    "hitl_event_failures_total",
    C,
    ("stage", "reason"),
    "Records that a stage could not process; duplicates are among them.",
)
DEAD_LETTERS = Metric("hitl_dead_letters_total", C, ("reason",), "Records written to deadletter.")
TRANSACTIONS = Metric("hitl_transactions_total", C, ("source", "result"), "Batches by how they ended.")
BATCH_SECONDS = Metric(
    "hitl_batch_seconds", H, ("source",), "From the read of a batch to its commit.", "s", BATCH
)
PAUSED = Metric("hitl_source_paused", G, ("source",), "1 while an outage is waited out.", "bool")
CLOCK_SKEW = Metric(
    "hitl_clock_skew_seconds",
    G,
    (),
    "How far this worker's clock is ahead of the store's; behind when negative.",
    "s",
)
LAG_MESSAGES = Metric(
    "hitl_consumer_lag_messages",
    G,
    ("source", "topic"),
    "Records that this worker's partitions have waiting.",
)
LAG_SECONDS = Metric(
    "hitl_consumer_lag_seconds",
    G,
    ("source", "topic"),
    "For how long the oldest record has waited, or the batch in hand been worked on; 0 when there is none.",
    "s",
)

WORKER: tuple[Metric, ...] = (
    DECISIONS, ROUTING_SECONDS, REVIEWS_ENQUEUED, REVIEWS, HANDLING_SECONDS, WAIT_SECONDS, SLA, ESCALATIONS,
    OVERRIDES, OUTCOMES, DOWNSTREAM, INCIDENTS, AUDITS, FEEDBACK_SECONDS, NEW_SCENARIOS, PATTERNS,
    CALIBRATION_CONFIDENCE, CALIBRATION_LABELS, CALIBRATION_CORRECT, CONSUMED, FAILURES, DEAD_LETTERS,
    TRANSACTIONS, BATCH_SECONDS,
)  # fmt: skip
"""Counted as batches commit."""
STATE: tuple[Metric, ...] = (
    POLICY, MODEL, THRESHOLD, CERTIFIED, CAP, LABELS, LABELS_NEEDED, ERROR_ESTIMATE, THRESHOLD_VERSION,
    SLA_TARGET, PAUSED, LAG_MESSAGES, LAG_SECONDS, CLOCK_SKEW,
)  # fmt: skip
"""What a worker knows at the moment of the scrape."""
READER: tuple[Metric, ...] = (
    QUEUE_DEPTH, QUEUE_OLDEST, QUEUE_OVERDUE, QUEUE_UNPUBLISHED, QUEUE_BROKEN, REVIEWERS, FEEDBACK_OLDEST,
    STORE_MEMORY, STORE_CLIENTS, STORE_SECONDS,
)  # fmt: skip
"""Of all that is shared, read by one worker at a time."""
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in (*WORKER, *STATE, *READER)}
