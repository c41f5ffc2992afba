"""The events, as typed values. Each struct mirrors one record of ``schemas/`` field by field.

Times are integers: milliseconds since the Unix epoch, UTC. Probabilities and scores are floats in
[0, 1] unless said otherwise. An event carries the story so far as its first field, so that a stage
can append its part to the bytes it received (docs/architecture.md, "Events").
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Record(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Base of every event and part of an event: immutable, cheap to create."""


class ConsequenceClass(StrEnum):
    """How much harm an error would do, by the policy's cuts on expected harm."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Arm(StrEnum):
    """What a reviewer is shown, drawn at random so that reviewers can be measured."""

    SHOWN = "shown"
    """The recommendation is part of the context package."""
    BLIND = "blind"
    """The recommendation is withheld until the first answer."""
    SECOND_LOOK = "second_look"
    """Two distinct reviewers answer independently; both blind."""
    GOLD = "gold"
    """An item with known truth, never acted on."""


class ReviewKind(StrEnum):
    """Why a person is asked."""

    REVIEW = "review"
    """Level 3: the AI recommends, a person approves before anything happens."""
    DECIDE = "decide"
    """Level 4: a person decides, with what the AI knows."""
    HUMAN_ONLY = "human_only"
    """Level 5: a person decides and sees no AI content."""
    AUDIT = "audit"
    """After the fact, on an automated decision (levels 1 and 2)."""
    SECOND_LOOK = "second_look"
    """An independent blind second answer to the same decision."""
    GOLD = "gold"
    """Known truth; measures the reviewer."""
    CALIBRATION = "calibration"
    """An item of a calibration session."""


class OnDeadline(StrEnum):
    """What happens when nobody answered in time. Never an approval by silence."""

    ESCALATE = "escalate"
    SAFE_DEFAULT = "safe_default"
    HOLD = "hold"


class DecidedBy(StrEnum):
    """Who took the final, actionable decision."""

    AI = "ai"
    HUMAN = "human"
    DEADLINE_RULE = "deadline_rule"


class OverrideCategory(StrEnum):
    """Why a person decided otherwise than the AI; each has its own feedback topic."""

    AI_ERROR = "ai_error"
    EDGE_CASE = "edge_case"
    POLICY_CHANGE = "policy_change"
    HUMAN_ERROR = "human_error"


class ObservationKind(StrEnum):
    """Where a later truth about a decision came from."""

    CONFIRMED_CORRECT = "confirmed_correct"
    GROUND_TRUTH = "ground_truth"
    DOWNSTREAM_ERROR = "downstream_error"
    CUSTOMER_INCIDENT = "customer_incident"
    AUDIT_FINDING = "audit_finding"


class RuleKind(StrEnum):
    """What a standing rule does to the cases that it covers."""

    AUTO_APPROVE = "auto_approve"
    """What a person would only have approved runs at level 2, spot-checked."""
    EXCEPTION = "exception"
    """At least so much human involvement: only ever stricter."""


class RuleChange(StrEnum):
    """What happened to a standing rule. Whatever comes after ``APPROVED`` ends it, for good."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    """Ended by itself: its spot checks went worse than the type's target allows."""
    EXPIRED = "expired"


# --- decisions.submitted ------------------------------------------------------------------------


class Option(Record, frozen=True, kw_only=True):
    """An action the AI considered: its recommendation or an alternative."""

    action: str
    probability: float | None = None
    rationale: str = ""


class Signals(Record, frozen=True, kw_only=True):
    """Confidence signals that only the producer can know. Absent is ``None``, never good news."""

    similarity: float | None = None
    consensus: float | None = None
    rule_clarity: float | None = None


class Model(Record, frozen=True, kw_only=True):
    """Which model recommended; learning keeps one record per version."""

    name: str
    version: str


class StatedFactors(Record, frozen=True, kw_only=True):
    """Consequence factors that the producer states itself, instead of the policy's expressions."""

    financial: float | None = None
    customer: float | None = None
    compliance: float | None = None
    reputation: float | None = None
    undo: float | None = None


class Shadow(Record, frozen=True, kw_only=True):
    """What another model version would recommend. It decides nothing and nobody sees it: answers of people
    are compared with it, and its own learning key collects the evidence."""

    model: Model
    recommendation: Option
    alternatives: list[Option] = []
    signals: Signals = Signals()


