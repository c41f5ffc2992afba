"""The policy file as typed values. Defaults are good enough for a type of ten lines.

Every number that changes how the system behaves is here, none is in code. Descriptions end up in the
JSON Schema that editors read while a policy is written. Checks that compare fields are in
``app.policy.checks``, so that all of them can be reported at once.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from app.domain.events import ConsequenceClass, OnDeadline, OverrideCategory
from app.domain.terms import Preset
from app.policy.confidence import Bands, Signals
from app.policy.consequence import ConsequenceTerms
from app.policy.console import Console
from app.policy.fields import (
    Duration,
    Expression,
    FactName,
    Instant,
    Level,
    Part,
    PoolName,
    Probability,
    Share,
    Text,
    TypeName,
    Word,
)
from app.policy.learning import AutomationBasis, Learning
from app.policy.patterns import Patterns
from app.policy.people import Person, PersonName
from app.policy.pools import Pool, ReviewWork
from app.policy.sla import BusinessCalendar, SlaClassOrDuration, usual_sla_classes
from app.policy.webhooks import Webhook


class FactType(StrEnum):
    """What a fact may be; facts are flat."""

    NUMBER = "number"
    STRING = "string"
    BOOLEAN = "boolean"


class Risk(StrEnum):
    """How much error of automation is tolerable; sets alpha, delta and the evidence plan."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Memory(Part):
    """How long the system remembers, and how much a reviewer is shown."""

    duplicate_window: Duration = 604_800_000
    """A repeated decision id within this time is answered as a duplicate."""
    decisions: Duration = 2_592_000_000
    """How long past decisions stay at hand as history and precedents."""
    history_length: Annotated[int, Field(ge=0, le=50)] = 5
    """Past decisions of the same subject in a context package."""
    precedents: Annotated[int, Field(ge=0, le=50)] = 5
    """Past decisions of the same type in a context package."""


class Privacy(Part):
    """What is done so that a person's data can be erased (docs/privacy.md)."""

    encrypt: bool = False
    """Records about a subject are encrypted under the subject's own key; `hitl erase` erases the key."""


class Limits(Part):
    """Which event times are believable."""

    max_future: Duration = 86_400_000
    """A decision dated further ahead is refused."""
    max_age: Duration = 31_536_000_000
    """An older decision is refused."""


class Rule(Part):
    """A hard rule: when it holds, the decision gets at least this much human involvement."""

    name: Word
    """Short name, unique in the type; it appears in reasons and metrics."""
    text: Text
    """What a reviewer reads when the rule applies."""
    when: Expression
    """CEL condition over facts, recommendation, signals, decision and assessment."""
    min_level: Level = 1
    """At least this level of involvement."""
    pool: PoolName | None = None
    """Send it to this pool instead of the type's."""
    sla_class: Word | None = None
    """Give it this SLA class instead of the type's."""
    approvals: Annotated[int, Field(ge=1, le=9)] = 1
    """How many different people must agree (2 = four eyes)."""


class Adjustment(Part):
    """A shift of the routing score while a condition holds, in log-odds (-0.5 turns .90 into .845)."""

    name: Word
    """Short name, unique in the type."""
    text: Text
    """What a reviewer reads when the adjustment applies."""
    when: Expression = "true"
    """CEL condition; always, unless given."""
    shift: Annotated[float, Field(ge=-10, le=10)]
    """Negative is stricter. Positive is looser: low consequence only, never below the certificate."""
    starts_at: Instant | None = None
    """No effect before this time (with time zone)."""
    half_life: Duration | None = None
    """The shift halves in this time after starts_at: strict after a change, normal once it settled."""


class Levels(Part):
    """The levels of involvement this type may have: 1 full automation to 5 full human control."""

    min: Level = 1
    """Never less involvement than this."""
    max: Level = 5
    """Never more involvement than this, except where a rule or a class asks for it."""
    by_class: dict[ConsequenceClass, Level] = {ConsequenceClass.CRITICAL: 5}
    """At least this level for a consequence class."""


class Evidence(Part):
    """Share of decisions drawn into the blind evidence sample: floor + initial * exp(-automated / scale)."""

    floor: Annotated[float, Field(gt=0, le=1)] | None = None
    """The share never falls below this. Default by risk: .015, .025, .025."""
    initial: Share | None = None
    """Added to the floor at the start. Default 1: nearly everything is checked at first."""
    scale: Annotated[float, Field(gt=0)] | None = None
    """Automated decisions after which the added share has fallen to 37 %. Default by risk: 800, 500, 500."""


