"""A decision type, decisions and thresholds for tests of the rules; every part can be replaced."""

from __future__ import annotations

import msgspec

from app.domain.confidence import IDENTITY, Calibration
from app.domain.events import (
    Answer,
    ConsequenceClass,
    DecisionRouted,
    DecisionScored,
    DecisionSubmitted,
    Model,
    OnDeadline,
    Option,
    OverrideCategory,
    ReviewDecided,
    ReviewKind,
    ReviewRequest,
    ReviewRequested,
    Signals,
    ThresholdUpdated,
)
from app.domain.evidence import Draws, draws
from app.domain.facts import build_context, parse_facts
from app.domain.routing import route
from app.domain.scoring import assess
from app.domain.terms import (
    AdjustmentTerms,
    EvidencePlan,
    FactorTerms,
    Preset,
    ReasonCode,
    RuleTerms,
    SignalAction,
    SignalTerms,
    Terms,
)
from app.domain.thresholds import ThresholdInForce, threshold_in_force

NOW = 1_772_443_800_000
HOUR = 3_600_000
DAY = 24 * HOUR
NEVER_DRAWN = Draws(0.999, 0.999, 0.999, 0.5)


def signal(name: str, weight: float, below: float, action: SignalAction, prior: float = 0.5) -> SignalTerms:
    return SignalTerms(name=name, weight=weight, prior=prior, below=below, action=action)


SIGNALS = (
    signal("model_probability", 0.5, 0.0, SignalAction.REVIEW),
    signal("similarity", 0.15, 0.5, SignalAction.FLAG),
    signal("consensus", 0.15, 0.6, SignalAction.EXPERT),
    signal("rule_clarity", 0.1, 0.5, SignalAction.INTERPRET),
    signal("completeness", 0.1, 1.0, SignalAction.ASK),
)
ONLY_PROBABILITY = (signal("model_probability", 1.0, 0.0, SignalAction.REVIEW),)
"""Raw confidence is the model's probability itself."""


def factors_of(context):
    """A small stand-in for CEL: harm is ``facts.harm`` in every factor, ``facts.undo`` undoes."""
    facts = context["facts"]
    harm = facts.get("harm", 0.0)
    return [harm, harm, harm, harm, facts.get("undo", 0.0)]


TERMS = Terms(
    decision_type="expense.approval",
    policy_version="p1",
    question="Approve this expense?",
    preset=Preset.FLOWCHART,
    high_confidence=0.90,
    low_confidence=0.70,
    required_facts=("amount",),
    fact_types={"amount": "number", "category": "string", "vip": "boolean"},
    factors=(
        *(
            FactorTerms(name=name, weight=0.25, expression="facts.harm")
            for name in ("financial", "customer", "compliance", "reputation")
        ),
        FactorTerms(name="undo", weight=0.0, expression="facts.undo"),
    ),
    class_cuts=(0.15, 0.40, 0.75),
    signals=ONLY_PROBABILITY,
    rules=(),
    adjustments=(),
    evaluate_factors=factors_of,
    evaluate_rules=lambda context: [],
    min_level=1,
    max_level=5,
    level_by_class={ConsequenceClass.CRITICAL: 5},
    threshold_floor=0.70,
    guaranteed=False,
    alpha=0.05,
    delta=0.1,
    evidence=EvidencePlan(floor=0.015, initial=1.0, scale=800.0),
    audit_rate=0.1,
    blind_share=0.1,
    second_look_share=0.03,
    gold_share=0.02,
    pool="expenses",
    expert_pool="experts",
    sla_class="standard",
    sla_by_class={},
    sla_durations={"urgent": 4 * HOUR, "standard": DAY},
    on_deadline=OnDeadline.ESCALATE,
    safe_default=None,
    actions=("approve", "reject", "modify", "request_info"),
    reason_codes=(
        ReasonCode(code="agrees", text="right", category=None),
        ReasonCode(code="special_case", text="special", category=OverrideCategory.EDGE_CASE),
        ReasonCode(code="policy_changed", text="policy", category=OverrideCategory.POLICY_CHANGE),
        ReasonCode(code="earlier_mistake", text="mistake", category=OverrideCategory.HUMAN_ERROR),
    ),
    policy_reference="Expense policy 4.2",
    policy_text="Travel up to 5,000 is approved by the team.",
    disclosure="A person decided.",
    disclosure_automated="An AI decided.",
    history_length=3,
    max_future=DAY,
    max_age=365 * DAY,
    min_volume=0,
)


