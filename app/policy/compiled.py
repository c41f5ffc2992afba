"""A checked policy in the form that the domain works with: terms per decision type, expressions compiled."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from app.domain.assignment import PushTerms
from app.domain.events import ConsequenceClass
from app.domain.fatigue import FatigueLimits
from app.domain.people import Directory
from app.domain.terms import (
    AdjustmentTerms,
    EvidencePlan,
    FactorTerms,
    FactWords,
    ReasonCode,
    RuleTerms,
    SignalTerms,
    Terms,
)
from app.domain.working_time import Calendar
from app.policy.automation import learning_plan, scoring_digest, threshold_floor
from app.policy.confidence import SIGNAL_NAMES
from app.policy.consequence import FACTOR_NAMES
from app.policy.console import ConsoleTerms, console_terms
from app.policy.expressions import Expressions
from app.policy.learning import AutomationBasis
from app.policy.load import Policy
from app.policy.model import RISK_DEFAULTS, Activation, DecisionType, PolicyContent
from app.policy.people import directory_of
from app.policy.pools import Fatigue, Handout, Pool
from app.policy.sla import SlaTerms, sla_terms
from app.policy.webhooks import WebhookTerms, webhook_terms


class PoolTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A group of reviewers."""

    name: str
    title: str
    description: str
    backups: frozenset[str] = frozenset()
    push: PushTerms | None = None
    """How the system hands the work out; ``None``: people take it."""
    fatigue: FatigueLimits | None = None


class CompiledPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy ready for use; immutable. Durations are milliseconds."""

    name: str
    version: str
    source: str
    terms: Mapping[str, Terms]
    pools: tuple[PoolTerms, ...]
    sla_classes: Mapping[str, SlaTerms]
    lease: int
    boosts: Mapping[ConsequenceClass, int]
    escalation_boost: int
    words_per_minute: float
    raise_boost: int
    max_delegations: int
    max_questions: int
    max_pause: int
    duplicate_window: int
    decision_memory: int
    history_length: int
    precedents: int
    directory: Directory
    console: ConsoleTerms
    webhooks: Mapping[str, WebhookTerms]
    encrypts: bool = False
    """Whether records about a subject are encrypted under the subject's own key."""
    two_people_activate: bool = False
    """Whether the next policy needs a second admin."""

    def audience(self, decision_type: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Whom a learning of this type concerns: pools, its own first, and the types that learn from it."""
        own = self.terms.get(decision_type)
        learners = [one for one in self.terms.values() if decision_type in one.learnings_from]
        pools = ([own.pool] if own else []) + [one.pool for one in learners]
        return tuple(dict.fromkeys(pools)), tuple(one.decision_type for one in learners)

    @property
    def calendars(self) -> Mapping[str, Calendar]:
        """Working time by SLA class, of those that do not run around the clock."""
        return {name: sla.calendar for name, sla in self.sla_classes.items() if sla.calendar is not None}

    @property
    def backups(self) -> Mapping[str, frozenset[str]]:
        """By pool, the pools whose people help out; of those that have some."""
        return {pool.name: pool.backups for pool in self.pools if pool.backups}

    @property
    def push(self) -> Mapping[str, PushTerms]:
        """By pool, how its work is handed out; of those where people do not take it themselves."""
        return {pool.name: pool.push for pool in self.pools if pool.push is not None}

    @property
    def fatigue(self) -> Mapping[str, FatigueLimits]:
        """By pool, how much one person takes on; of those with a limit."""
        return {pool.name: pool.fatigue for pool in self.pools if pool.fatigue is not None}

    @property
    def pool_names(self) -> tuple[str, ...]:
        """Names of the pools, for the topics of review requests."""
        return tuple(pool.name for pool in self.pools)

    @property
    def pool_titles(self) -> dict[str, str]:
        """What people call each pool, by its name."""
        return {pool.name: pool.title for pool in self.pools}


def compile_policy(policy: Policy) -> CompiledPolicy:
    """Compile a policy that ``load_policy`` or ``policy_from_text`` has checked. Takes milliseconds."""
    content = policy.content
    return CompiledPolicy(
        name=content.name,
        version=policy.version,
        source=policy.source,
        terms=MappingProxyType(
            {
                name: _terms(name, decision_type, content, policy.version)
                for name, decision_type in content.decision_types.items()
            }
        ),
        pools=tuple(
            PoolTerms(
                name=name,
                title=pool.title,
                description=pool.description,
                backups=frozenset(pool.backup_pools),
                push=_push(pool),
                fatigue=_fatigue(pool.fatigue),
            )
            for name, pool in content.pools.items()
        ),
        sla_classes=MappingProxyType(sla_terms(content.sla_classes, content.calendars)),
        lease=content.review.lease,
        boosts=MappingProxyType({c: content.review.boosts.get(c, 0) for c in ConsequenceClass}),
        escalation_boost=content.review.escalation_boost,
        words_per_minute=content.review.words_per_minute,
        raise_boost=content.review.raise_boost,
        max_delegations=content.review.max_delegations,
        max_questions=content.review.max_questions,
        max_pause=content.review.max_pause,
        duplicate_window=content.memory.duplicate_window,
        decision_memory=content.memory.decisions,
        history_length=content.memory.history_length,
        precedents=content.memory.precedents,
        directory=directory_of(content.people, content.pools),
        console=console_terms(content.console),
        webhooks=webhook_terms(content.webhooks),
        encrypts=content.privacy.encrypt,
        two_people_activate=content.governance.activation is Activation.TWO_PEOPLE,
    )


def _terms(name: str, t: DecisionType, content: PolicyContent, version: str) -> Terms:
    alpha, delta, floor, scale = RISK_DEFAULTS[t.risk]
    factors = _factors(t)
    facts = frozenset(t.fact_types) if t.fact_types else None
    conditions = [rule.when for rule in t.rules] + [adjustment.when for adjustment in t.adjustments]
    rules = Expressions(conditions, conditions=True, facts=facts)
    expert_pool = t.expert_pool or t.pool
    return Terms(
        decision_type=name,
        policy_version=version,
        question=t.question,
        preset=t.preset,
        high_confidence=t.bands.high,
        low_confidence=t.bands.low,
        required_facts=t.required_facts,
        amount_fact=t.amount_fact,
        fact_types=MappingProxyType({fact: kind.value for fact, kind in t.fact_types.items()}),
        fact_words=MappingProxyType(
            {
                fact: FactWords(label=said.label, unit=said.unit, share=said.share)
                for fact, said in t.fact_words.items()
            }
        ),
        factors=factors,
        class_cuts=(t.consequence.cuts.medium, t.consequence.cuts.high, t.consequence.cuts.critical),
        signals=_signals(t),
        rules=tuple(
            RuleTerms(
                name=rule.name,
                text=rule.text,
                expression=rule.when,
                min_level=rule.min_level,
                pool=rule.pool,
                sla_class=rule.sla_class,
                approvals=rule.approvals,
            )
            for rule in t.rules
        ),
        adjustments=_adjustments(t),
        evaluate_factors=Expressions(
            [factor.expression for factor in factors], conditions=False, facts=facts, ahead=rules
        ).evaluate,
        evaluate_rules=rules.evaluate,
        min_level=t.levels.min,
        max_level=t.levels.max,
        level_by_class=MappingProxyType(
            {
                c: t.levels.by_class.get(c, 5 if c is ConsequenceClass.CRITICAL else 1)
                for c in ConsequenceClass
            }
        ),
        threshold_floor=threshold_floor(t),
        guaranteed=t.automation is AutomationBasis.CERTIFICATE,
        learning=learning_plan(t),
        scoring=scoring_digest(t),
        alpha=alpha if t.alpha is None else t.alpha,
        delta=delta if t.delta is None else t.delta,
        evidence=EvidencePlan(
            floor=floor if t.evidence.floor is None else t.evidence.floor,
            initial=1.0 if t.evidence.initial is None else t.evidence.initial,
            scale=scale if t.evidence.scale is None else t.evidence.scale,
        ),
        audit_rate=t.audit_rate,
        blind_share=t.blind_share,
        second_look_share=t.second_look_share,
        gold_share=t.gold_share,
        human_only_share=t.human_only_share,
        pool=t.pool,
        expert_pool=expert_pool,
        sla_class=t.sla_class,
        sla_by_class=MappingProxyType({c: t.sla_by_class.get(c, t.sla_class) for c in ConsequenceClass}),
        sla_durations=MappingProxyType({n: sla.duration for n, sla in content.sla_classes.items()}),
        sla_calendars=MappingProxyType(
            {
                n: content.calendars[sla.calendar].compiled()
                for n, sla in content.sla_classes.items()
                if sla.calendar is not None
            }
        ),
        on_deadline=t.on_deadline,
        safe_default=t.safe_default,
        undo_window=t.undo_window or 0,
        actions=t.actions,
        reason_codes=tuple(
            ReasonCode(code=reason.code, text=reason.text, category=reason.category)
            for reason in t.reason_codes
        ),
        policy_reference=t.policy_reference,
        policy_text=t.policy_text,
        disclosure=t.disclosure.reviewed,
        disclosure_automated=t.disclosure.automated,
        history_length=content.memory.history_length,
        max_future=content.limits.max_future,
        max_age=content.limits.max_age,
        min_volume=t.min_volume,
        learnings_from=t.learnings_from,
        certainty_limit=t.certainty_limit,
        rules_may_approve=t.standing_rules.auto_approve,
        rules_max_class=t.standing_rules.max_class,
        rules_longest=t.standing_rules.longest,
        rules_suspend_at=t.standing_rules.suspend_at,
    )


def _push(pool: Pool) -> PushTerms | None:
    if pool.assignment is Handout.PULL:
        return None
    return PushTerms(reserve=pool.reserve, most_reserved=pool.most_reserved)


def _fatigue(limits: Fatigue) -> FatigueLimits | None:
    if limits.per_hour is None and limits.per_day is None:
        return None
    return FatigueLimits(per_hour=limits.per_hour or 0, per_day=limits.per_day or 0, rest=limits.rest)


def _factors(t: DecisionType) -> tuple[FactorTerms, ...]:
    """The factors in use, weights summing to 1, then ``undo`` with weight 0.

    A factor that the policy leaves out is no factor of this type: it gets no weight, and a producer can
    not bring it in by stating it.
    """
    used = {name: factor for name in FACTOR_NAMES if (factor := getattr(t.consequence, name))}
    total = sum(factor.weight for factor in used.values())
    return (
        *(
            FactorTerms(name=name, weight=factor.weight / total, expression=factor.score)
            for name, factor in used.items()
        ),
        FactorTerms(name="undo", weight=0.0, expression=t.consequence.undo),
    )


def _signals(t: DecisionType) -> tuple[SignalTerms, ...]:
    return tuple(
        SignalTerms(
            name=name, weight=signal.weight, prior=signal.prior, below=signal.below, action=signal.action
        )
        for name in SIGNAL_NAMES
        if (signal := getattr(t.signals, name))
    )


def _adjustments(t: DecisionType) -> tuple[AdjustmentTerms, ...]:
    return tuple(
        AdjustmentTerms(
            name=adjustment.name,
            text=adjustment.text,
            expression=adjustment.when,
            shift=adjustment.shift,
            starts_at=None
            if adjustment.starts_at is None
            else round(adjustment.starts_at.timestamp() * 1000),
            half_life=adjustment.half_life,
        )
        for adjustment in t.adjustments
    )