class FactWording(Part):
    """How people read a fact, where its name and the bare number do not say it."""

    label: str = ""
    """What people call it; the name in words unless given."""
    unit: str = ""
    """What stands behind the value, such as thousand USD."""
    share: bool = False
    """A part of one: 0.36 is shown as 36 %."""


class Reason(Part):
    """A reason that a reviewer can choose; ``other`` with a text is always possible."""

    code: Word
    """Short name, unique in the type."""
    text: Text
    """What the reviewer reads."""
    category: OverrideCategory | None = None
    """Where an override with this reason goes; none for reasons to agree."""


class Disclosure(Part):
    """What the person concerned is told about the part AI had."""

    reviewed: Text = "An AI system prepared this decision; a person made it. You can ask for an explanation."
    """For decisions that a person made."""
    automated: Text = (
        "An AI system made this decision. You can ask for an explanation and for a person to review it."
    )
    """For automated decisions."""


DEFAULT_REASONS = (
    Reason(code="agrees", text="The recommendation is right"),
    Reason(code="facts_misread", text="The AI misread the facts", category=OverrideCategory.AI_ERROR),
    Reason(code="special_case", text="A case the rules did not foresee", category=OverrideCategory.EDGE_CASE),
    Reason(code="policy_changed", text="The policy has changed", category=OverrideCategory.POLICY_CHANGE),
    Reason(code="earlier_mistake", text="A person made a mistake", category=OverrideCategory.HUMAN_ERROR),
)


class StandingRules(Part):
    """What two people may agree on between two versions of the policy (docs/rules.md)."""

    auto_approve: bool = True
    """Whether a rule may let cases run at level 2 that a person would have approved."""
    max_class: ConsequenceClass = ConsequenceClass.LOW
    """No rule lets a more harmful case run; critical ones are always people's."""
    longest: Duration = 2_592_000_000
    """No rule lives longer; 30d unless given."""
    suspend_at: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """A rule ends by itself when its spot checks are this unlikely at the type's tolerable error (alpha)."""


class DecisionType(Part):
    """Everything the system needs to know about one kind of decision."""

    question: Text
    """The decision required, as a reviewer reads it."""
    description: str = ""
    """For the reader of the policy."""
    pool: PoolName
    """Who reviews."""
    expert_pool: PoolName | None = None
    """Who decides at level 4 and above; the pool unless given."""
    preset: Preset = Preset.FLOWCHART
    """flowchart (conservative) or matrix (consequence x confidence)."""
    risk: Risk = Risk.MEDIUM
    """Sets the defaults of alpha, delta and evidence."""
    bands: Bands = Bands()
    """Where confidence is high and low."""
    required_facts: tuple[FactName, ...] = ()
    """Facts without which nobody should decide; completeness is measured against them."""
    fact_types: dict[FactName, FactType] = {}
    """What facts there are. If given, expressions may use no others."""
    fact_words: dict[FactName, FactWording] = {}
    """How people read the facts: label, unit, share."""
    amount_fact: FactName | None = None
    """The number among the facts that people's amount limits are compared with."""
    consequence: ConsequenceTerms
    """How harmful an error would be."""
    signals: Signals = Signals()
    """How confidence is made from five signals."""
    rules: tuple[Rule, ...] = ()
    """Hard rules, in order: the first that holds wins."""
    adjustments: tuple[Adjustment, ...] = ()
    """Contextual shifts of the routing score."""
    levels: Levels = Levels()
    """Which levels of involvement are possible."""
    standing_rules: StandingRules = StandingRules()
    """What two people may agree on between two versions of the policy."""
    automation: AutomationBasis = AutomationBasis.CERTIFICATE
    """What lets decisions run without a person: certificate (people first), or policy_threshold (the type's
    own threshold from the start, nothing guaranteed)."""
    learning: Learning = Learning()
    """How blind evidence turns into automation, and how fast."""
    patterns: Patterns = Patterns()
    """From when on patterns in people's answers are reported."""
    threshold_floor: Probability | None = None
    """Nothing is ever automated below this score, whatever was learned. Unless given the certificate decides,
    and a matrix on policy_threshold takes bands.low."""
    alpha: Probability | None = None
    """Tolerable error of automation. Default by risk: .05, .02, .01."""
    delta: Probability | None = None
    """Tolerable chance that a learned threshold breaks alpha. Default by risk: .10, .05, .01."""
    evidence: Evidence = Evidence()
    """How many decisions are checked blind to learn from."""
    audit_rate: Share = 0.10
    """Share of level 2 decisions that get an extra spot check."""
    blind_share: Share = 0.10
    """Share of reviews in which the recommendation is withheld until the first answer."""
    second_look_share: Share = 0.03
    """Share of reviews answered by two people independently."""
    gold_share: Share = 0.02
    """Share of items with known truth, mixed in to measure reviewers."""
    human_only_share: Share = 0.0
    """Share of reviews that people decide without any AI content, so that they still can."""
    sla_class: Word = "standard"
    """How fast a review must be answered."""
    sla_by_class: dict[ConsequenceClass, Word] = {}
    """Another SLA class for some consequence classes."""
    on_deadline: OnDeadline = OnDeadline.ESCALATE
    """When nobody answered in time: escalate, hold, or safe_default (low risk only). Never approve."""
    safe_default: Word | None = None
    """The action that on_deadline: safe_default takes."""
    undo_window: Duration | None = None
    """For how long whoever answered may take the answer back; nobody acts on it before. At most 5m; not at
    all unless given, and never where several people have to agree."""
    actions: Annotated[tuple[Word, ...], Field(min_length=1, max_length=20)] = (
        "approve",
        "reject",
        "modify",
        "request_info",
    )
    """What may be decided."""
    reason_codes: tuple[Reason, ...] = DEFAULT_REASONS
    """Reasons a reviewer can choose from."""
    policy_reference: str = ""
    """Section of the rules that apply."""
    policy_text: str = ""
    """Its words, shown to reviewers."""
    disclosure: Disclosure = Disclosure()
    """What the person concerned is told."""
    certainty_limit: Annotated[float, Field(gt=0, le=0.1)] = 0.001
    """No signal and no score counts as more certain than 1 - this, or less than this."""
    learnings_from: tuple[TypeName, ...] = ()
    """Kinds of decisions whose patterns and open learnings people of this one see as well. Evidence for
    people only: no threshold follows from another type."""
    min_volume: Annotated[int, Field(ge=0)] = 0
    """Labels needed before anything is automated; 0 leaves that to the statistics."""


