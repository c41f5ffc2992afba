"""Standing rules: proposed by one person, approved by another, for a while. Their life, and who is in force.

A rule's life is at most three facts: it was proposed, it was approved, it ended. Each has a record key of its
own on the compacted topic, and an end counts whatever else is there: readers agree in whatever order they
hear, and compaction can not bring a rule back to life. Pure (docs/rules.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from app.domain.events import DecisionRouted, RuleChange, RuleChanged, RuleKind, StandingRule
from app.domain.learning.proportions import binomial_at_least
from app.domain.terms import RuleEvaluator
from app.domain.words import moment, percent

SYSTEM = "hitl"
"""Who ends a rule that ends by itself."""
AUTO_APPROVED = "auto_approve_rule"
"""Step of the reason by which a rule, not its score, let a decision run without a person."""
EXCEPTION = "exception_rule"
"""Step of the reason by which a rule asked for more human involvement."""


class RuleState(StrEnum):
    """Where a rule stands."""

    PROPOSED = "proposed"
    ACTIVE = "active"
    REJECTED = "rejected"
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    EXPIRED = "expired"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one rule."""

    proposed: RuleChanged | None = None
    approved: RuleChanged | None = None
    ended: RuleChanged | None = None

    @property
    def rule(self) -> StandingRule:
        """The rule; what was approved is what its approver saw."""
        first = self.approved or self.proposed or self.ended
        if first is None:
            raise ValueError("nothing is known of this rule")
        return first.rule

    @property
    def approved_by(self) -> str:
        """Who approved it; empty while nobody has."""
        return self.approved.actor if self.approved else ""

    def state(self, now: int) -> RuleState:
        """Where it stands at ``now`` (ms UTC)."""
        if self.ended is not None:
            return RuleState(self.ended.change.value)
        if now >= self.rule.expires_at:
            return RuleState.EXPIRED
        return RuleState.ACTIVE if self.approved is not None else RuleState.PROPOSED

    def noted(self, event: RuleChanged) -> Standing:
        """The same after an event. A second end changes nothing: the first reason stands."""
        if event.change is RuleChange.PROPOSED:
            return msgspec.structs.replace(self, proposed=event)
        if event.change is RuleChange.APPROVED:
            return msgspec.structs.replace(self, approved=event)
        return self if self.ended is not None else msgspec.structs.replace(self, ended=event)


class Approved(msgspec.Struct, frozen=True, kw_only=True):
    """A rule in force, as routing knows it. ``excluded`` are the subjects and submitters that one of the two
    people must not judge."""

    rule: StandingRule
    approved_by: str
    approved_at: int
    excluded: frozenset[str]

    def holds_at(self, at: int) -> bool:
        """Whether a decision that arrived at ``at`` (ms UTC) came within its time."""
        return self.approved_at <= at < self.rule.expires_at

    @property
    def title(self) -> str:
        """The rule and who stands behind it, as a reason begins."""
        kind = "auto-approve" if self.rule.kind is RuleKind.AUTO_APPROVE else "exception"
        return (
            f"{kind} rule {self.rule.rule_id}, proposed by {self.rule.proposed_by}, approved by "
            f"{self.approved_by}, until {moment(self.rule.expires_at)}"
        )


class RulesInForce(msgspec.Struct, frozen=True):
    """The rules of one decision type, with their conditions compiled together."""

    rules: tuple[Approved, ...] = ()
    evaluate: RuleEvaluator = lambda _context: []


NO_RULES = RulesInForce()


class SpotChecks(msgspec.Struct, frozen=True):
    """How often a rule was used, and how people judged what they checked of that."""

    uses: int = 0
    checked: int = 0
    overridden: int = 0


def record_key(event: RuleChanged) -> str:
    """The key of an event on ``rules.changed``: all ends share one."""
    step = event.change if event.change in (RuleChange.PROPOSED, RuleChange.APPROVED) else "ended"
    return f"{event.rule.rule_id}/{step}"


def approved_rule(standing: Standing) -> Approved | None:
    """The rule as routing follows it, or ``None``: not approved by a second person, or over."""
    approved = standing.approved
    if approved is None or standing.ended is not None or approved.actor == approved.rule.proposed_by:
        return None
    proposed = standing.proposed.excluded if standing.proposed else []
    return Approved(
        rule=approved.rule,
        approved_by=approved.actor,
        approved_at=approved.at,
        excluded=frozenset((*proposed, *approved.excluded, approved.actor, approved.rule.proposed_by)),
    )


def noted(book: Mapping[str, Standing], event: RuleChanged) -> dict[str, Standing]:
    """The book after an event; ``book`` stays as it was."""
    name = event.rule.rule_id
    return {**book, name: book.get(name, Standing()).noted(event)}


def auto_approved_by(routed: DecisionRouted) -> str | None:
    """The rule that let a decision run without a person, if one did."""
    return next((reason.code for reason in routed.route.reasons if reason.step == AUTO_APPROVED), None)


def rules_of(routed: DecisionRouted) -> frozenset[str]:
    """Every standing rule that took part in a route."""
    return frozenset(
        reason.code for reason in routed.route.reasons if reason.step in (AUTO_APPROVED, EXCEPTION)
    )


def suspicion(checks: SpotChecks, *, alpha: float, level: float) -> str | None:
    """Why a rule must end: its spot checks were overridden more often than the type's target ``alpha``
    allows, by an exact binomial test at ``level``; ``None`` while they were not.

    One-sided, and looked at after every check: a rule that just meets the target is ended more often than
    ``level`` says. It errs towards people.

    >>> suspicion(SpotChecks(100, 50, 2), alpha=0.02, level=0.05) is None
    True
    >>> suspicion(SpotChecks(100, 50, 4), alpha=0.02, level=0.05)
    '4 of 50 spot checks were overridden; at the target of 2 % that many has a chance of 1.8 %'
    """
    if checks.overridden == 0:
        return None
    chance = binomial_at_least(checks.overridden, checks.checked, alpha)
    if chance >= level:
        return None
    return (
        f"{checks.overridden} of {checks.checked} spot checks were overridden; at the target of "
        f"{percent(alpha)} that many has a chance of {percent(round(chance, 3))}"
    )