class DecisionSubmitted(Record, frozen=True, kw_only=True):
    """One thing that must be decided, with the AI's recommendation."""

    decision_id: str
    decision_type: str
    occurred_at: int
    subject: str
    submitted_by: str
    recommendation: Option
    alternatives: list[Option]
    facts: str
    signals: Signals
    factors: StatedFactors | None
    model: Model
    due_at: int | None
    links: list[str]
    shadows: list[Shadow] = []


# --- decisions.scored ---------------------------------------------------------------------------


class Factor(Record, frozen=True, kw_only=True):
    """One of the five consequence factors with where its number came from."""

    name: str
    score: float
    source: str


class Consequence(Record, frozen=True, kw_only=True):
    """How harmful an error would be: expected harm in [0, 1] and its class."""

    harm: float
    consequence_class: ConsequenceClass
    factors: list[Factor]


class Confidence(Record, frozen=True, kw_only=True):
    """How sure we are that the recommendation is right, and from which signals.

    ``raw`` is the fused signal before calibration, ``probability`` after it. ``None`` in a signal
    means that it was absent. ``valid`` is false when no usable number came in: such a decision
    always goes to a person.
    """

    probability: float
    raw: float
    valid: bool
    model_probability: float | None
    similarity: float | None
    consensus: float | None
    rule_clarity: float | None
    completeness: float
    calibration_version: int


class Finding(Record, frozen=True, kw_only=True):
    """Something noticed while scoring that a reviewer should read."""

    code: str
    text: str


class Assessment(Record, frozen=True, kw_only=True):
    """What scoring adds to a decision."""

    received_at: int
    policy_version: str
    consequence: Consequence
    confidence: Confidence
    missing_facts: list[str]
    findings: list[Finding]


class DecisionScored(Record, frozen=True, kw_only=True):
    """A decision with its consequence and confidence."""

    decision: DecisionSubmitted
    assessment: Assessment


# --- decisions.routed ---------------------------------------------------------------------------


class Reason(Record, frozen=True, kw_only=True):
    """One step of routing that changed something, in words, with the value and limit compared."""

    step: str
    code: str
    text: str
    value: float | None = None
    limit: float | None = None


class Shadowed(Record, frozen=True, kw_only=True):
    """Where a shadow's recommendation would have led. ``eligible``: nothing but its score would have kept it
    from running alone."""

    learning_key: str
    epoch: int
    action: str
    raw: float
    score: float
    threshold: float
    level: int
    eligible: bool


class Route(Record, frozen=True, kw_only=True):
    """Who decides, why, and what was drawn at random with which probability."""

    route_id: str
    level: int
    action: str | None
    score: float
    threshold: float
    threshold_version: int
    learning_key: str
    epoch: int
    reasons: list[Reason]
    evidence: bool
    evidence_probability: float
    audit: bool
    audit_probability: float
    arm: Arm
    arm_probability: float
    review_kinds: list[ReviewKind]
    pool: str
    sla_class: str
    deadline: int | None
    on_deadline: OnDeadline
    approvals: int
    policy_version: str
    shadows: list[Shadowed] = []


class DecisionRouted(Record, frozen=True, kw_only=True):
    """A scored decision with its route."""

    scored: DecisionScored
    route: Route


# --- reviews ------------------------------------------------------------------------------------


class ReviewRequest(Record, frozen=True, kw_only=True):
    """A unit of human work. ``package`` is canonical JSON; answers are bound to its digest."""

    review_id: str
    kind: ReviewKind
    pool: str
    sla_class: str
    consequence_class: ConsequenceClass
    requested_at: int
    deadline: int | None
    approvals: int
    blind: bool
    package: str
    package_digest: str
    on_deadline: OnDeadline = OnDeadline.HOLD
    safe_default: str | None = None
    ladder: list[int] = []


class ReviewRequested(Record, frozen=True, kw_only=True):
    """A routed decision with what a reviewer is asked and shown."""

    routed: DecisionRouted
    request: ReviewRequest


class Answer(Record, frozen=True, kw_only=True):
    """What a person decided, why, and what they had been shown."""

    answer_id: str
    review_id: str
    reviewer: str
    action: str
    changes: str | None
    reasoning: str
    reason_code: str
    category: OverrideCategory | None
    note: str
    tags: list[str]
    first_action: str | None
    package_digest: str
    lease_epoch: int
    claimed_at: int
    decided_at: int


