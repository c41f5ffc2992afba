"""The work itself, once: bytes of a submitted decision in, the records it causes out.

Every variant that is not our worker calls this, so that only the machinery around it differs. It is
what the scoring and routing agents do for one record, without the check for repeated ids, dead
letters and traffic tallies, which are part of what the worker promises on top.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import fastavro
import msgspec
from confluent_kafka import Producer

from app.domain.confidence import Calibration
from app.domain.events import (
    DecisionResolved,
    DecisionRouted,
    DecisionScored,
    DecisionSubmitted,
    ThresholdUpdated,
)
from app.domain.evidence import draws
from app.domain.facts import Invalid, build_context, parse_facts
from app.domain.resolution import resolve_automated
from app.domain.routing import learning_key, route
from app.domain.scoring import assess
from app.domain.terms import Facts, Terms
from app.domain.thresholds import ThresholdInForce, threshold_in_force
from app.policy.compiled import CompiledPolicy, compile_policy
from app.policy.load import load_policy
from app.settings import Settings
from app.stream.codec import Codec
from app.stream.headers import event_headers
from app.stream.records import Headers, Incoming
from app.stream.schemas import Schemas, fingerprint
from bench.decisions import decisions

SUBMITTED, SCORED, ROUTED, RESOLVED = (
    "decisions.submitted",
    "decisions.scored",
    "decisions.routed",
    "decisions.resolved",
)
CHUNK = 128
"""Records that go through a step together: their data still fit the second-level cache."""
EVIDENCE_PROBABILITY = 0.03
AUTOMATED_BEFORE = 20_000


class Written(msgspec.Struct, frozen=True, gc=False):
    """One record to produce, with the key of the decision."""

    topic: str
    value: bytes
    headers: Headers


class Workload:
    """Policy, codec and learned state, loaded once; then ``handle`` for each record."""

    def __init__(self, codec: Codec, schemas: Schemas, policy: CompiledPolicy, secret: bytes) -> None:
        self.codec = codec
        self.policy = policy
        self._secret = secret
        self._calibration = Calibration()
        self._in_force: dict[str, ThresholdInForce] = {}
        self._plain = {
            name: (b"\xc3\x01" + fingerprint(schema), fastavro.parse_schema(_times_as_numbers(schema)))
            for name, schema in schemas.current.items()
        }

    @classmethod
    def load(cls, settings: Settings) -> Workload:
        schemas = Schemas.load()
        policy = compile_policy(load_policy(settings.policy_path))
        return cls(Codec(schemas), schemas, policy, settings.secret)

    def handle(self, key: bytes, value: bytes, headers: Headers | None, timestamp: int) -> list[Written]:
        """As our agents do it: decode once, append each stage's part to the bytes received."""
        record = Incoming(SUBMITTED, 0, 0, key, value, headers or [], timestamp)
        codec = self.codec
        decision = codec.decode_as(value, DecisionSubmitted)
        scored, routed = self._decide(decision, timestamp)
        scored_value = codec.append(DecisionScored, codec.body(value, DecisionSubmitted), scored.assessment)
        routed_value = codec.append(DecisionRouted, codec.body(scored_value, DecisionScored), routed.route)
        name = decision.decision_id
        written = [
            Written(SCORED, scored_value, event_headers("DecisionScored", name, record)),
            Written(
                ROUTED, routed_value, event_headers("DecisionRouted", name, record, level=routed.route.level)
            ),
        ]
        if routed.route.action is not None:
            resolved = codec.append(
                DecisionResolved, codec.body(routed_value, DecisionRouted), resolve_automated(routed)
            )
            written.append(
                Written(
                    RESOLVED,
                    resolved,
                    event_headers("DecisionResolved", name, record, level=routed.route.level),
                )
            )
        return written

    def handle_batch(self, records: Sequence[Incoming]) -> list[tuple[bytes, Written]]:
        """(key, record) of a batch, the same records as ``handle`` one by one, step by step instead: one
        step's code stays in the processor's caches for a chunk of records, which saves a quarter."""
        written: list[tuple[bytes, Written]] = []
        for start in range(0, len(records), CHUNK):
            self._chunk(records[start : start + CHUNK], written)
        return written

    def _chunk(self, records: Sequence[Incoming], written: list[tuple[bytes, Written]]) -> None:
        codec, all_terms = self.codec, self.policy.terms
        values = [record.value or b"" for record in records]
        decisions_ = [codec.decode_as(value, DecisionSubmitted) for value in values]
        facts = [_valid(parse_facts(decision.facts)) for decision in decisions_]
        contexts = [build_context(d, f) for d, f in zip(decisions_, facts, strict=True)]
        terms = [all_terms[decision.decision_type] for decision in decisions_]
        assessments = [
            assess(d, f, c, r.timestamp, t, self._calibration)
            for d, f, c, r, t in zip(decisions_, facts, contexts, records, terms, strict=True)
        ]
        scored = [
            codec.append(DecisionScored, codec.body(value, DecisionSubmitted), assessment)
            for value, assessment in zip(values, assessments, strict=True)
        ]
        drawn = [draws(self._secret, decision.decision_id) for decision in decisions_]
        routes = [
            route(d, a, c, t, self.in_force(learning_key(d), t), u)
            for d, a, c, t, u in zip(decisions_, assessments, contexts, terms, drawn, strict=True)
        ]
        routed = [
            codec.append(DecisionRouted, codec.body(value, DecisionScored), chosen)
            for value, chosen in zip(scored, routes, strict=True)
        ]
        automated = [number for number, chosen in enumerate(routes) if chosen.action is not None]
        resolutions = [
            resolve_automated(
                DecisionRouted(
                    scored=DecisionScored(decision=decisions_[n], assessment=assessments[n]), route=routes[n]
                )
            )
            for n in automated
        ]
        resolved = [
            codec.append(DecisionResolved, codec.body(routed[n], DecisionRouted), resolution)
            for n, resolution in zip(automated, resolutions, strict=True)
        ]
        for record, decision, chosen, scored_value, routed_value in zip(
            records, decisions_, routes, scored, routed, strict=True
        ):
            name, key = decision.decision_id, record.key or b""
            written.append(
                (key, Written(SCORED, scored_value, event_headers("DecisionScored", name, record)))
            )
            headers = event_headers("DecisionRouted", name, record, level=chosen.level)
            written.append((key, Written(ROUTED, routed_value, headers)))
        for number, value in zip(automated, resolved, strict=True):
            headers = event_headers(
                "DecisionResolved",
                decisions_[number].decision_id,
                records[number],
                level=routes[number].level,
            )
            written.append((records[number].key or b"", Written(RESOLVED, value, headers)))

    def handle_naive(
        self, key: bytes, value: bytes, headers: Headers | None, timestamp: int
    ) -> list[Written]:
        """As one would write it without this project's codec: fastavro, every nested record whole."""
        record = Incoming(SUBMITTED, 0, 0, key, value, headers or [], timestamp)
        decision = msgspec.convert(self._read("DecisionSubmitted", value), DecisionSubmitted)
        scored, routed = self._decide(decision, timestamp)
        name = decision.decision_id
        written = [
            Written(SCORED, self._write(scored), event_headers("DecisionScored", name, record)),
            Written(
                ROUTED,
                self._write(routed),
                event_headers("DecisionRouted", name, record, level=routed.route.level),
            ),
        ]
        if routed.route.action is not None:
            resolved = DecisionResolved(routed=routed, resolution=resolve_automated(routed))
            written.append(
                Written(
                    RESOLVED,
                    self._write(resolved),
                    event_headers("DecisionResolved", name, record, level=routed.route.level),
                )
            )
        return written

    def publish_learned(self, bootstrap: str, prefix: str, at: int) -> None:
        """What learning has found out so far, for workers to read: without it nearly every automated
        decision would still be sampled as evidence, which is right for a first day, not for a benchmark."""
        producer = Producer({"bootstrap.servers": bootstrap})
        for update in self.learned(at):
            producer.produce(f"{prefix}thresholds.updated", self.codec.encode(update), update.learning_key)
        producer.flush(30)

    def learned(self, at: int) -> list[ThresholdUpdated]:
        """One update for each learning key of the benchmark's decisions."""
        keys = {learning_key(decision) for decision in decisions(50, seed=1, occurred_at=0)}
        return [self._learned(key, at) for key in sorted(keys)]

    @property
    def pools(self) -> list[str]:
        """Review pools of the policy, each with a topic of its own."""
        return list(self.policy.pool_names)

    def in_force(self, key: str, terms: Terms) -> ThresholdInForce:
        """What the worker gets from `thresholds.updated`."""
        found = self._in_force.get(key)
        if found is None:
            found = self._in_force[key] = threshold_in_force(terms, self._learned(key, 0))
        return found

    def _decide(self, decision: DecisionSubmitted, timestamp: int) -> tuple[DecisionScored, DecisionRouted]:
        facts = _valid(parse_facts(decision.facts))
        terms = self.policy.terms[decision.decision_type]
        context = build_context(decision, facts)
        assessment = assess(decision, facts, context, timestamp, terms, self._calibration)
        in_force = self.in_force(learning_key(decision), terms)
        chosen = route(
            decision, assessment, context, terms, in_force, draws(self._secret, decision.decision_id)
        )
        scored = DecisionScored(decision=decision, assessment=assessment)
        return scored, DecisionRouted(scored=scored, route=chosen)

    @staticmethod
    def _learned(key: str, at: int) -> ThresholdUpdated:
        return ThresholdUpdated(
            learning_key=key,
            version=1,
            epoch=1,
            threshold=0.9,
            previous=0.9,
            cap=0.0,
            floor=0.0,
            certified=0.9,
            evidence_probability=EVIDENCE_PROBABILITY,
            automated=AUTOMATED_BEFORE,
            labels=900,
            errors=9,
            labels_needed=0,
            error_estimate=0.01,
            reason="state of the benchmark",
            updated_at=at,
        )

    def _read(self, name: str, value: bytes) -> Any:
        head, schema = self._plain[name]
        assert value[: len(head)] == head
        return fastavro.schemaless_reader(io.BytesIO(value[len(head) :]), schema)

    def _write(self, event: DecisionScored | DecisionRouted | DecisionResolved) -> bytes:
        head, schema = self._plain[type(event).__name__]
        out = io.BytesIO()
        out.write(head)
        fastavro.schemaless_writer(out, schema, msgspec.to_builtins(event))
        return out.getvalue()


def _valid(facts: Facts | Invalid) -> Facts:
    assert not isinstance(facts, Invalid), facts
    return facts


def _times_as_numbers(schema: Any) -> Any:
    """Without logical types: fastavro then spares itself datetimes that the rules do not want."""
    if isinstance(schema, dict):
        return {name: _times_as_numbers(part) for name, part in schema.items() if name != "logicalType"}
    return [_times_as_numbers(part) for part in schema] if isinstance(schema, list) else schema
