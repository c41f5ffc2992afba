"""What a proposal of a standing rule must say. Pure; its condition is checked by who can compile it."""

from __future__ import annotations

import math

import msgspec

from app.domain.answers import MAX_TEXT
from app.domain.authority import Denial
from app.domain.events import ConsequenceClass, RuleKind
from app.domain.review import CLASS_RANK
from app.domain.terms import Terms
from app.domain.words import duration


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody proposes. ``lifetime`` in ms from now; ``min_level`` and ``pool`` are an exception's."""

    kind: RuleKind
    decision_type: str
    condition: str
    reason: str
    lifetime: int
    action: str = ""
    max_class: ConsequenceClass = ConsequenceClass.LOW
    max_amount: float | None = None
    min_level: int = 3
    pool: str | None = None
    source_review: str | None = None


def incomplete_proposal(proposal: Proposal, terms: Terms | None, types: tuple[str, ...]) -> dict[str, Denial]:
    """What is wrong, by field; ``terms`` is ``None`` for a type that is none of ``types``."""
    if terms is None:
        hint = f"one of: {', '.join(types)}"
        return {"decision_type": Denial("unknown_type", f"no decision type '{proposal.decision_type}'", hint)}
    wrong: dict[str, Denial] = {}
    if not proposal.reason.strip():
        wrong["reason"] = Denial("missing", "say why this rule is right", "whoever approves it reads it")
    for field in ("reason", "condition"):
        if len(getattr(proposal, field)) > MAX_TEXT:
            wrong[field] = Denial("too_long", f"no more than {MAX_TEXT} characters")
    if not 0 < proposal.lifetime <= terms.rules_longest:
        longest = duration(terms.rules_longest)
        wrong["expires"] = Denial("too_long", f"a rule of this type lives at most {longest}", "give it less")
    if proposal.max_amount is not None and not (
        math.isfinite(proposal.max_amount) and proposal.max_amount > 0
    ):
        wrong["max_amount"] = Denial("not_a_number", "the largest amount is a number above zero")
    elif proposal.max_amount is not None and terms.amount_fact is None:
        wrong["max_amount"] = Denial(
            "no_amount", "cases of this type are not about an amount", "leave it out"
        )
    if proposal.action and proposal.action not in terms.actions:
        known = ", ".join(terms.actions)
        wrong["action"] = Denial("unknown_action", f"'{proposal.action}' is no action", f"one of: {known}")
    if proposal.kind is RuleKind.AUTO_APPROVE:
        wrong |= _looser(proposal, terms)
    else:
        wrong |= _stricter(proposal, terms)
    return wrong


def _looser(proposal: Proposal, terms: Terms) -> dict[str, Denial]:
    wrong: dict[str, Denial] = {}
    if not terms.rules_may_approve:
        wrong["kind"] = Denial("type_excluded", "the policy keeps every case of this type for people")
    elif terms.audit_rate <= 0.0:
        wrong["kind"] = Denial(
            "no_spot_checks", "this type has no spot checks: nobody would see errors", "set audit_rate"
        )
    if not proposal.action:
        known = ", ".join(terms.actions)
        wrong["action"] = Denial("missing", "say which recommendation may run", f"one of: {known}")
    if CLASS_RANK[proposal.max_class] < CLASS_RANK[terms.rules_max_class]:
        allowed = terms.rules_max_class.value
        wrong["max_class"] = Denial("above_the_class", f"rules of this type go up to {allowed} consequence")
    return wrong


def _stricter(proposal: Proposal, terms: Terms) -> dict[str, Denial]:
    wrong: dict[str, Denial] = {}
    if proposal.min_level not in (3, 4, 5):
        wrong["min_level"] = Denial("unknown_level", "an exception asks for level 3, 4 or 5")
    if proposal.pool is not None and proposal.pool != terms.expert_pool:
        wrong["pool"] = Denial(
            "not_stricter",
            "an exception sends cases to people with more authority",
            f"leave it out, or name {terms.expert_pool}",
        )
    return wrong
