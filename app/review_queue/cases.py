"""The case file: a brief of every decision, to join later truth to and to show as history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from app.domain.events import (
    Arm,
    ConsequenceClass,
    DecidedBy,
    DecisionResolved,
    DecisionRouted,
    DecisionWithdrawn,
    ObservationKind,
    ObservedOutcome,
    Shadowed,
)
from app.domain.routing import eligible
from app.review_queue import keys as names
from app.review_queue.keys import Keys
from app.review_queue.store import Client, Script, reachable


class Brief(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a routed decision. New fields go to the end, with a default."""

    decision_id: str
    decision_type: str
    subject: str
    learning_key: str
    epoch: int
    raw: float
    probability: float
    score: float
    threshold: float
    level: int
    automated: bool
    evidence: bool
    evidence_probability: float
    audit: bool
    audit_probability: float
    arm: Arm
    consequence_class: ConsequenceClass
    recommendation: str
    action: str | None
    received_at: int
    pool: str = ""
    submitted_by: str = ""
    eligible: bool = False
    """Nothing but its score decided whether it runs alone."""
    shadows: list[Shadowed] = []


class Resolved(msgspec.Struct, frozen=True, array_like=True):
    """The final answer of a decision, as far as history shows it. New fields go to the end."""

    action: str
    decided_by: DecidedBy
    agreed: bool | None
    reason_code: str
    resolved_at: int
    changes: str | None = None
    """The facts that were changed, as JSON."""


class Observed(msgspec.Struct, frozen=True, array_like=True):
    """A truth that arrived later, as far as history shows it."""

    kind: ObservationKind
    correct_action: str | None
    observed_at: int


class Withdrawal(msgspec.Struct, frozen=True, array_like=True):
    """Who took a decision back, and why."""

    withdrawn_by: str
    reason: str


class Case(msgspec.Struct, frozen=True):
    """A decision with what became of it, as far as is known."""

    brief: Brief
    resolved: Resolved | None
    observed: Observed | None


_WRITTEN, _RECALLED = 64, 160
"""Cases that are written, or read, in one call: half a millisecond of the store's time, which a person's
claim may have to wait."""

_pack = msgspec.msgpack.Encoder().encode
_brief = msgspec.msgpack.Decoder(Brief)
_resolved = msgspec.msgpack.Decoder(Resolved)
_observed = msgspec.msgpack.Decoder(Observed)
_withdrawal = msgspec.msgpack.Decoder(Withdrawal)


def brief(routed: DecisionRouted) -> Brief:
    """The brief of a routed decision."""
    decision, assessment, route = routed.scored.decision, routed.scored.assessment, routed.route
    return Brief(
        decision_id=decision.decision_id,
        decision_type=decision.decision_type,
        subject=decision.subject,
        learning_key=route.learning_key,
        epoch=route.epoch,
        raw=assessment.confidence.raw,
        probability=assessment.confidence.probability,
        score=route.score,
        threshold=route.threshold,
        level=route.level,
        automated=route.action is not None,
        evidence=route.evidence,
        evidence_probability=route.evidence_probability,
        audit=route.audit,
        audit_probability=route.audit_probability,
        arm=route.arm,
        consequence_class=assessment.consequence.consequence_class,
        recommendation=decision.recommendation.action,
        action=route.action,
        received_at=assessment.received_at,
        pool=route.pool,
        submitted_by=decision.submitted_by,
        eligible=eligible(routed),
        shadows=route.shadows,
    )


