"""What the pure rules need to know of a policy, for one decision type.

``app.policy`` compiles the policy file into these terms; the domain never reads a policy. All
durations are milliseconds, all shares and probabilities are in [0, 1], shifts are in log-odds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec

from app.domain.events import ConsequenceClass, OnDeadline, OverrideCategory
from app.domain.learning.pattern_terms import PatternTerms, ScanTerms
from app.domain.working_time import Calendar, due

Fact = None | bool | int | float | str
Facts = Mapping[str, Fact]


class Preset(StrEnum):
    """The two routing tables (docs/routing.md)."""

    FLOWCHART = "flowchart"
    MATRIX = "matrix"


class SignalAction(StrEnum):
    """What a weak signal asks for."""

    REVIEW = "review"
    """A person approves: at least level 3."""
    FLAG = "flag"
    """A note for the reviewer; the level stays."""
    EXPERT = "expert"
    """An expert decides: at least level 4, in the expert pool."""
    INTERPRET = "interpret"
    """A person interprets the rule: at least level 4."""
    ASK = "ask"
    """Information is missing: at least level 4, and the reviewer is told what to ask for."""


class SignalTerms(msgspec.Struct, frozen=True, kw_only=True):
    """One confidence signal: its weight in the fusion, and what to do when it is weak."""

    name: str
    weight: float
    prior: float
    below: float
    action: SignalAction


class FactorTerms(msgspec.Struct, frozen=True, kw_only=True):
    """One consequence factor: weight (0 for ``undo``) and the text of its expression."""

    name: str
    weight: float
    expression: str


class RuleTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A hard rule: when its expression holds, the decision gets at least this."""

    name: str
    text: str
    expression: str
    min_level: int
    pool: str | None
    sla_class: str | None
    approvals: int


class AdjustmentTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A contextual adjustment of the routing score. Negative ``shift`` is stricter. A positive one
    (peak load) counts only for low consequence and never below the certified threshold.
    ``starts_at`` and ``half_life`` let a shift decay (recently changed policy)."""

    name: str
    text: str
    expression: str
    shift: float
    starts_at: int | None
    half_life: int | None


class EvidencePlan(msgspec.Struct, frozen=True, kw_only=True):
    """Share of decisions drawn into the blind evidence sample:
    q = floor + initial * exp(-automated / scale), capped at 1."""

    floor: float
    initial: float
    scale: float


class LearningPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy says about certificates (docs/learning.md, "What the policy may change")."""

    planned: int = 1800
    """Labels of a region over which the chance of a false certificate is spread."""
    catch_rate: float = 0.8
    """Share of the AI's errors that reviewers are assumed to catch, while few gold items say more."""
    catch_items: int = 30
    """Answered gold items from which on the measured catch rate counts."""
    confirm: bool = False
    """An expansion waits for a person's yes."""
    canary_share: float = 1.0
    """Share of the newly eligible decisions that runs alone at first."""
    canary_size: int = 0
    """Decisions that run alone by the canary before the others follow."""
    cooldown: int = 0
    """Decisions of a key between two expansions."""
    segment: str | None = None
    """Fact whose values learn apart."""
    first_mass: float = 0.20
    """Share of the traffic in the first region that is tested."""
    looks: int = 3
    """People who judge one decision at most."""
    confirm_errors: bool | None = None
    """A second person confirms what a blind check finds; ``None``: where gold items show what that costs."""
    false_alarm: float = 7000.0
    """Decisions between two false alarms of a monitor, at least on average."""
    suspicion: float = 3.0
    hope: float = 8.0
    """Values of the monitors from which on at least ``suspicion_share`` is checked."""
    suspicion_share: float = 0.15
    recheck_share: float = 0.15
    recheck_decisions: int = 1500
    """After a change for the worse at least that share of so many decisions is checked."""
    better_checks: float = 2.0
    """After a change for the better so many times as many are checked as at the start."""
    patterns: PatternTerms = PatternTerms()
    scan: ScanTerms = ScanTerms()
    keys: int = 1
    """Learning keys that share ``delta``."""


class ReasonCode(msgspec.Struct, frozen=True, kw_only=True):
    """A reason that a reviewer can choose, with the override category it implies."""

    code: str
    text: str
    category: OverrideCategory | None


