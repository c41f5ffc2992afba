"""The one way in for what people do about standing rules, whatever the entry (docs/rules.md).

Each method asks ``app.domain.authority`` first. What it writes is an event on ``rules.changed``; routing
follows that topic, and so does every desk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import msgspec

from app.desk.errors import InvalidRuleError, NotAllowedError, RuleConflictError, UnknownRuleError
from app.domain.authority import Denial, Matter, RuleDeed, RuleMatter, rule_refused
from app.domain.events import (
    ReviewDecided,
    ReviewKind,
    RuleChange,
    RuleChanged,
    RuleKind,
    StandingRule,
)
from app.domain.people import Directory, Profile
from app.domain.rule_proposal import Proposal, incomplete_proposal
from app.domain.rule_trial import Trial, tried
from app.domain.standing_rules import RuleState, SpotChecks, Standing, record_key
from app.domain.terms import Terms
from app.policy.compiled import CompiledPolicy
from app.policy.expression_text import ExpressionError
from app.policy.expressions import Expressions, check_condition
from app.review_queue.rule_tallies import RuleTallies


class RuleView(msgspec.Struct, frozen=True, kw_only=True):
    """A rule as one person sees it, with what this person may do now."""

    standing: Standing
    state: RuleState
    checks: SpotChecks
    may: frozenset[RuleDeed]


class RuleDesk:
    """``known`` gives every rule by id, ``write`` stores an event and makes it known here before it returns.
    ``answered`` gives recent answers for trials. ``new_id`` gives an id that nobody has had; ``clock`` gives
    ms UTC."""

    def __init__(
        self,
        known: Callable[[], Mapping[str, Standing]],
        write: Callable[[str, RuleChanged], None],
        policy: Callable[[], CompiledPolicy],
        tallies: RuleTallies,
        *,
        answered: Callable[[str], Sequence[ReviewDecided]],
        clock: Callable[[], int],
        new_id: Callable[[], str],
    ) -> None:
        self._known = known
        self._write = write
        self._policy = policy
        self._tallies = tallies
        self._answered = answered
        self._clock = clock
        self._new_id = new_id
        self._one_at_a_time = threading.Lock()

    # --- looking -----------------------------------------------------------------------------------

    def list(self, who: Profile) -> list[RuleView]:
        """The rules that this person may see: in force and waiting first, then the latest."""
        seen = [one for one in self._known().values() if self._refused(who, RuleDeed.LOOK, one) is None]
        checks = self._tallies.of([one.rule.rule_id for one in seen])
        views = [self._view(who, one, checks[one.rule.rule_id]) for one in seen]
        waiting = {RuleState.ACTIVE: 0, RuleState.PROPOSED: 1}
        return sorted(views, key=lambda v: (waiting.get(v.state, 2), -v.standing.rule.proposed_at))

    def show(self, who: Profile, rule_id: str) -> RuleView:
        """One rule. Raises ``UnknownRuleError``, also for one that this person may not see."""
        standing = self._standing(who, rule_id)
        return self._view(who, standing, self._tallies.of([rule_id])[rule_id])

    def trial(self, who: Profile, rule_id: str) -> Trial:
        """What a rule would have done to the cases that people answered recently."""
        rule = self._standing(who, rule_id).rule
        terms = self._policy().terms.get(rule.decision_type)
        if terms is None:
            return Trial()
        condition = Expressions([rule.condition], conditions=True)
        return tried(rule, self._answered(rule.decision_type), terms, condition.evaluate)

    # --- changing ----------------------------------------------------------------------------------

    def propose(self, who: Profile, proposal: Proposal) -> RuleView:
        """Propose a rule. Raises ``InvalidRuleError`` with every field that is wrong, ``NotAllowedError``."""
        policy, now = self._policy(), self._clock()
        terms = policy.terms.get(proposal.decision_type)
        wrong = incomplete_proposal(proposal, terms, tuple(policy.terms))
        if terms is not None and (said := condition_wrong(proposal.condition, terms)) is not None:
            wrong["condition"] = said
        if wrong:
            raise InvalidRuleError(wrong)
        rule = StandingRule(
            rule_id=self._new_id(),
            kind=proposal.kind,
            decision_type=proposal.decision_type,
            condition=proposal.condition.strip(),
            action=proposal.action,
            max_class=proposal.max_class,
            max_amount=proposal.max_amount,
            min_level=2 if proposal.kind is RuleKind.AUTO_APPROVE else proposal.min_level,
            pool=proposal.pool,
            reason=proposal.reason.strip(),
            source_review=proposal.source_review,
            proposed_by=who.name,
            proposed_at=now,
            expires_at=now + proposal.lifetime,
        )
        event = _event(rule, RuleChange.PROPOSED, who, now)
        denial = self._refused(who, RuleDeed.PROPOSE, Standing(proposed=event))
        if denial is not None:
            raise NotAllowedError(denial)
        self._write(record_key(event), event)
        return self.show(who, rule.rule_id)

    def approve(self, who: Profile, rule_id: str, reason: str = "") -> RuleView:
        """Put a rule in force. Safe to repeat by the same person."""
        return self._step(who, rule_id, RuleDeed.APPROVE, RuleChange.APPROVED, reason)

    def reject(self, who: Profile, rule_id: str, reason: str) -> RuleView:
        """Say no to a rule that nobody has approved."""
        return self._step(who, rule_id, RuleDeed.REJECT, RuleChange.REJECTED, reason)

    def revoke(self, who: Profile, rule_id: str, reason: str) -> RuleView:
        """End a rule at once, for good."""
        return self._step(who, rule_id, RuleDeed.REVOKE, RuleChange.REVOKED, reason)

    def _step(self, who: Profile, rule_id: str, deed: RuleDeed, change: RuleChange, reason: str) -> RuleView:
        with self._one_at_a_time:
            standing, now = self._standing(who, rule_id), self._clock()
            denial = self._refused(who, deed, standing)
            if denial is not None:
                raise NotAllowedError(denial)
            if _repeated(standing, change, who.name):
                return self.show(who, rule_id)
            if (state := standing.state(now)) not in _BEFORE[deed]:
                raise RuleConflictError(rule_id, state)
            if deed is not RuleDeed.APPROVE and not reason.strip():
                raise InvalidRuleError({"reason": Denial("missing", "say why", "others read it")})
            if deed is RuleDeed.APPROVE:
                self._still_fits(standing.rule)
            event = _event(standing.rule, change, who, now, reason.strip())
            self._write(record_key(event), event)
        return self.show(who, rule_id)

    def _still_fits(self, rule: StandingRule) -> None:
        """The policy may have changed since the proposal."""
        terms = self._policy().terms.get(rule.decision_type)
        said = condition_wrong(rule.condition, terms) if terms else Denial("unknown_type", "the type is gone")
        if said is not None:
            raise InvalidRuleError({"condition": said})

    # --- authority ---------------------------------------------------------------------------------

    @property
    def _directory(self) -> Directory:
        return self._policy().directory

    def _standing(self, who: Profile, rule_id: str) -> Standing:
        standing = self._known().get(rule_id)
        if standing is None or self._refused(who, RuleDeed.LOOK, standing) is not None:
            raise UnknownRuleError(rule_id)
        return standing

    def _refused(self, who: Profile, deed: RuleDeed, standing: Standing) -> Denial | None:
        return rule_refused(self._directory, who, deed, self._matter(standing), self._clock())

    def _matter(self, standing: Standing) -> RuleMatter:
        """The hardest case that the rule covers. A type that has left the policy has no pool of anybody."""
        rule = standing.rule
        terms = self._policy().terms.get(rule.decision_type)
        return RuleMatter(
            hardest=Matter(
                review_id="",
                pool=terms.pool if terms else "",
                kind=ReviewKind.REVIEW,
                decision_type=rule.decision_type,
                consequence_class=rule.max_class,
                has_amount=terms is None or terms.amount_fact is not None,
                amount=rule.max_amount,
                subject="",
                submitted_by="",
            ),
            actions=(rule.action,) if rule.action else (terms.actions if terms else ()),
            proposed_by=rule.proposed_by,
            approved_by=standing.approved_by,
        )

    def _view(self, who: Profile, standing: Standing, checks: SpotChecks) -> RuleView:
        state = standing.state(self._clock())
        may = frozenset(
            deed
            for deed, before in _BEFORE.items()
            if state in before and self._refused(who, deed, standing) is None
        )
        return RuleView(standing=standing, state=state, checks=checks, may=may)


_BEFORE: Mapping[RuleDeed, frozenset[RuleState]] = {
    RuleDeed.APPROVE: frozenset({RuleState.PROPOSED}),
    RuleDeed.REJECT: frozenset({RuleState.PROPOSED}),
    RuleDeed.REVOKE: frozenset({RuleState.PROPOSED, RuleState.ACTIVE}),
}
"""In which states each deed makes sense."""


def condition_wrong(condition: str, terms: Terms) -> Denial | None:
    """What is wrong with a condition, with line and column and what would be allowed; ``None`` if nothing."""
    try:
        check_condition(condition, tuple(terms.fact_types) or None)
    except ExpressionError as error:
        allowed = f"; allowed: {', '.join(error.allowed)}" if error.allowed else ""
        text = f"line {error.line}, column {error.column}: {error}{allowed}"
        return Denial("bad_condition", text, error.hint or "conditions are explained in docs/policy.md")
    return None


def _repeated(standing: Standing, change: RuleChange, name: str) -> bool:
    """The same person says the same once more."""
    last = standing.ended or standing.approved
    return last is not None and last.change is change and last.actor == name


def _event(rule: StandingRule, change: RuleChange, who: Profile, now: int, reason: str = "") -> RuleChanged:
    excluded = sorted(who.identities | who.conflicts | {who.name})
    return RuleChanged(rule=rule, change=change, actor=who.name, at=now, reason=reason, excluded=excluded)
