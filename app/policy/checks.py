"""Checks of a policy that compare fields with each other, and of its expressions.

Each finding names its place as a path into the file, so that the loader can say line and column.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from app.domain.deadline import APPROVALS
from app.domain.events import ConsequenceClass, OnDeadline
from app.domain.people import Role
from app.domain.resolution import HAND_ONS
from app.domain.undo import LONGEST as LONGEST_UNDO
from app.policy.confidence import SIGNAL_NAMES
from app.policy.consequence import FACTOR_NAMES
from app.policy.durations import format_duration
from app.policy.expression_text import ExpressionError
from app.policy.expressions import check_condition, check_number
from app.policy.model import Activation, DecisionType, FactType, PolicyContent, Risk
from app.policy.people import Person
from app.policy.pools import Handout
from app.policy.webhooks import Webhook

Path = tuple[str | int, ...]


LONGEST_WORK = 365 * 86_400_000
"""ms. More than that is no deadline, and its date may lie beyond any calendar."""


class Kind(Enum):
    """What a finding depends on besides its own place."""

    FIELDS = "other fields of the same decision type"
    NAME = "names that are defined elsewhere in the file"
    EXPRESSION = "the expression, and fact_types where facts are named"


class Finding(NamedTuple):
    """Something wrong at ``path``; ``allowed`` lists what would be right, if that is a list."""

    path: Path
    message: str
    allowed: tuple[str, ...] = ()
    kind: Kind = Kind.FIELDS


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """``"; did you mean X?"`` where one of ``words`` is close to ``word``, else nothing."""
    near = difflib.get_close_matches(word, list(words), 1)
    return f"; did you mean {near[0]}?" if near else ""


def check(policy: PolicyContent) -> Iterator[Finding]:
    """Everything that is wrong with a policy whose fields are right one by one."""
    yield from _sla_fits(policy)
    for name, decision_type in policy.decision_types.items():
        at: Path = ("decision_types", name)
        yield from _names_exist(decision_type, at, policy)
        yield from _learns_from_others(name, decision_type, at, policy)
        yield from _numbers_agree(decision_type, at)
        yield from _names_are_unique(decision_type, at)
        yield from _deadline_is_safe(decision_type, at)
        yield from _undo_is_short(decision_type, at)
        yield from _rules_do_something(decision_type, at)
        yield from _standing_rules_fit(decision_type, at)
        yield from _facts_agree(decision_type, at)
        yield from _expressions_compile(decision_type, at)
    if policy.console.session_idle > policy.console.session_longest:
        yield Finding(("console", "session_idle"), "is longer than session_longest: it would never count")
    if policy.governance.activation is Activation.TWO_PEOPLE:
        yield from _two_can_govern(policy)
    for name, hook in policy.webhooks.items():
        yield from _webhook_fits(("webhooks", name), hook, policy)
    for name, person in policy.people.items():
        yield from _person_fits(name, person, policy)


def _two_can_govern(policy: PolicyContent) -> Iterator[Finding]:
    """Nobody must be locked out of changing the policy."""
    admins = [name for name, person in policy.people.items() if Role.ADMIN in person.roles]
    if len(admins) < 2:
        named = f"only {admins[0]} is" if admins else "nobody is"
        yield Finding(
            ("governance", "activation"), f"needs two people with roles: [admin]; {named}", kind=Kind.NAME
        )


def _standing_rules_fit(t: DecisionType, at: Path) -> Iterator[Finding]:
    if t.standing_rules.max_class is ConsequenceClass.CRITICAL:
        allowed = tuple(c.value for c in ConsequenceClass if c is not ConsequenceClass.CRITICAL)
        path = (*at, "standing_rules", "max_class")
        yield Finding(path, "no rule lets a critical case run without a person", allowed)


def _unknown(path: Path, what: str, name: str | None, known: Collection[str]) -> Iterator[Finding]:
    if name is not None and name not in known:
        yield Finding(
            path, f"{what} '{name}' does not exist{did_you_mean(name, known)}", tuple(known), Kind.NAME
        )


def _names_exist(t: DecisionType, at: Path, policy: PolicyContent) -> Iterator[Finding]:
    yield from _unknown((*at, "pool"), "pool", t.pool, policy.pools)
    yield from _unknown((*at, "expert_pool"), "pool", t.expert_pool, policy.pools)
    yield from _unknown((*at, "sla_class"), "SLA class", t.sla_class, policy.sla_classes)
    for consequence, sla_class in t.sla_by_class.items():
        path = (*at, "sla_by_class", consequence.value)
        yield from _unknown(path, "SLA class", sla_class, policy.sla_classes)
    for i, rule in enumerate(t.rules):
        yield from _unknown((*at, "rules", i, "pool"), "pool", rule.pool, policy.pools)
        yield from _unknown((*at, "rules", i, "sla_class"), "SLA class", rule.sla_class, policy.sla_classes)


def _learns_from_others(name: str, t: DecisionType, at: Path, policy: PolicyContent) -> Iterator[Finding]:
    for i, other in enumerate(t.learnings_from):
        yield from _unknown((*at, "learnings_from", i), "decision type", other, policy.decision_types)
        if other == name:
            yield Finding((*at, "learnings_from", i), "a type always learns from itself: name others")


def _sla_fits(policy: PolicyContent) -> Iterator[Finding]:
    for name, pool in policy.pools.items():
        for i, backup in enumerate(pool.backup_pools):
            yield from _unknown(("pools", name, "backup_pools", i), "pool", backup, policy.pools)
            if backup == name:
                yield Finding(("pools", name, "backup_pools", i), "no pool is its own backup")
        staff = [one for one in policy.people.values() if name in one.pools]
        if pool.assignment is Handout.PUSH and not staff:
            yield Finding(
                ("pools", name, "assignment"), "push needs people: nobody in `people` works in this pool"
            )
    for name, sla in policy.sla_classes.items():
        at: Path = ("sla_classes", name)
        yield from _unknown((*at, "calendar"), "calendar", sla.calendar, policy.calendars)
        if sla.calendar is not None and sla.duration > LONGEST_WORK:
            yield Finding((*at, "duration"), "a year of working time is the most with a calendar")
        ladder = sla.ladder()
        shares = (ladder.at_risk, ladder.raised, ladder.backups, ladder.supervisor)
        if list(shares) != sorted(shares):
            said = ", ".join(f"{share:g}" for share in shares)
            yield Finding(at, f"at_risk, raise_at, backups_at and supervisor_at must not fall: {said}")


def _webhook_fits(at: Path, hook: Webhook, policy: PolicyContent) -> Iterator[Finding]:
    for i, pool in enumerate(hook.pools):
        yield from _unknown((*at, "pools", i), "pool", pool, policy.pools)
    if hook.first_pause > hook.longest_pause:
        yield Finding((*at, "first_pause"), "is longer than longest_pause")
    if hook.longest_pause > hook.give_up:
        yield Finding((*at, "longest_pause"), "is longer than give_up: nothing would be tried again")


def _person_fits(name: str, person: Person, policy: PolicyContent) -> Iterator[Finding]:
    at: Path = ("people", name)
    for field, names in (("pools", person.pools), ("supervises", person.supervises)):
        for i, pool in enumerate(names):
            yield from _unknown((*at, field, i), "pool", pool, policy.pools)
    for field, types in (
        ("decision_types", person.decision_types or ()),
        ("must_document", person.must_document),
    ):
        for i, decision_type in enumerate(types):
            yield from _unknown((*at, field, i), "decision type", decision_type, policy.decision_types)
    for i, other in enumerate(person.delegates_to or ()):
        yield from _unknown((*at, "delegates_to", i), "person", other, policy.people)
    for i, substitute in enumerate(person.substitutes):
        yield from _unknown((*at, "substitutes", i, "person"), "person", substitute.person, policy.people)
        if substitute.person == name:
            yield Finding((*at, "substitutes", i, "person"), "nobody stands in for themselves")
    for field, periods in (("away", person.away), ("substitutes", person.substitutes)):
        for i, period in enumerate(periods):
            if period.end <= period.start:
                yield Finding((*at, field, i), "end is not after start")


def _numbers_agree(t: DecisionType, at: Path) -> Iterator[Finding]:
    if t.bands.low > t.bands.high:
        yield Finding((*at, "bands"), f"low ({t.bands.low}) is above high ({t.bands.high})")
    if t.threshold_floor is not None and t.threshold_floor > t.bands.high:
        yield Finding(
            (*at, "threshold_floor"),
            f"{t.threshold_floor} is above bands.high ({t.bands.high}): nothing could ever be automated",
        )
    cuts = t.consequence.cuts
    if not cuts.medium < cuts.high < cuts.critical:
        yield Finding(
            (*at, "consequence", "cuts"),
            f"must rise: medium ({cuts.medium}) < high ({cuts.high}) < critical ({cuts.critical})",
        )
    if t.levels.min > t.levels.max:
        yield Finding((*at, "levels"), f"min ({t.levels.min}) is above max ({t.levels.max})")
    for consequence, level in t.levels.by_class.items():
        if level > t.levels.max:
            yield Finding(
                (*at, "levels", "by_class", consequence.value),
                f"level {level} for {consequence.value} consequence is above max ({t.levels.max}); "
                "raise levels.max, or set levels.by_class",
            )
    by_class = [t.levels.by_class.get(c, 1) for c in ConsequenceClass]
    if by_class != sorted(by_class):
        yield Finding(
            (*at, "levels", "by_class"), "a higher consequence class must not get less human involvement"
        )
    factors = [factor for name in FACTOR_NAMES if (factor := getattr(t.consequence, name))]
    if not factors:
        yield Finding((*at, "consequence"), "has no factor; give at least one", FACTOR_NAMES)
    elif not any(factor.weight for factor in factors):
        yield Finding((*at, "consequence"), "all weights are zero; give at least one factor a weight")
    if not any(getattr(t.signals, name).weight for name in SIGNAL_NAMES):
        yield Finding((*at, "signals"), "all weights are zero; give at least one signal a weight")


def _names_are_unique(t: DecisionType, at: Path) -> Iterator[Finding]:
    lists: list[tuple[str, str, list[str]]] = [
        ("rules", "name", [rule.name for rule in t.rules]),
        ("adjustments", "name", [adjustment.name for adjustment in t.adjustments]),
        ("reason_codes", "code", [reason.code for reason in t.reason_codes]),
    ]
    for field, key, names in lists:
        for i, name in enumerate(names):
            if name in names[:i]:
                yield Finding((*at, field, i, key), f"'{name}' is there twice")
    for field, words in (("actions", t.actions), ("required_facts", t.required_facts)):
        for i, word in enumerate(words):
            if word in words[:i]:
                yield Finding((*at, field, i), f"'{word}' is there twice")
    for i, reason in enumerate(t.reason_codes):
        if reason.code == "other":
            yield Finding((*at, "reason_codes", i, "code"), "'other' is always there; leave it out")


def _deadline_is_safe(t: DecisionType, at: Path) -> Iterator[Finding]:
    if t.safe_default is not None and t.safe_default not in t.actions:
        yield Finding(
            (*at, "safe_default"),
            f"'{t.safe_default}' is not one of the actions{did_you_mean(t.safe_default, t.actions)}",
            t.actions,
        )
    if t.on_deadline is not OnDeadline.SAFE_DEFAULT:
        return
    if t.safe_default is None:
        yield Finding((*at, "on_deadline"), "safe_default needs the action: set safe_default", t.actions)
    elif t.safe_default in APPROVALS:
        yield Finding((*at, "safe_default"), f"'{t.safe_default}' by silence is never safe; take another")
    elif t.safe_default in HAND_ONS:
        yield Finding((*at, "safe_default"), f"'{t.safe_default}' decides nothing; take another")
    if t.risk is not Risk.LOW:
        yield Finding(
            (*at, "on_deadline"),
            f"safe_default is only for risk: low, this is {t.risk.value}; use escalate or hold",
            ("escalate", "hold"),
        )


def _undo_is_short(t: DecisionType, at: Path) -> Iterator[Finding]:
    if t.undo_window is not None and t.undo_window > LONGEST_UNDO:
        yield Finding(
            (*at, "undo_window"),
            f"{format_duration(t.undo_window)} is too long, whoever acts on the answer waits for it; "
            f"{format_duration(LONGEST_UNDO)} is the most",
        )


def _rules_do_something(t: DecisionType, at: Path) -> Iterator[Finding]:
    for i, rule in enumerate(t.rules):
        if rule.min_level == 1 and rule.pool is None and rule.sla_class is None and rule.approvals == 1:
            yield Finding(
                (*at, "rules", i), "changes nothing; give it a min_level, pool, sla_class or approvals"
            )
    for i, adjustment in enumerate(t.adjustments):
        if adjustment.shift == 0:
            yield Finding((*at, "adjustments", i, "shift"), "0 changes nothing; negative is stricter")
        if adjustment.half_life is not None and adjustment.starts_at is None:
            yield Finding(
                (*at, "adjustments", i, "half_life"), "needs starts_at: from when does the shift decay?"
            )


def _facts_agree(t: DecisionType, at: Path) -> Iterator[Finding]:
    if t.amount_fact is not None and t.fact_types.get(t.amount_fact, FactType.NUMBER) is not FactType.NUMBER:
        yield Finding((*at, "amount_fact"), f"'{t.amount_fact}' is not a number")
    if not t.fact_types:
        return
    if t.amount_fact is not None and t.amount_fact not in t.fact_types:
        said = f"'{t.amount_fact}' is not in fact_types{did_you_mean(t.amount_fact, t.fact_types)}"
        yield Finding((*at, "amount_fact"), said, tuple(t.fact_types))
    for fact in t.fact_words:
        if fact not in t.fact_types:
            said = f"'{fact}' is not in fact_types{did_you_mean(fact, t.fact_types)}"
            yield Finding((*at, "fact_words", fact), said, tuple(t.fact_types))
    for i, fact in enumerate(t.required_facts):
        if fact not in t.fact_types:
            said = f"'{fact}' is not in fact_types{did_you_mean(fact, t.fact_types)}"
            yield Finding((*at, "required_facts", i), said, tuple(t.fact_types))


def _expressions_compile(t: DecisionType, at: Path) -> Iterator[Finding]:
    facts = frozenset(t.fact_types) if t.fact_types else None
    for name in FACTOR_NAMES:
        if factor := getattr(t.consequence, name):
            yield from _compiles((*at, "consequence", name, "score"), factor.score, check_number, facts)
    yield from _compiles((*at, "consequence", "undo"), t.consequence.undo, check_number, facts)
    for i, rule in enumerate(t.rules):
        yield from _compiles((*at, "rules", i, "when"), rule.when, check_condition, facts)
    for i, adjustment in enumerate(t.adjustments):
        yield from _compiles((*at, "adjustments", i, "when"), adjustment.when, check_condition, facts)


def _compiles(
    path: Path,
    text: str,
    check_one: Callable[[str, Collection[str] | None], None],
    facts: Collection[str] | None,
) -> Iterator[Finding]:
    try:
        check_one(text, facts)
    except ExpressionError as error:
        place = f"column {error.column}" if "\n" not in text else f"line {error.line}, column {error.column}"
        hint = f" ({error.hint})" if error.hint else ""
        yield Finding(path, f"in the expression, {place}: {error}{hint}", error.allowed, Kind.EXPRESSION)