class ReviewDecided(Record, frozen=True, kw_only=True):
    """A requested review with its answer."""

    requested: ReviewRequested
    answer: Answer


class SafeDefault(Record, frozen=True, kw_only=True):
    """What the deadline rule took because nobody answered in time. No person's answer."""

    default_id: str
    review_id: str
    action: str
    deadline: int
    taken_at: int


class ReviewDefaulted(Record, frozen=True, kw_only=True):
    """A requested review with the safe default. An event of its own, so that nobody who counts answers can
    take silence for one."""

    requested: ReviewRequested
    default: SafeDefault


class InformationGiven(Record, frozen=True, kw_only=True):
    """The answer to a question that somebody asked in a review. ``lease_epoch`` says which question: the one
    of the step ``paused`` with this epoch."""

    review_id: str
    decision_id: str
    lease_epoch: int
    information: str
    given_by: str
    given_at: int


class ReviewLifecycle(Record, frozen=True, kw_only=True):
    """One step in the life of a review. ``state`` is the state after it, as JSON: the queue can be
    rebuilt from the last step of every review."""

    event_id: str
    review_id: str
    decision_id: str
    pool: str
    event: str
    actor: str
    at: int
    lease_epoch: int
    state: str
    detail: str


# --- decisions.resolved, outcomes.observed --------------------------------------------------------


class Resolution(Record, frozen=True, kw_only=True):
    """The one final, actionable answer for a decision."""

    resolution_id: str
    action: str
    changes: str | None
    decided_by: DecidedBy
    level: int
    review_id: str | None
    reviewer: str | None
    agreed: bool | None
    category: OverrideCategory | None
    reason_code: str
    reasoning: str
    resolved_at: int


class DecisionResolved(Record, frozen=True, kw_only=True):
    """A routed decision with its resolution."""

    routed: DecisionRouted
    resolution: Resolution


class ObservedOutcome(Record, frozen=True, kw_only=True):
    """A truth about a decision that arrived later."""

    observation_id: str
    decision_id: str
    kind: ObservationKind
    correct_action: str | None
    observed_at: int
    source: str
    note: str


class DecisionWithdrawn(Record, frozen=True, kw_only=True):
    """Nobody needs this decision any more: its open reviews end unanswered."""

    decision_id: str
    reason: str
    withdrawn_by: str
    at: int


# --- feedback.* -----------------------------------------------------------------------------------


class Feedback(Record, frozen=True, kw_only=True):
    """What one human decision teaches; the topic is the sink (training, rule, policy, coaching)."""

    feedback_id: str
    decision_id: str
    decision_type: str
    learning_key: str
    sink: str
    category: OverrideCategory | None
    facts: str
    ai_action: str
    final_action: str
    changes: str | None
    confidence: float
    consequence_class: ConsequenceClass
    reason_code: str
    reasoning: str
    note: str
    tags: list[str]
    reviewer: str
    blind: bool
    inclusion_probability: float
    proposal: str
    decided_at: int


# --- learning.cases, thresholds.updated, calibration.updated, patterns.detected -------------------


class ScoreTally(Record, frozen=True, kw_only=True):
    """How many decisions of one learning key a batch routed, by score bin: the traffic that labels
    are a sample of. ``bins`` holds (bin, decisions, automated) flattened in threes."""

    learning_key: str
    epoch: int
    bins: list[int]
    policy_threshold: float
    routed_at: int


class LearningLabel(Record, frozen=True, kw_only=True):
    """One decision whose recommendation was judged. ``evidence`` marks the uniform blind sample,
    the only labels that speak about automation's error without a correction. ``handling`` is how long, in
    ms, the person had it in hand."""

    label_id: str
    decision_id: str
    learning_key: str
    decision_type: str
    epoch: int
    raw: float
    score: float
    level: int
    automated: bool
    evidence: bool
    inclusion_probability: float
    source: str
    kind: ReviewKind
    blind: bool
    reviewer: str
    error: bool
    decided_at: int
    labelled_at: int
    handling: int | None = None


