"""Standing rules at work: how often they are used, how their spot checks go, and their end by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog
from mode import Service

from app.agents.rule_book import StandingRules
from app.agents.store import ask_store
from app.domain.events import DecisionRouted, ReviewDecided, ReviewKind, RuleChange, RuleChanged
from app.domain.labels import label_for
from app.domain.standing_rules import (
    SYSTEM,
    SpotChecks,
    Standing,
    auto_approved_by,
    record_key,
    suspicion,
)
from app.errors import ServiceUnreachableError
from app.policy.compiled import CompiledPolicy
from app.review_queue.rule_tallies import RuleTallies, Sight
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.errors import TransientError
from app.stream.headers import event_headers
from app.stream.producer import Publisher
from app.stream.records import Incoming, Outgoing
from app.stream.seals import Seal, with_seal
from app.stream.topics import Topic

log = structlog.get_logger("hitl.rules")

EXPIRY_SECONDS = 1.0  # between two looks for rules whose time is over


class RuleWatch:
    """Counts what records say about rules. A batch that is processed again counts no second time."""

    def __init__(
        self,
        tallies: RuleTallies,
        rules: Callable[[], StandingRules],
        policy: Callable[[], CompiledPolicy],
        codec: Codec,
        seal: Seal,
    ) -> None:
        self._seal = seal
        self._tallies = tallies
        self._rules = rules
        self._policy = policy
        self._codec = codec

    async def used(self, routed: Sequence[tuple[Incoming, DecisionRouted]]) -> None:
        """Count the decisions that a rule let run."""
        sights = [
            _sight(rule_id, record, used=True)
            for record, event in routed
            if (rule_id := auto_approved_by(event)) is not None
        ]
        if sights:
            await ask_store(self._tallies.count, sights)

    async def checked(self, answers: Sequence[tuple[Incoming, ReviewDecided]]) -> list[Outgoing]:
        """Count spot checks. What comes back ends the rules whose checks went worse than they may."""
        seen = [
            (sight, record, decided.answer.decided_at)
            for record, decided in answers
            if (sight := self._check(record, decided)) is not None
        ]
        if not seen:
            return []
        counts = await ask_store(self._tallies.count, [sight for sight, _, _ in seen])
        ended: dict[str, Outgoing] = {}
        for (sight, record, at), checks in zip(seen, counts, strict=True):
            event = self._suspended(sight.rule_id, checks, at)
            if event is not None and sight.rule_id not in ended:
                log.warning("a standing rule is suspended", rule=sight.rule_id, reason=event.reason)
                key = record_key(event)
                headers = event_headers("RuleChanged", key, record)
                told = Outgoing(Topic.RULES_CHANGED, key.encode(), self._codec.encode(event), headers)
                ended[sight.rule_id] = with_seal(told, self._seal)
        return list(ended.values())

    def _check(self, record: Incoming, decided: ReviewDecided) -> Sight | None:
        """What a spot check says. The two people behind a rule may speak against it, not for it."""
        rule_id = auto_approved_by(decided.requested.routed)
        label = label_for(decided)
        if rule_id is None or label is None or label.kind is not ReviewKind.AUDIT:
            return None
        standing = self._rules().known.get(rule_id, Standing())
        behind = (standing.approved_by, standing.approved.rule.proposed_by) if standing.approved else ()
        if decided.answer.reviewer in behind and not label.error:
            return None
        return _sight(rule_id, record, checked=True, overridden=label.error)

    def _suspended(self, rule_id: str, checks: SpotChecks, at: int) -> RuleChanged | None:
        standing = self._rules().known.get(rule_id)
        if standing is None or standing.approved is None or standing.ended is not None:
            return None
        terms = self._policy().terms.get(standing.rule.decision_type)
        if terms is None:
            return None
        why = suspicion(checks, alpha=terms.alpha, level=terms.rules_suspend_at)
        if why is None:
            return None
        return ended_by_itself(standing, RuleChange.SUSPENDED, at, why)


def _sight(
    rule_id: str, record: Incoming, *, used: bool = False, checked: bool = False, overridden: bool = False
) -> Sight:
    return Sight(
        rule_id=rule_id,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        used=used,
        checked=checked,
        overridden=overridden,
    )


def ended_by_itself(standing: Standing, change: RuleChange, at: int, reason: str) -> RuleChanged:
    """The end of a rule that no person ended."""
    return RuleChanged(rule=standing.rule, change=change, actor=SYSTEM, at=at, reason=reason, excluded=[])


class RuleExpiryService(Service):
    """Writes down that a rule's time is over. Routing goes by the record's time; from this event on the rule
    is over for records of any time, however late they come or whatever time they claim. Several may run:
    all write the same record."""

    def __init__(
        self,
        rules: Callable[[], StandingRules],
        codec: Codec,
        connection: Connection,
        clock: Callable[[], int],
        seal: Seal,
    ) -> None:
        super().__init__()
        self._seal = seal
        self._rules = rules
        self._codec = codec
        self._connection = connection
        self._clock = clock

    async def on_start(self) -> None:
        """Begin."""
        self.add_future(self._run())

    async def _run(self) -> None:
        publisher: Publisher | None = None
        written: set[str] = set()
        try:
            while not self.should_stop:
                ends = expired(self._rules(), self._clock())
                due = [event for event in ends if event.rule.rule_id not in written]
                if due:
                    publisher = publisher or Publisher(self._connection, client_id="hitl-rule-expiry")
                    try:
                        failed = await asyncio.to_thread(publisher.send, [self._outgoing(e) for e in due])
                    except (TransientError, ServiceUnreachableError) as outage:
                        log.debug("expired rules are written down later", outage=str(outage))
                    else:
                        if not failed:
                            written |= {event.rule.rule_id for event in due}
                await self.sleep(EXPIRY_SECONDS)
        finally:
            if publisher is not None:
                publisher.close()

    def _outgoing(self, event: RuleChanged) -> Outgoing:
        told = Outgoing(Topic.RULES_CHANGED, record_key(event).encode(), self._codec.encode(event), [])
        return with_seal(told, self._seal)


def expired(rules: StandingRules, now: int) -> list[RuleChanged]:
    """The ends of the rules whose time is over and whose end nobody has written down."""
    return [
        ended_by_itself(standing, RuleChange.EXPIRED, standing.rule.expires_at, "its time is over")
        for standing in rules.known.values()
        if standing.ended is None and now >= standing.rule.expires_at
    ]
