"""One decision's records as a chain: changing, dropping, swapping or adding one shows. Pure.

Three things hold a decision's evidence together (docs/evidence.md says what each is worth):

- **Seals.** Whoever relays what people did writes ``HMAC-SHA256(key, topic, record key, value)`` beside each
  record. Without the key nobody can write or change a person's step or answer unnoticed.
- **Steps.** Each step of a review carries its number and the whole state after it: a missing one leaves a
  gap, and the last one says whether there must be an answer.
- **The chain.** In an evidence pack hash_n = SHA-256(hash_{n-1} || canonical record n), and the head is
  sealed: a pack that was handed out says for ever what the log said then.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

import msgspec

from app.domain.events import (
    DecisionResolved,
    DecisionRouted,
    DecisionScored,
    DecisionSubmitted,
    DecisionWithdrawn,
    ObservedOutcome,
    Record,
    ReviewDecided,
    ReviewDefaulted,
    ReviewKind,
    ReviewLifecycle,
    ReviewRequested,
    RuleChanged,
)
from app.domain.review import Review

SEAL_HEADER = "hitl_seal"
"""Header of a record that the relay published: its seal, in hex."""
SEALED = (ReviewLifecycle, ReviewDecided, ReviewDefaulted, RuleChanged)
"""What only the relay and the desk of rules write: without a seal it comes from somebody else."""

_PURPOSE = b"hitl evidence seal 1"
_review = msgspec.json.Decoder(Review)


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One record of a decision. ``value`` is what stands in the topic, base64; ``content`` the same for
    people. ``seal`` as it stood beside the record, ``hash`` the chain up to here; both in hex."""

    event: str
    topic: str
    partition: int
    offset: int
    written_at: int
    key: str
    content: dict[str, object]
    value: str
    seal: str | None
    hash: str = ""

    @property
    def position(self) -> str:
        """Where it was read."""
        return f"{self.topic}[{self.partition}]@{self.offset}"


class Told(msgspec.Struct, frozen=True):
    """A record with its event."""

    evidence: Evidence
    event: Record


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a chain. ``key_id`` says which key sealed it, without giving it away."""

    count: int
    hash: str
    seal: str
    key_id: str


def seal_key(secret: bytes) -> bytes:
    """The key of the seals, derived so that the evidence coin's secret itself is used for nothing else."""
    return hmac.digest(secret, _PURPOSE, "sha256")


def key_id(key: bytes) -> str:
    """Which key this is, in 12 hex digits.

    >>> key_id(seal_key(b"a secret"))
    '7c130a076665'
    """
    return hashlib.sha256(b"key id\n" + key).hexdigest()[:12]


def seal(key: bytes, topic: str, record_key: bytes, value: bytes) -> str:
    """The seal of a record: HMAC-SHA256 over topic (logical name), record key and value, each with its
    length before it, in hex."""
    mac = hmac.new(key, digestmod="sha256")
    for part in (topic.encode(), record_key, value):
        mac.update(len(part).to_bytes(8, "big"))
        mac.update(part)
    return mac.hexdigest()


def sealed(keys: Sequence[bytes], topic: str, record_key: bytes, value: bytes, found: str | None) -> bool:
    """Whether ``found`` is the record's seal under one of the keys: the present one, or the one before."""
    if found is None:
        return False
    expected = (seal(key, topic, record_key, value) for key in keys)
    return any(hmac.compare_digest(one.encode(), found.encode()) for one in expected)


def told(
    event: Record, topic: str, partition: int, offset: int, written_at: int, key: bytes, value: bytes,
    seal: str | None,
) -> Told:  # fmt: skip
    """A record as evidence."""
    return Told(
        Evidence(
            event=type(event).__name__,
            topic=topic,
            partition=partition,
            offset=offset,
            written_at=written_at,
            key=key.decode(errors="replace"),
            content=msgspec.to_builtins(event),
            value=base64.b64encode(value).decode(),
            seal=seal,
        ),
        event,
    )