class CaseFile:
    """Briefs and fates of decisions, kept for ``memory`` ms after they were received.

    ``length`` bounds the history of a subject and the precedents of a type. Every method takes a batch, a
    little in each round trip; all of them may be repeated.
    """

    def __init__(
        self, client: Client, keys: Keys, *, memory: int, length: int, clock: Callable[[], int]
    ) -> None:
        self._client = client
        self._keys = keys
        self._base = keys.cases()
        self._memory = memory
        self._length = length
        self._clock = clock
        self._remember, self._fate, self._recall = Script("remember"), Script("fate"), Script("recall")

    def follow(self, memory: int, length: int) -> None:
        """Another memory (ms) and length of history, from the next call on."""
        self._memory, self._length = memory, length

    def remember(self, routed: Sequence[DecisionRouted]) -> None:
        """Keep a brief of each decision, in the history of its subject."""
        self.remember_briefs([brief(one) for one in routed])

    def remember_briefs(self, briefs: Sequence[Brief]) -> None:
        """As :meth:`remember`, for whoever has the briefs already."""
        batch: list[str | int] = []
        values: list[bytes] = []
        now = self._clock()
        for one in briefs:
            left = self._left(one.received_at, now)
            if left > 0:
                batch += (one.decision_id, one.subject, one.received_at, left)
                values.append(_pack(one))
        self._send(self._remember, batch, values, self._length, self._memory)

    def resolved(self, events: Sequence[DecisionResolved]) -> None:
        """Keep how people (or a deadline rule) resolved decisions. What the AI decided is in the brief."""
        batch: list[str | int] = []
        values: list[bytes] = []
        now = self._clock()
        for event in events:
            what = event.resolution
            left = self._left(event.routed.scored.assessment.received_at, now)
            if what.decided_by is DecidedBy.AI or left <= 0:
                continue
            decision = event.routed.scored.decision
            kind = decision.decision_type if what.decided_by is DecidedBy.HUMAN else ""
            fate = Resolved(
                what.action,
                what.decided_by,
                what.agreed,
                what.reason_code,
                what.resolved_at,
                what.changes,
            )
            batch += (decision.decision_id, kind, what.resolved_at, left)
            values.append(_pack(fate))
        self._send(self._fate, batch, values, self._length, self._memory, "resolution")

    def observed(self, events: Sequence[ObservedOutcome]) -> None:
        """Keep what turned out later about decisions."""
        batch: list[str | int] = []
        values: list[bytes] = []
        now = self._clock()
        for event in events:
            left = self._left(event.observed_at, now)
            if left > 0:
                fate = Observed(event.kind, event.correct_action, event.observed_at)
                batch += (event.decision_id, "", event.observed_at, left)
                values.append(_pack(fate))
        self._send(self._fate, batch, values, self._length, self._memory, "observed")

    def withdrawn(self, events: Sequence[DecisionWithdrawn]) -> None:
        """Keep which decisions were withdrawn: a review that is asked for only later ends at once."""
        batch: list[str | int] = []
        values: list[bytes] = []
        now = self._clock()
        for event in events:
            left = self._left(event.at, now)
            if left > 0:
                batch += (event.decision_id, "", event.at, left)
                values.append(_pack(Withdrawal(event.withdrawn_by, event.reason)))
        self._send(self._fate, batch, values, self._length, self._memory, "withdrawn")

    def withdrawals(self, ids: Sequence[str]) -> list[Withdrawal | None]:
        """Who withdrew each decision and why, ``None`` where nobody did (as far as is remembered)."""
        if not ids:
            return []
        pipe = self._client.pipeline(transaction=False)
        for one in ids:
            pipe.execute_command("HGET", self._keys.cases(names.FATE, one), "withdrawn")
        with reachable:
            found = pipe.execute()
        return [_withdrawal.decode(raw) if raw else None for raw in found]

    def briefs(self, ids: Sequence[str]) -> list[Brief | None]:
        """The brief of each decision, ``None`` where it is not known (any more)."""
        if not ids:
            return []
        with reachable:
            found = self._client.execute_command("MGET", *(self._keys.cases(names.CASE, one) for one in ids))
        return [_brief.decode(raw) if raw else None for raw in found]

    def cases(self, ids: Sequence[str]) -> list[Case | None]:
        """The whole case of each decision, ``None`` where it is not known (any more)."""
        if not ids:
            return []
        pipe = self._client.pipeline(transaction=False)
        for one in ids:
            pipe.execute_command("GET", self._keys.cases(names.CASE, one))
            pipe.execute_command("HMGET", self._keys.cases(names.FATE, one), "resolution", "observed")
        with reachable:
            found = pipe.execute()
        return [_case(raw, *fate) if raw else None for raw, fate in zip(found[::2], found[1::2], strict=True)]

    def histories(self, subjects: Sequence[str], limit: int | None = None) -> list[list[Case]]:
        """The last cases of each subject, newest first."""
        return self._cases(names.SUBJECT, subjects, limit)

    def precedents(self, types: Sequence[str], limit: int | None = None) -> list[list[Case]]:
        """The last cases of each decision type that people decided, newest first."""
        return self._cases(names.PRECEDENTS, types, limit)

    def _cases(self, kind: str, items: Sequence[str], limit: int | None) -> list[list[Case]]:
        if not items:
            return []
        most = self._length if limit is None else limit
        step = max(1, _RECALLED // max(1, most))
        found: list[Any] = []
        with reachable:
            for start in range(0, len(items), step):
                some: list[str | int] = [most, kind, *items[start : start + step]]
                found += self._recall.run(self._client, self._base, some)
        return [[_case(*flat[i : i + 3]) for i in range(0, len(flat), 3)] for flat in found]

    def _left(self, since: int, now: int) -> int:
        return self._memory - max(0, now - since)

    def _send(self, script: Script, batch: list[str | int], values: list[bytes], *lead: str | int) -> None:
        width = len(batch) // max(1, len(values))
        with reachable:
            for start in range(0, len(values), _WRITTEN):
                end = start + _WRITTEN
                part = _pack(batch[start * width : end * width])
                script.run(self._client, self._base, [*lead, part, *values[start:end]])


def _case(raw: bytes, resolution: Any, observation: Any) -> Case:  # noqa: ANN401 - bytes or nothing
    return Case(
        _brief.decode(raw),
        _resolved.decode(resolution) if resolution else None,
        _observed.decode(observation) if observation else None,
    )
