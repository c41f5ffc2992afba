"""What standing rules do to a route: an exception only tightens, an auto-approve rule leads to level 2. Pure.

An auto-approve rule decides whatever it covers, also what would have run by its score: which decisions are
the rule's must not depend on the score, or the rest would be no honest population for a certificate
(docs/decisions/017-rules-beside-the-certificate.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from app.domain.events import (
    Assessment,
    ConsequenceClass,
    DecisionSubmitted,
    Reason,
    RuleKind,
    StandingRule,
)
from app.domain.review import CLASS_RANK
from app.domain.standing_rules import AUTO_APPROVED, EXCEPTION, Approved, RulesInForce
from app.domain.terms import Context, Terms
from app.domain.thresholds import SUSPENDED, ThresholdInForce
from app.domain.words import LEVELS


class Effect(msgspec.Struct, frozen=True, gc=False):
    """The level after the rules, an exception's pool, and whether an auto-approve rule decided."""

    level: int
    pool: str | None = None
    covered: bool = False


def with_standing_rules(
    level: int,
    standing: RulesInForce,
    decision: DecisionSubmitted,
    assessment: Assessment,
    context: Context,
    terms: Terms,
    in_force: ThresholdInForce,
    *,
    reserved: bool,
    reasons: list[Reason],
) -> Effect:
    """Apply the rules of the type to a decided level. ``context`` includes the assessment; ``reserved``: a
    hard rule, a signal or the input asks for a person, so that nothing may be loosened."""
    if not standing.rules:
        return Effect(level)
    answers = standing.evaluate(context)
    found = [
        (approved, answer)
        for approved, answer in zip(standing.rules, answers, strict=True)
        if answer is not False
        and approved.holds_at(assessment.received_at)
        and _within_bounds(approved, decision, assessment, context, terms)
    ]
    tightened = _tightened(level, found, terms, reasons)
    excepted = any(approved.rule.kind is RuleKind.EXCEPTION for approved, _ in found)
    if excepted or reserved or level > 3 or not _may_run(assessment, terms, in_force):
        return tightened
    for approved, answer in found:
        if answer is True and _reaches(approved.rule, assessment, terms):
            text = f"{approved.title}: {approved.rule.reason}"
            reasons.append(Reason(step=AUTO_APPROVED, code=approved.rule.rule_id, text=text, limit=2.0))
            return Effect(2, covered=True)
    return tightened


def _tightened(
    level: int, found: Sequence[tuple[Approved, bool | str]], terms: Terms, reasons: list[Reason]
) -> Effect:
    """Every exception that holds counts; one that could not be evaluated asks for a person."""
    pool: str | None = None
    for approved, answer in found:
        rule = approved.rule
        if rule.kind is not RuleKind.EXCEPTION:
            continue
        minimum = rule.min_level if answer is True else 3
        if answer is True:
            text = f"{approved.title}: {rule.reason}: at least {LEVELS.get(minimum, f'level {minimum}')}"
        else:
            text = f"{approved.title}, could not be evaluated ({answer}): a person looks at it"
        reasons.append(Reason(step=EXCEPTION, code=rule.rule_id, text=text, limit=float(minimum)))
        level = max(level, min(minimum, 5))
        if answer is True and rule.pool == terms.expert_pool:
            pool = terms.expert_pool
    return Effect(level, pool)


def _may_run(assessment: Assessment, terms: Terms, in_force: ThresholdInForce) -> bool:
    """Whether any rule may let this decision run: critical cases, types and classes that the policy keeps
    for people, unusable confidence and automation that recent errors have stopped are out of every rule's
    reach; that nothing is certified yet is not in its way. So is a type without spot checks: nobody would
    see a rule's errors."""
    consequence = assessment.consequence.consequence_class
    return (
        terms.rules_may_approve
        and terms.audit_rate > 0.0
        and assessment.confidence.valid
        and consequence is not ConsequenceClass.CRITICAL
        and terms.min_level < 3
        and terms.level_by_class.get(consequence, 1) < 3
        and in_force.cap < SUSPENDED
    )


def _reaches(rule: StandingRule, assessment: Assessment, terms: Terms) -> bool:
    """An auto-approve rule goes no further than the policy's class allows today."""
    at_most = CLASS_RANK[terms.rules_max_class]
    return (
        rule.kind is RuleKind.AUTO_APPROVE
        and CLASS_RANK[assessment.consequence.consequence_class] >= at_most
        and rule.action != ""
    )


def _within_bounds(
    approved: Approved, decision: DecisionSubmitted, assessment: Assessment, context: Context, terms: Terms
) -> bool:
    """Whether the rule speaks about this decision at all, before its condition. For an exception what is
    unknown counts as covered, for an auto-approve rule as not covered."""
    rule = approved.rule
    exception = rule.kind is RuleKind.EXCEPTION
    if rule.action and decision.recommendation.action != rule.action:
        return False
    if CLASS_RANK[assessment.consequence.consequence_class] < CLASS_RANK[rule.max_class]:
        return False
    if not exception and {decision.subject, decision.submitted_by} & approved.excluded:
        return False
    if rule.max_amount is None:
        return True
    facts = context["facts"]
    amount = facts.get(terms.amount_fact) if isinstance(facts, dict) and terms.amount_fact else None
    if not isinstance(amount, float):
        return exception
    return amount <= rule.max_amount