def ordered(records: Sequence[Told]) -> list[Told]:
    """A decision's records in their one order: submission, score, route with the standing rules that took
    part, then each review with its steps and answer, then the resolution and what turned out later. Exact
    repeats (the outbox delivers at least once) count once; items with known truth that borrow the id are no
    part of the decision.

    The order follows from content alone, so that it is the same whatever order topics are read in.
    """
    first: dict[bytes, Told] = {}
    for record in sorted(records, key=lambda one: (one.evidence.topic, one.evidence.offset)):
        if not _is_gold(record.event):
            first.setdefault(canonical(record.evidence), record)
    return sorted(first.values(), key=lambda one: (*_place(one.event), canonical(one.evidence)))


def canonical(evidence: Evidence) -> bytes:
    """What is hashed of a record: its type and content as JSON with sorted keys."""
    content = {"event": evidence.event, "content": evidence.content}
    return msgspec.json.encode(content, order="sorted")


def chained(decision_id: str, records: Sequence[Evidence]) -> list[Evidence]:
    """The records with their hashes, in the order given."""
    last = hashlib.sha256(f"hitl evidence 1\n{decision_id}".encode()).digest()
    linked = []
    for record in records:
        last = hashlib.sha256(last + canonical(record)).digest()
        linked.append(msgspec.structs.replace(record, hash=last.hex()))
    return linked


def head(decision_id: str, chain: Sequence[Evidence], key: bytes) -> Head:
    """The sealed end of a chain."""
    last = chain[-1].hash if chain else ""
    return Head(
        count=len(chain), hash=last, seal=_head_seal(decision_id, len(chain), last, key), key_id=key_id(key)
    )


def head_holds(decision_id: str, found: Head, key: bytes) -> bool:
    """Whether the head was sealed with this key, for this decision, count and hash."""
    expected = _head_seal(decision_id, found.count, found.hash, key)
    return hmac.compare_digest(expected, found.seal)


def seal_holds(record: Evidence, key: bytes) -> bool:
    """Whether a record bears the seal of this key."""
    if record.seal is None:
        return False
    try:
        value = base64.b64decode(record.value, validate=True)
    except ValueError:
        return False
    return sealed((key,), record.topic, record.key.encode(), value, record.seal)


def state_of(step: ReviewLifecycle) -> Review | None:
    """The state after a step; ``None`` when it is no state."""
    try:
        return _review.decode(step.state)
    except msgspec.MsgspecError:
        return None


def step_number(step: ReviewLifecycle) -> int:
    """Which step of its review this is, from 1; 0 when nobody can tell."""
    review = state_of(step)
    return review.step if review else 0


def _head_seal(decision_id: str, count: int, last: str, key: bytes) -> str:
    return hmac.new(key, f"head\n{decision_id}\n{count}\n{last}".encode(), "sha256").hexdigest()


def _is_gold(event: Record) -> bool:
    match event:
        case ReviewRequested(request=request):
            return request.kind is ReviewKind.GOLD
        case ReviewDecided(requested=requested) | ReviewDefaulted(requested=requested):
            return requested.request.kind is ReviewKind.GOLD
        case ReviewLifecycle():
            review = state_of(event)
            return review is not None and review.kind is ReviewKind.GOLD
        case _:
            return False


def _place(event: Record) -> tuple[int, str, int, int]:
    """Sort key: stage, review, step, and an answer after the steps that led to it."""
    stage = _STAGES.get(type(event), len(_STAGES))
    match event:
        case ReviewRequested(request=request):
            return stage, request.review_id, 0, 0
        case ReviewLifecycle():
            return stage, event.review_id, step_number(event), event.at
        case ReviewDecided(answer=answer):
            return stage, answer.review_id, _LAST, answer.decided_at
        case ReviewDefaulted(default=default):
            return stage, default.review_id, _LAST, default.taken_at
        case RuleChanged():
            return stage, event.rule.rule_id, 0, event.at
    at = event.observed_at if isinstance(event, ObservedOutcome) else 0
    return stage, "", 0, event.at if isinstance(event, DecisionWithdrawn) else at


_LAST = 1 << 40
_STAGES: dict[type, int] = {
    DecisionSubmitted: 0,
    DecisionScored: 1,
    DecisionRouted: 2,
    RuleChanged: 2,
    ReviewRequested: 3,
    ReviewLifecycle: 3,
    ReviewDecided: 3,
    ReviewDefaulted: 3,
    DecisionResolved: 4,
    ObservedOutcome: 5,
    DecisionWithdrawn: 5,
}
