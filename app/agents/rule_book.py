"""The standing rules that every worker knows from ``rules.changed``, and those in force by decision type.

What can not be read or compiled is left out and said in the log: a bad rule stops nothing, it has no effect.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import structlog

from app.domain.events import RuleChanged
from app.domain.standing_rules import NO_RULES, Approved, RulesInForce, Standing, approved_rule, noted
from app.errors import HitlError
from app.policy.expressions import Expressions, check_condition
from app.stream.codec import Codec
from app.stream.errors import DecodeError
from app.stream.records import Incoming
from app.stream.seals import Sealed, is_ours

log = structlog.get_logger("hitl.books")


class StandingRules:
    """The rules of one moment."""

    def __init__(self, known: Mapping[str, Standing], in_force: Mapping[str, RulesInForce]) -> None:
        self.known = known
        self._in_force = in_force

    def __call__(self, decision_type: str) -> RulesInForce:
        """Those that routing applies to a decision type."""
        return self._in_force.get(decision_type, NO_RULES)


NO_STANDING = StandingRules(MappingProxyType({}), MappingProxyType({}))
"""Before anything was heard."""


class RuleBook:
    """Every rule that was heard of, replaced as a whole by one assignment. What does not bear our seal comes
    from nobody who was asked for the authority, and is left out."""

    def __init__(self, codec: Codec, sealed: Sealed) -> None:
        self._codec = codec
        self._sealed = sealed
        self._one_at_a_time = threading.Lock()
        self._current = NO_STANDING

    def __call__(self) -> StandingRules:
        """The rules of this moment."""
        return self._current

    def hear(self, record: Incoming) -> None:
        """Take a step of a rule's life. Never raises: without the rule, people decide."""
        if record.value is None:
            return
        if not is_ours(record, self._sealed):
            log.error("a standing rule bears no seal of ours, it has no effect", position=record.position)
            return
        try:
            event = self._codec.decode_as(record.value, RuleChanged)
        except DecodeError as error:
            log.error("a standing rule can not be read", position=record.position, error=str(error))
            return
        self.note(event)
        log.info("standing rule", rule=event.rule.rule_id, change=event.change.value, by=event.actor)

    def note(self, event: RuleChanged) -> None:
        """Take a step that this process has just written; the topic repeats it, which changes nothing."""
        with self._one_at_a_time:  # the reader's thread, and whoever writes
            known = noted(self._current.known, event)
            self._current = StandingRules(MappingProxyType(known), in_force(known))


def in_force(known: Mapping[str, Standing]) -> Mapping[str, RulesInForce]:
    """The approved rules by decision type, in the order of their approval. One that does not compile is
    left out."""
    by_type: dict[str, list[Approved]] = defaultdict(list)
    for standing in known.values():
        approved = approved_rule(standing)
        if approved is not None and _compiles(approved):
            by_type[approved.rule.decision_type].append(approved)
    return MappingProxyType({name: together(rules) for name, rules in by_type.items()})


def together(rules: Sequence[Approved]) -> RulesInForce:
    """Rules whose conditions are known to compile, ready for routing."""
    ordered = sorted(rules, key=lambda one: (one.approved_at, one.rule.rule_id))
    conditions = [one.rule.condition for one in ordered]
    return RulesInForce(tuple(ordered), Expressions(conditions, conditions=True).evaluate)


def _compiles(approved: Approved) -> bool:
    try:
        check_condition(approved.rule.condition)
    except HitlError as error:
        log.error("a standing rule does not compile", rule=approved.rule.rule_id, error=str(error))
        return False
    return True
