"""DecisionScored -> DecisionRouted: who decides, and why? What the AI decides is resolved at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from app.agents.scoring import Scored
from app.domain.events import DecisionResolved, DecisionRouted, DecisionScored, Route, ScoreTally
from app.domain.evidence import draws
from app.domain.facts import Invalid, build_context, parse_facts
from app.domain.learning.bins import bin_of
from app.domain.resolution import resolve_automated
from app.domain.routing import learning_key, route
from app.domain.terms import Terms
from app.domain.thresholds import ThresholdInForce
from app.policy.compiled import CompiledPolicy
from app.stream.codec import Codec
from app.stream.errors import DecodeError
from app.stream.headers import event_headers
from app.stream.records import DeadLetter, Incoming, Outgoing, Output
from app.stream.topics import Topic

STAGE = "routing"


class Routing:
    """Routes scored decisions. Policy and thresholds are read once per batch."""

    def __init__(
        self,
        codec: Codec,
        policy: Callable[[], CompiledPolicy],
        in_force: Callable[[str, Terms], ThresholdInForce],
        secret: bytes,
    ) -> None:
        self._codec = codec
        self._policy = policy
        self._in_force = in_force
        self._secret = secret

    def __call__(self, decisions: Sequence[Scored]) -> Output:
        """DecisionRouted for each, DecisionResolved for those the AI decides, and the traffic tallies."""
        output = Output()
        traffic = Traffic()
        for scored in decisions:
            decided = self._route(scored)
            traffic.count(decided, scored)
            self._write(scored, decided, output.outgoing)
        output.outgoing.extend(
            Outgoing(Topic.LEARNING_CASES, tally.learning_key.encode(), self._codec.encode(tally), [])
            for tally in traffic.tallies()
        )
        return output

    def read(self, records: Sequence[Incoming]) -> tuple[Output, list[Scored]]:
        """What scoring hands on in memory, read from `decisions.scored` instead (staged workers)."""
        policy = self._policy()
        output = Output()
        scored = [item for record in records if (item := self._read(record, policy, output.dead)) is not None]
        return output, scored

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
            dead.append(DeadLetter(record, STAGE, reason, f"'{event.decision.decision_type}' can not be routed"))
            return None
        return Scored(record, event, record.value or b"", terms, build_context(event.decision, facts))

    def _route(self, scored: Scored) -> Route:
        decision = scored.event.decision
        return route(
            decision,
            scored.event.assessment,
            scored.context,
            scored.terms,
            self._in_force(learning_key(decision), scored.terms),
            draws(self._secret, decision.decision_id),
        )

    def _write(self, scored: Scored, decided: Route, outgoing: list[Outgoing]) -> None:
        decision_id = scored.event.decision.decision_id
        key = decision_id.encode()
        story = self._codec.body(scored.value, DecisionScored)
        routed = self._codec.append(DecisionRouted, story, decided)
        outgoing.append(
            Outgoing(
                Topic.DECISIONS_ROUTED, key, routed, event_headers("DecisionRouted", decision_id, scored.record)
            )
        )
        if decided.action is None:
            return
        event = DecisionRouted(scored=scored.event, route=decided)
        resolved = self._codec.append(
            DecisionResolved, self._codec.body(routed, DecisionRouted), resolve_automated(event)
        )
        outgoing.append(
            Outgoing(
                Topic.DECISIONS_RESOLVED,
                key,
                resolved,
                event_headers("DecisionResolved", decision_id, scored.record),
            )
        )


class Traffic:
    """Counts a batch's decisions by learning key, epoch and score bin: what labels are a sample of."""

    def __init__(self) -> None:
        self._bins: dict[tuple[str, int], dict[int, list[int]]] = {}
        self._latest: dict[tuple[str, int], tuple[int, float]] = {}

    def count(self, decided: Route, scored: Scored) -> None:
        """Add one decision."""
        key = (decided.learning_key, decided.epoch)
        counts = self._bins.setdefault(key, {}).setdefault(bin_of(decided.score), [0, 0])
        counts[0] += 1
        counts[1] += decided.action is not None
        at = scored.event.assessment.received_at
        latest = self._latest.get(key)
        if latest is None or at > latest[0]:
            self._latest[key] = (at, scored.terms.threshold_floor)

    def tallies(self) -> Iterable[ScoreTally]:
        """One record for each key and epoch, bins in order."""
        for (learning_key_, epoch), bins in self._bins.items():
            at, floor = self._latest[learning_key_, epoch]
            yield ScoreTally(
                learning_key=learning_key_,
                epoch=epoch,
                bins=[number for index in sorted(bins) for number in (index, *bins[index])],
                policy_threshold=floor,
                routed_at=at,
            )