class Activation(StrEnum):
    """Who puts the next policy in force."""

    ONE_PERSON = "one_person"
    """Whoever may use the command line."""
    TWO_PEOPLE = "two_people"
    """One admin proposes it, another one confirms it."""


class Governance(Part):
    """How the policy itself changes."""

    activation: Activation = Activation.ONE_PERSON
    """one_person: `hitl policy activate`. two_people: an admin proposes, another admin confirms."""


class PolicyContent(Part):
    """The whole policy file."""

    name: Text
    """What this policy is called."""
    description: str = ""
    """For the reader of the policy."""
    pools: Annotated[dict[PoolName, Pool], Field(min_length=1)]
    """Groups of reviewers."""
    calendars: dict[Word, BusinessCalendar] = {}
    """Working hours and holidays, for SLA classes that do not run around the clock."""
    sla_classes: Annotated[dict[Word, SlaClassOrDuration], Field(min_length=1)] = Field(
        default_factory=usual_sla_classes
    )
    """How long reviews may take; urgent 4h, standard 24h, complex 72h, policy_exception 7d unless given."""
    review: ReviewWork = ReviewWork()
    """How long reviewers hold what they claimed."""
    memory: Memory = Memory()
    """How long the system remembers."""
    privacy: Privacy = Privacy()
    """Whether a person's data can be erased before topics forget it."""
    limits: Limits = Limits()
    """Which times of decisions are believable."""
    governance: Governance = Governance()
    """Who puts the next policy in force."""
    console: Console = Console()
    """Sessions and limits of the reviewer console."""
    webhooks: dict[Word, Webhook] = {}
    """Chats and programs that are told what happens to reviews, by name."""
    people: dict[PersonName, Person] = {}
    """Who may decide what, by account name. Nobody named: anybody who reaches the queue may do anything."""
    decision_types: Annotated[dict[TypeName, DecisionType], Field(min_length=1)]
    """The kinds of decisions, by name."""


RISK_DEFAULTS: dict[Risk, tuple[float, float, float, float]] = {
    Risk.LOW: (0.05, 0.10, 0.015, 800.0),
    Risk.MEDIUM: (0.02, 0.05, 0.025, 500.0),
    Risk.HIGH: (0.01, 0.01, 0.025, 500.0),
}
"""alpha, delta, evidence floor and evidence scale of each risk (docs: learning)."""
