"""DecisionScored -> DecisionRouted: who decides, and why? What the AI decides is resolved at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from app.agents.books import Thresholds
from app.agents.rule_book import NO_STANDING, StandingRules
from app.agents.scoring import Scored
from app.agents.strides import strides
from app.domain.confidence import IDENTITY, Calibration
from app.domain.events import DecisionResolved, DecisionRouted, DecisionScored, Route
from app.domain.evidence import draws
from app.domain.expression_context import context as build_context
from app.domain.facts import Invalid, parse_facts
from app.domain.resolution import resolve_automated
from app.domain.routing import learning_key, route
from app.domain.shadows import shadows_of, with_shadows
from app.domain.traffic import Traffic
from app.policy.compiled import CompiledPolicy
from app.review_queue.rebuild import POSITION_HEADER
from app.stream.codec import Codec
from app.stream.envelope import key_id_of
from app.stream.errors import DecodeError
from app.stream.headers import event_headers, routed_already
from app.stream.records import DeadLetter, Incoming, Outgoing, Output
from app.stream.topics import Topic

STAGE = "routing"


class Routing:
    """Routes scored decisions. Policy, thresholds and standing rules are read once per batch."""

    def __init__(
        self,
        codec: Codec,
        policy: Callable[[], CompiledPolicy],
        thresholds: Callable[[], Thresholds],
        secret: bytes,
        rules: Callable[[], StandingRules] | None = None,
        calibrations: Callable[[], Mapping[str, Calibration]] | None = None,
    ) -> None:
        """``calibrations`` are for shadows; what decides was calibrated when it was scored."""
        self._rules = rules or (lambda: NO_STANDING)
        self._calibrations = calibrations or (lambda: {})
        self._codec = codec
        self._policy = policy
        self._thresholds = thresholds
        self._secret = secret

    def __call__(self, decisions: Sequence[Scored]) -> Output:
        """DecisionRouted for each, DecisionResolved for those the AI decides, and the traffic tallies."""
        output = Output()
        traffic = Traffic()
        thresholds, rules, calibrations = self._thresholds(), self._rules(), self._calibrations()
        for part in strides(decisions):
            routes = [self._route(scored, thresholds, rules) for scored in part]
            events = [
                DecisionRouted(scored=scored.event, route=decided)
                for scored, decided in zip(part, routes, strict=True)
            ]
            for place, scored in enumerate(part):
                if scored.event.decision.shadows:
                    beside = self._shadows(scored, thresholds, rules, calibrations)
                    for shadow in beside:
                        traffic.count(shadow, scored.terms)
                    events[place] = with_shadows(events[place], beside)
            for scored, event in zip(part, events, strict=True):
                traffic.count(event, scored.terms)
            self._write(part, events, output.outgoing)
            output.events.extend(events)
        output.outgoing.extend(
            Outgoing(Topic.LEARNING_CASES, tally.learning_key.encode(), self._codec.encode(tally), [])
            for tally in traffic.tallies()
        )
        return output

    def alone(self, records: Sequence[Incoming]) -> Output:
        """As a worker of its own: what scoring hands on in memory is read from `decisions.scored`."""
        policy = self._policy()
        dead: list[DeadLetter] = []
        scored = [
            item
            for record in records
            if not routed_already(record) and (item := self._read(record, policy, dead)) is not None
        ]
        output = self(scored)
        output.dead.extend(dead)
        return output

    def _read(self, record: Incoming, policy: CompiledPolicy, dead: list[DeadLetter]) -> Scored | None:
        try:
            event = self._codec.decode_as(record.value or b"", DecisionScored)
        except DecodeError as error:
            dead.append(DeadLetter(record, STAGE, error.reason, str(error)))
            return None
        terms = policy.terms.get(event.decision.decision_type)
        facts = parse_facts(event.decision.facts)
        if terms is None or isinstance(facts, Invalid):
            reason = "unknown_type" if isinstance(facts, dict) else "invalid_facts"
            dead.append(
                DeadLetter(record, STAGE, reason, f"'{event.decision.decision_type}' can not be routed")
            )
            return None
        position = dict(record.headers).get(POSITION_HEADER, b"").decode(errors="replace")
        context = build_context(event.decision, facts)
        # The cause is the submission, as in the chain: when scoring wrote its part says nothing.
        cause = msgspec.structs.replace(record, timestamp=event.assessment.received_at)
        return Scored(cause, position, event, record.value or b"", terms, context)

    def _route(self, scored: Scored, thresholds: Thresholds, rules: StandingRules) -> Route:
        decision = scored.event.decision
        return route(
            decision,
            scored.event.assessment,
            scored.context,
            scored.terms,
            thresholds(learning_key(decision, scored.terms.learning.segment, scored.context), scored.terms),
            draws(self._secret, decision.decision_id),
            rules(decision.decision_type),
        )

    def _shadows(
        self,
        scored: Scored,
        thresholds: Thresholds,
        rules: StandingRules,
        calibrations: Mapping[str, Calibration],
    ) -> list[DecisionRouted]:
        decision, facts = scored.event.decision, parse_facts(scored.event.decision.facts)
        if isinstance(facts, Invalid):  # such a decision is not scored
            return []
        return list(
            shadows_of(
                decision,
                facts,
                scored.event.assessment.received_at,
                scored.terms,
                lambda key: calibrations.get(key, IDENTITY),
                lambda key: thresholds(key, scored.terms),
                draws(self._secret, decision.decision_id),
                rules(decision.decision_type),
            )
        )

    def _write(
        self, part: Sequence[Scored], events: Sequence[DecisionRouted], outgoing: list[Outgoing]
    ) -> None:
        body, append = self._codec.body, self._codec.append
        values = [
            append(DecisionRouted, body(scored.value, DecisionScored), event.route, key_id_of(scored.value))
            for scored, event in zip(part, events, strict=True)
        ]
        for scored, event, value in zip(part, events, values, strict=True):
            decision_id, level = event.scored.decision.decision_id, event.route.level
            key = decision_id.encode()
            headers = event_headers("DecisionRouted", decision_id, scored.record, level=level)
            headers.append((POSITION_HEADER, scored.position.encode()))
            outgoing.append(Outgoing(Topic.DECISIONS_ROUTED, key, value, headers))
            if event.route.action is None:
                continue
            story, under = body(value, DecisionRouted), key_id_of(value)
            resolved = append(DecisionResolved, story, resolve_automated(event), under)
            headers = event_headers("DecisionResolved", decision_id, scored.record, level=level)
            outgoing.append(Outgoing(Topic.DECISIONS_RESOLVED, key, resolved, headers))