def terms(**changes):
    return msgspec.structs.replace(TERMS, **changes)


def with_rules(*rules, answers, adjustments=(), **changes):
    return terms(
        rules=rules, adjustments=adjustments, evaluate_rules=lambda context: list(answers), **changes
    )


def rule(name="big", min_level=3, *, pool=None, sla_class=None, approvals=1, expression="facts.amount > 1"):
    return RuleTerms(
        name=name,
        text=f"the rule {name}",
        expression=expression,
        min_level=min_level,
        pool=pool,
        sla_class=sla_class,
        approvals=approvals,
    )


def adjustment(shift, name="context", *, starts_at=None, half_life=None):
    return AdjustmentTerms(
        name=name,
        text=f"the context {name}",
        expression="true",
        shift=shift,
        starts_at=starts_at,
        half_life=half_life,
    )


def decision(probability=0.95, *, facts='{"amount": 40, "harm": 0.0}', decision_id="exp-001", **changes):
    given = {
        "decision_id": decision_id,
        "decision_type": "expense.approval",
        "occurred_at": NOW - HOUR,
        "subject": "emp-17",
        "submitted_by": "svc",
        "recommendation": Option(action="approve", probability=probability, rationale="matches policy 4.2"),
        "alternatives": [Option(action="reject", probability=0.05, rationale="unusual vendor")],
        "facts": facts,
        "signals": Signals(),
        "factors": None,
        "model": Model(name="expenses", version="3"),
        "due_at": None,
        "links": ["https://example.org/exp-001"],
    }
    return DecisionSubmitted(**{**given, **changes})


def update(**changes):
    given = {
        "learning_key": "expense.approval|expenses:3",
        "version": 7,
        "epoch": 2,
        "threshold": 0.9,
        "previous": 0.9,
        "cap": 0.0,
        "floor": 0.9,
        "certified": None,
        "evidence_probability": 0.05,
        "automated": 100,
        "labels": 500,
        "errors": 4,
        "labels_needed": 100,
        "error_estimate": None,
        "reason": "the learner's words",
        "updated_at": NOW,
    }
    return ThresholdUpdated(**{**given, **changes})


def quiet(given: Terms, **changes) -> ThresholdInForce:
    """In force without an evidence sample, so that a test sees one thing at a time."""
    in_force = threshold_in_force(given, None)
    return msgspec.structs.replace(in_force, evidence_probability=0.0, **changes)


def assessed(submitted, given=TERMS, calibration: Calibration = IDENTITY, received_at=NOW):
    facts = parse_facts(submitted.facts)
    context = build_context(submitted, facts)
    return assess(submitted, facts, context, received_at, given, calibration), context


def routed(
    submitted, given=TERMS, in_force=None, drawn=NEVER_DRAWN, calibration: Calibration = IDENTITY
) -> DecisionRouted:
    assessment, context = assessed(submitted, given, calibration)
    scored = DecisionScored(decision=submitted, assessment=assessment)
    taken = route(submitted, assessment, context, given, in_force or quiet(given), drawn)
    return DecisionRouted(scored=scored, route=taken)


def drawn_for(decision_id: str) -> Draws:
    return draws(b"a fixed secret of tests", decision_id)


def answered(story: DecisionRouted, action="approve", *, kind=ReviewKind.REVIEW, **changes) -> ReviewDecided:
    request = ReviewRequest(
        review_id="expenses.1",
        kind=kind,
        pool="expenses",
        sla_class="standard",
        consequence_class=story.scored.assessment.consequence.consequence_class,
        requested_at=NOW,
        deadline=NOW + DAY,
        approvals=1,
        blind=False,
        package="{}",
        package_digest="d",
    )
    given = {
        "answer_id": "a-1",
        "review_id": "expenses.1",
        "reviewer": "ann",
        "action": action,
        "changes": None,
        "reasoning": "looks right",
        "reason_code": "agrees",
        "category": None,
        "note": "",
        "tags": [],
        "first_action": None,
        "package_digest": "d",
        "lease_epoch": 1,
        "claimed_at": NOW,
        "decided_at": NOW + HOUR,
    }
    return ReviewDecided(
        requested=ReviewRequested(routed=story, request=request), answer=Answer(**{**given, **changes})
    )
