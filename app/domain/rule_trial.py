"""What a standing rule would have done: the recent answers to cases that it covers. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from app.domain.events import ReviewDecided, ReviewKind, StandingRule
from app.domain.expression_context import context, with_assessment
from app.domain.facts import Invalid, parse_facts
from app.domain.labels import label_for
from app.domain.review import CLASS_RANK
from app.domain.terms import RuleEvaluator, Terms

MOST = 500
"""Answers of each type that a trial looks back on."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """Of ``looked_at`` answered reviews, ``matching`` were of cases that the rule covers; people answered
    ``as_recommended`` of those so. ``since`` is the time of the oldest answer, ms UTC, 0 for none."""

    looked_at: int = 0
    matching: int = 0
    as_recommended: int = 0
    since: int = 0

    @property
    def words(self) -> str:
        """The trial as a sentence."""
        if not self.looked_at:
            return "Nothing is known of how people answered such cases: no recent answers of this type."
        if not self.matching:
            return f"None of the last {self.looked_at} answered cases of this type would have matched."
        otherwise = self.matching - self.as_recommended
        return (
            f"Of the last {self.looked_at} answered cases of this type {self.matching} would have matched. "
            f"People answered {self.as_recommended} of them as the AI recommended and {otherwise} otherwise."
        )


class RecentAnswers:
    """The last answers of each decision type, each once."""

    def __init__(self) -> None:
        self._by_type: dict[str, dict[str, ReviewDecided]] = defaultdict(dict)

    def add(self, decided: ReviewDecided) -> None:
        """Take an answer. Those that measure reviewers, or only hand a case on, say nothing."""
        if decided.requested.request.kind in (
            ReviewKind.GOLD,
            ReviewKind.CALIBRATION,
            ReviewKind.SECOND_LOOK,
        ):
            return
        if label_for(decided) is not None:
            kept = self._by_type[decided.requested.routed.scored.decision.decision_type]
            kept[decided.answer.answer_id] = decided
            if len(kept) > MOST:
                del kept[next(iter(kept))]

    def of(self, decision_type: str) -> Sequence[ReviewDecided]:
        """Those of a type, the oldest first."""
        return tuple(self._by_type.get(decision_type, {}).values())


def tried(
    rule: StandingRule, answered: Sequence[ReviewDecided], terms: Terms, evaluate: RuleEvaluator
) -> Trial:
    """The rule on past answers; ``evaluate`` gives its condition."""
    matching = [decided for decided in answered if _matches(rule, decided, terms, evaluate)]
    agreed = sum((label := label_for(decided)) is not None and not label.error for decided in matching)
    return Trial(
        looked_at=len(answered),
        matching=len(matching),
        as_recommended=agreed,
        since=min((decided.answer.decided_at for decided in answered), default=0),
    )


def _matches(rule: StandingRule, decided: ReviewDecided, terms: Terms, evaluate: RuleEvaluator) -> bool:
    scored = decided.requested.routed.scored
    decision, assessment = scored.decision, scored.assessment
    facts = parse_facts(decision.facts)
    if isinstance(facts, Invalid) or (rule.action and decision.recommendation.action != rule.action):
        return False
    if CLASS_RANK[assessment.consequence.consequence_class] < CLASS_RANK[rule.max_class]:
        return False
    if rule.max_amount is not None:
        amount = facts.get(terms.amount_fact) if terms.amount_fact else None
        if not isinstance(amount, int | float) or not amount <= rule.max_amount:
            return False
    return evaluate(with_assessment(context(decision, facts), assessment)) == [True]