class ThresholdUpdated(Record, frozen=True, kw_only=True):
    """A learning key's threshold after a change, with the evidence for it and a sentence that a
    manager understands. ``certified`` stays ``None`` until a certificate was earned. While a canary runs
    only the drawn ``canary_share`` is automated below ``canary_above``."""

    learning_key: str
    version: int
    epoch: int
    threshold: float
    previous: float
    cap: float
    floor: float
    certified: float | None
    evidence_probability: float
    automated: int
    labels: int
    errors: int
    labels_needed: int
    error_estimate: float | None
    reason: str
    updated_at: int
    canary_above: float | None = None
    canary_share: float = 1.0
    awaiting: float | None = None
    frozen: bool = False
    delta_spent: float = 0.0
    catch_rate: float = 1.0
    actor: str = ""


class ThresholdOrder(StrEnum):
    """What a person may ask of a learning key's threshold."""

    FREEZE = "freeze"
    """No further expansion; tightening goes on."""
    UNFREEZE = "unfreeze"
    """Expansions are possible again."""
    ROLLBACK = "rollback"
    """Back to before the last expansion, and frozen."""
    CONFIRM = "confirm"
    """Yes to the expansion that waits."""
    RESTART = "restart"
    """Count evidence anew, with the whole delta: nothing of what was certified counts any more."""


class ThresholdOrdered(Record, frozen=True, kw_only=True):
    """A person's order about the threshold of a learning key, in line with the labels that it follows."""

    order_id: str
    learning_key: str
    order: ThresholdOrder
    actor: str
    reason: str
    ordered_at: int


class CalibrationUpdated(Record, frozen=True, kw_only=True):
    """Platt parameters of a learning key: logit(p) = slope * logit(raw) + intercept."""

    learning_key: str
    version: int
    slope: float
    intercept: float
    labels: int
    updated_at: int


class PatternDetected(Record, frozen=True, kw_only=True):
    """Something in the outcomes that a person should look at, with the action to take."""

    pattern_id: str
    pattern: str
    learning_key: str
    segment: str
    value: float
    limit: float
    count: int
    text: str
    action: str
    detected_at: int


class SessionRecorded(Record, frozen=True, kw_only=True):
    """One step of a calibration session or onboarding set: opened, answered or closed. Nothing of it is
    acted on."""

    event_id: str
    session_id: str
    event: str
    actor: str
    at: int
    detail: str


class StandingRule(Record, frozen=True, kw_only=True):
    """A rule that one person proposed and another may approve, for a while. It covers decisions of its type
    whose recommendation is ``action`` (any, where that is empty), up to ``max_class`` and ``max_amount``,
    for which ``condition`` (CEL) holds. ``min_level`` and ``pool`` are an exception's."""

    rule_id: str
    kind: RuleKind
    decision_type: str
    condition: str
    action: str
    max_class: ConsequenceClass
    max_amount: float | None
    min_level: int
    pool: str | None
    reason: str
    source_review: str | None
    proposed_by: str
    proposed_at: int
    expires_at: int


class RuleChanged(Record, frozen=True, kw_only=True):
    """One step in the life of a standing rule, with the rule whole. ``excluded`` are the subjects and
    submitters that the actor must not judge: a rule does not speak about them."""

    rule: StandingRule
    change: RuleChange
    actor: str
    at: int
    reason: str
    excluded: list[str]


class LearningChanged(Record, frozen=True, kw_only=True):
    """Where a work item of a feedback sink stands after a step: ``assigned`` to somebody, or ``closed``."""

    item_id: str
    sink: str
    decision_type: str
    state: str
    assignee: str
    result: str
    actor: str
    at: int


class PolicyProposed(Record, frozen=True, kw_only=True):
    """One step of a policy on its way into force where two people must want it: ``proposed``,
    ``confirmed`` or ``rejected``."""

    proposal_id: str
    step: str
    policy_version: str
    policy: str
    base_version: str
    proposed_by: str
    proposed_at: int
    actor: str
    at: int
    reason: str


class PolicyActivated(Record, frozen=True, kw_only=True):
    """A policy that every worker takes from here on, whole. ``proposed_by`` is empty where one person may
    activate."""

    policy_version: str
    policy: str
    activated_by: str
    activated_at: int
    proposed_by: str = ""


# --- privacy.keys ---------------------------------------------------------------------------------


class SubjectKey(Record, frozen=True, kw_only=True):
    """A key under which records about a subject are encrypted; or, with ``erased_at``, that it is gone:
    then ``subject`` and ``key`` (hex) are empty, and nobody can read those records again."""

    key_id: str
    subject: str
    key: str
    created_at: int
    erased_at: int | None = None
    erased_by: str = ""
    reason: str = ""