class FactWords(msgspec.Struct, frozen=True, kw_only=True):
    """How people read a fact. A ``share`` is a part of one: 0.36 is read as 36 %."""

    label: str = ""
    unit: str = ""
    share: bool = False


Context = dict[str, object]
"""What expressions see: {"facts", "recommendation", "signals", "decision"} and, for rules and
adjustments, "assessment". Numbers are floats, so that 40 and 40.0 behave alike."""

FactorEvaluator = Callable[[Context], list[float | str]]
"""The factors' values in the order of ``Terms.factors``; a ``str`` is why one could not be had."""

RuleEvaluator = Callable[[Context], list[bool | str]]
"""``Terms.rules`` then ``Terms.adjustments``, in order; a ``str`` is why one could not be had."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the domain needs to know about one decision type."""

    decision_type: str
    policy_version: str
    question: str
    preset: Preset
    high_confidence: float
    low_confidence: float
    required_facts: tuple[str, ...]
    fact_types: Mapping[str, str]
    fact_words: Mapping[str, FactWords] = {}
    factors: tuple[FactorTerms, ...]
    class_cuts: tuple[float, float, float]
    signals: tuple[SignalTerms, ...]
    rules: tuple[RuleTerms, ...]
    adjustments: tuple[AdjustmentTerms, ...]
    evaluate_factors: FactorEvaluator
    evaluate_rules: RuleEvaluator
    min_level: int
    max_level: int
    level_by_class: Mapping[ConsequenceClass, int]
    threshold_floor: float
    alpha: float
    delta: float
    evidence: EvidencePlan
    audit_rate: float
    blind_share: float
    second_look_share: float
    gold_share: float
    pool: str
    expert_pool: str
    sla_class: str
    sla_by_class: Mapping[ConsequenceClass, str]
    sla_durations: Mapping[str, int]
    on_deadline: OnDeadline
    safe_default: str | None
    actions: tuple[str, ...]
    reason_codes: tuple[ReasonCode, ...]
    policy_reference: str
    policy_text: str
    disclosure: str
    disclosure_automated: str
    history_length: int
    max_future: int
    max_age: int
    min_volume: int
    human_only_share: float = 0.0
    """Share of reviews outside the evidence sample that are decided without any AI content, so that people
    still can. The audit draw decides: no review has another use for it."""
    certainty_limit: float = 0.001
    """No signal and no score counts as more certain than 1 - this, or less than this."""
    guaranteed: bool = True
    """Nothing of this type runs without a person unless a certificate says so."""
    learning: LearningPlan = LearningPlan()
    scoring: str = ""
    """Stands for all that makes scores and eligible decisions: whatever changes it makes earlier evidence
    speak of other decisions."""
    rules_may_approve: bool = True
    """Whether a standing rule may let cases run at level 2 that a person would have approved."""
    rules_max_class: ConsequenceClass = ConsequenceClass.LOW
    """No standing rule lets a more harmful case run."""
    rules_longest: int = 2_592_000_000
    """ms. No standing rule lives longer."""
    rules_suspend_at: float = 0.05
    """Level of the test of a rule's spot checks against ``alpha``."""
    learnings_from: tuple[str, ...] = ()
    """Other types whose patterns and learnings people of this one see, as evidence for people."""
    amount_fact: str | None = None
    """The number among the facts that people's amount limits are compared with."""
    undo_window: int = 0
    """For how many ms whoever answered may take the answer back; 0: not at all."""
    sla_calendars: Mapping[str, Calendar] = msgspec.field(default_factory=dict)
    """Working time by SLA class; classes that are not here run around the clock."""

    @property
    def confirms_errors(self) -> bool:
        """As :func:`confirms_errors` says."""
        return confirms_errors(self.learning.confirm_errors, self.gold_share)

    def due(self, sla_class: str, since: int) -> int | None:
        """When what is asked for at ``since`` has to be answered, both ms UTC; ``None`` without the class."""
        duration = self.sla_durations.get(sla_class)
        return None if duration is None else due(self.sla_calendars.get(sla_class), since, duration)


def confirms_errors(said: bool | None, gold_share: float) -> bool:
    """Whether a second person is asked to confirm what a blind check finds: unless the policy says
    (``said``), where gold items show which share of errors both of them catch."""
    return gold_share > 0.0 if said is None else said
