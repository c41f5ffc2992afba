"""DecisionScored -> Route: who decides, why, and what was drawn at random with which probability.

The steps, in order (docs/routing.md): hard rules, signals and input, the preset on the adjusted
confidence, the threshold in force, authority, the type's minimum and maximum, standing rules, then the
random parts.
Nothing but a valid score of at least the threshold runs without a person, or what two people agreed on in a
standing rule; every other step can only add human involvement, except a certificate, which may move one step
down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from app.domain.adjustments import adjust
from app.domain.arms import draw
from app.domain.authority_shift import decided_level
from app.domain.events import (
    Assessment,
    ConsequenceClass,
    DecisionRouted,
    DecisionSubmitted,
    OnDeadline,
    Reason,
    Route,
)
from app.domain.evidence import Draws
from app.domain.expression_context import with_assessment
from app.domain.findings import MISSING_FACTS, NOTICES
from app.domain.ids import derived_id
from app.domain.rule_effect import with_standing_rules
from app.domain.standing_rules import AUTO_APPROVED, EXCEPTION, NO_RULES, RulesInForce
from app.domain.terms import Context, RuleTerms, SignalAction, Terms
from app.domain.thresholds import ThresholdInForce
from app.domain.words import LEVELS, SIGNALS, against

SIGNAL_LEVELS = {
    SignalAction.FLAG: 1,
    SignalAction.REVIEW: 3,
    SignalAction.EXPERT: 4,
    SignalAction.INTERPRET: 4,
    SignalAction.ASK: 4,
}
_SIGNAL_WORDS = {
    SignalAction.FLAG: "note it",
    SignalAction.REVIEW: "a person approves",
    SignalAction.EXPERT: "an expert decides",
    SignalAction.INTERPRET: "a person interprets the rules",
    SignalAction.ASK: "ask for what is missing",
}


class RuleOutcome(msgspec.Struct, frozen=True, gc=False):
    """What the hard rules ask for."""

    minimum: int
    matched: RuleTerms | None


NO_RULE = RuleOutcome(1, None)
NO_CONTEXT: Context = {}


def learning_key(
    decision: DecisionSubmitted, segment: str | None = None, context: Context = NO_CONTEXT
) -> str:
    """Decisions with the same key learn together: decision type, model version and, where the policy names a
    fact for it (``terms.learning.segment``), its value in ``context``."""
    key = f"{decision.decision_type}|{decision.model.name}:{decision.model.version}"
    return key if segment is None else f"{key}|{segment}={segment_of(segment, context)}"


def segment_of(segment: str, context: Context) -> str:
    """The value of a fact as part of a learning key, at most 80 characters; empty where it is missing.

    >>> facts = {"facts": {"country": "DE", "large": True, "risk": 2.0}}
    >>> segment_of("country", facts), segment_of("large", facts), segment_of("risk", facts)
    ('DE', 'true', '2')
    >>> segment_of("region", facts)
    ''
    """
    facts = context.get("facts")
    value = facts.get(segment) if isinstance(facts, Mapping) else None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)[:80]


def decision_type_of(learning_key: str) -> str:
    """The decision type of a key (:func:`learning_key`).

    >>> decision_type_of("expense.approval|expenses:3")
    'expense.approval'
    """
    return learning_key.partition("|")[0]


def route(
    decision: DecisionSubmitted,
    assessment: Assessment,
    context: Context,
    terms: Terms,
    in_force: ThresholdInForce,
    draws: Draws,
    standing: RulesInForce = NO_RULES,
) -> Route:
    """Route one scored decision.

    ``context`` is ``build_context(decision, facts)``, ``in_force`` the threshold of the decision's
    learning key, ``draws`` those of its id, ``standing`` the standing rules of its type. Pure: the same
    arguments give the same route.
    """
    reasons: list[Reason] = []
    answers: list[bool | str] = []
    if terms.rules or terms.adjustments or standing.rules:
        context = with_assessment(context, assessment)
    if terms.rules or terms.adjustments:
        answers = terms.evaluate_rules(context)
    rules = hard_rule(terms.rules, answers, reasons) if terms.rules else NO_RULE
    needed = max(signal_level(assessment, terms, reasons), input_level(assessment, reasons))
    adjusted = adjust(assessment, answers[len(terms.rules) :], terms, in_force, reasons)
    level = decided_level(assessment, adjusted, terms, in_force, reasons, draws.canary)
    level = _within(max(level, needed), rules.minimum, assessment, terms, reasons)
    reserved = max(rules.minimum, needed) > 2
    effect = with_standing_rules(
        level, standing, decision, assessment, context, terms, in_force, reserved=reserved, reasons=reasons
    )
    # What a rule decides is no evidence about scores: only the spot check is drawn.
    q = 0.0 if effect.covered else in_force.evidence_probability
    drawn = draw(effect.level, terms, q, draws, reasons)
    level = drawn.level

    consequence = assessment.consequence.consequence_class
    rule = rules.matched
    sla_class = (rule and rule.sla_class) or terms.sla_by_class.get(consequence, terms.sla_class)
    human = level > 2
    return Route(
        route_id=derived_id(decision.decision_id, "route"),
        level=level,
        action=None if human else decision.recommendation.action,
        score=adjusted.score,
        threshold=in_force.threshold,
        threshold_version=in_force.version,
        learning_key=learning_key(decision, terms.learning.segment, context),
        epoch=in_force.epoch,
        reasons=reasons,
        evidence=drawn.evidence,
        evidence_probability=q,
        audit=drawn.audit,
        audit_probability=drawn.audit_probability,
        arm=drawn.arm,
        arm_probability=drawn.arm_probability,
        review_kinds=drawn.kinds,
        pool=(rule and rule.pool) or effect.pool or (terms.expert_pool if level > 3 else terms.pool),
        sla_class=sla_class,
        deadline=_deadline(decision, assessment, terms, sla_class, human) if drawn.kinds else None,
        on_deadline=_on_deadline(consequence, terms, reasons) if human else terms.on_deadline,
        approvals=max(1, rule.approvals) if rule and human else 1,
        policy_version=terms.policy_version,
    )


def hard_rule(
    rules: Sequence[RuleTerms], answers: Sequence[bool | str], reasons: list[Reason]
) -> RuleOutcome:
    """The first rule that holds; one that could not be evaluated on the way asks for a person.

    A rule that needs several approvals needs people, whatever its minimum level says. The ``limit`` of a
    rule's reason is the minimum level it asks for.
    """
    minimum = 1
    for rule, answer in zip(rules, answers, strict=False):
        if answer is False:
            continue
        if answer is True:
            asked = max(rule.min_level, 3) if rule.approvals > 1 else rule.min_level
            reasons.append(Reason(step="rule", code=rule.name, text=rule.text, limit=float(asked)))
            return RuleOutcome(max(minimum, asked), rule)
        minimum = 3
        text = f"the rule '{rule.text}' could not be evaluated ({answer}): a person looks at it"
        reasons.append(Reason(step="rule", code=rule.name, text=text, limit=3.0))
    return RuleOutcome(minimum, None)


def signal_level(assessment: Assessment, terms: Terms, reasons: list[Reason]) -> int:
    """The least level that weak signals ask for. A signal is weak below its limit; an absent one is
    not weak (its prior already lowers the confidence)."""
    confidence = assessment.confidence
    least = 1
    for signal in terms.signals:
        value: float | None = getattr(confidence, signal.name, None)
        if value is None or value >= signal.below:
            continue
        level = SIGNAL_LEVELS[signal.action]
        said = against(value, signal.below)
        name = SIGNALS.get(signal.name, signal.name)
        text = f"{name} {said[0]} is below {said[1]}: {_SIGNAL_WORDS[signal.action]}"
        step = "signal" if level > 1 else "flag"
        reasons.append(Reason(step=step, code=signal.name, text=text, value=value, limit=signal.below))
        least = max(least, level)
    return least


def input_level(assessment: Assessment, reasons: list[Reason]) -> int:
    """Invalid confidence: level 4. Any finding but a notice, or a missing fact: at least level 3."""
    least = 1
    for finding in assessment.findings:
        if finding.code in NOTICES:
            reasons.append(Reason(step="flag", code=finding.code, text=finding.text))
        else:
            least = 3
            reasons.append(Reason(step="input", code=finding.code, text=f"{finding.text}: a person decides"))
    if assessment.missing_facts and least == 1:
        least = 3
        text = f"missing or unusable: {', '.join(assessment.missing_facts)}: a person decides"
        reasons.append(Reason(step="input", code=MISSING_FACTS, text=text))
    if not assessment.confidence.valid:
        least = 4
        text = "confidence is unknown: a person decides"
        reasons.append(Reason(step="input", code="confidence_unknown", text=text))
    return least


def eligible(routed: DecisionRouted) -> bool:
    """Whether nothing but its score decided if this decision runs alone.

    The population of the certificate: among eligible decisions, those are automated whose score reaches
    the threshold. Tallies and evidence labels of other decisions must not be counted.
    """
    assessment = routed.scored.assessment
    if not assessment.confidence.valid:
        return False
    if assessment.consequence.consequence_class is not ConsequenceClass.LOW:
        return False
    for reason in routed.route.reasons:
        if reason.step in ("signal", "input", AUTO_APPROVED):
            return False
        if reason.step in ("rule", "minimum", EXCEPTION) and (reason.limit or 0.0) >= 3.0:
            return False
    return True


def _within(level: int, by_rule: int, assessment: Assessment, terms: Terms, reasons: list[Reason]) -> int:
    """The type's maximum, then every minimum: of the type, the consequence class, the matched rule.

    A maximum never hands a decision that needs a person to the machine, and gives way to minimums.
    """
    if level > 3 and level > terms.max_level:
        level = max(3, terms.max_level)
        text = f"this type goes no further than {LEVELS[level]}"
        reasons.append(Reason(step="maximum", code="max_level", text=text, limit=float(terms.max_level)))
    consequence = assessment.consequence.consequence_class
    by_class = terms.level_by_class.get(consequence, 5 if consequence is ConsequenceClass.CRITICAL else 1)
    if by_class > level:
        level = by_class
        text = f"{consequence.value} consequence: {LEVELS[level]}"
        reasons.append(
            Reason(
                step="minimum",
                code=f"class_{consequence.value}",
                text=text,
                value=assessment.consequence.harm,
                limit=float(level),
            )
        )
    if terms.min_level > level:
        level = terms.min_level
        text = f"this type has at least {LEVELS[level]}"
        reasons.append(Reason(step="minimum", code="min_level", text=text, limit=float(level)))
    return max(level, by_rule)


def _deadline(
    decision: DecisionSubmitted, assessment: Assessment, terms: Terms, sla_class: str, human: bool
) -> int | None:
    """When the answer is due; what the decision itself is due counts only while it is undecided."""
    deadline = terms.due(sla_class, assessment.received_at)
    wanted = decision.due_at
    if not human or wanted is None:
        return deadline
    return wanted if deadline is None else min(wanted, deadline)


def _on_deadline(consequence: ConsequenceClass, terms: Terms, reasons: list[Reason]) -> OnDeadline:
    """A safe default only where an error does little harm."""
    if terms.on_deadline is not OnDeadline.SAFE_DEFAULT:
        return terms.on_deadline
    if consequence is ConsequenceClass.LOW and terms.safe_default is not None:
        return OnDeadline.SAFE_DEFAULT
    text = f"no safe default at {consequence.value} consequence: once overdue it is a supervisor's"
    reasons.append(Reason(step="deadline", code="escalate", text=text))
    return OnDeadline.ESCALATE
