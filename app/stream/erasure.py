"""What the topics hold about a person, and how it is made unreadable."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from app.domain.events import (
    DecisionResolved,
    DecisionRouted,
    DecisionScored,
    DecisionSubmitted,
    Feedback,
    PatternDetected,
    Record,
    ReviewDecided,
    ReviewDefaulted,
    ReviewRequested,
    SessionRecorded,
    SubjectKey,
)
from app.domain.learning.reason_clusters import quoted
from app.domain.quality.sessions import ANSWERED, OPENED, Given, Opening, item_id_of, people_of
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.envelope import key_id_of
from app.stream.errors import BrokerUnreachableError, DecodeError
from app.stream.headers import routed_already
from app.stream.reader import LogReader
from app.stream.records import Incoming
from app.stream.topics import Topic

NAMING = (Topic.DECISIONS_ROUTED, Topic.DECISIONS_SCORED, Topic.DECISIONS_SUBMITTED)
BY_DECISION = (
    Topic.DECISIONS_RESOLVED,
    Topic.REVIEWS_OUTCOMES,
    Topic.REVIEWS_LIFECYCLE,
    Topic.REVIEWS_INFORMATION,
    Topic.DECISIONS_WITHDRAWN,
    Topic.OUTCOMES_OBSERVED,
)
_READERS = {
    Topic.DECISIONS_SUBMITTED: "hitl-decide",
    Topic.DECISIONS_SCORED: "hitl-route",
    Topic.DECISIONS_ROUTED: "hitl-review-request",
    Topic.REVIEWS_OUTCOMES: "hitl-outcome",
    Topic.REVIEWS_LIFECYCLE: "hitl-outcome",
}
"""The groups of the agents that must have read a record before it becomes unreadable. What a chain scored it
has routed, too: only records that a router of its own must read count in `decisions.scored`."""
REPEATING = (Topic.SESSIONS_RECORDED, Topic.PATTERNS_DETECTED)
"""What repeats cases and people's words under other keys than a decision's, and is never encrypted."""
BY_LEARNING_KEY = (
    Topic.FEEDBACK_TRAINING_EXAMPLES,
    Topic.FEEDBACK_EXCEPTION_RULES,
    Topic.FEEDBACK_POLICY_UPDATES,
    Topic.FEEDBACK_COACHING,
)


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What one topic holds: records that an erased key makes unreadable, and others, the last of them
    written at ``last_plain`` (ms UTC)."""

    topic: str
    encrypted: int
    plain: int
    last_plain: int | None


class Holdings(msgspec.Struct, frozen=True, kw_only=True):
    """What the topics hold about one subject. ``ends`` gives by topic and partition the offset after the
    subject's last record there that an agent has to read."""

    subject: str
    key_ids: tuple[str, ...]
    decisions: tuple[str, ...]
    topics: tuple[Held, ...]
    ends: dict[str, dict[int, int]]


class _Count:
    """What is counted of one topic."""

    def __init__(self) -> None:
        self.ends: dict[int, int] = {}
        self._encrypted = self._plain = 0
        self._last_plain: int | None = None

    def add(self, record: Incoming, *, encrypted: bool) -> None:
        if record.topic != Topic.DECISIONS_SCORED or not routed_already(record):
            self.ends[record.partition] = max(self.ends.get(record.partition, 0), record.offset + 1)
        if encrypted:
            self._encrypted += 1
            return
        self._plain += 1
        self._last_plain = max(self._last_plain or 0, record.timestamp)

    def held(self, topic: str) -> Held:
        return Held(topic=topic, encrypted=self._encrypted, plain=self._plain, last_plain=self._last_plain)


def look(
    reader: LogReader, codec: Codec, subject: str, key_ids: Sequence[bytes], pool_topics: Iterable[str]
) -> Holdings:
    """Read the topics for a subject: costs as much as a rebuild. Raises ``BrokerUnreachableError``."""
    ours, decisions, told = set(key_ids), set[str](), set[str]()
    found: dict[str, _Count] = {}
    # First the topics that name the subject: then it is known which decisions are the person's.
    for topics in (NAMING, (*BY_DECISION, *pool_topics, *BY_LEARNING_KEY, Topic.DEADLETTER)):
        for record in reader.read_all(topics):
            key_id = key_id_of(record.value)
            if key_id not in ours and (key_id or not _about(codec, record, subject, decisions)):
                continue
            if record.topic in BY_LEARNING_KEY:
                told |= _said(codec, record)
            else:
                decisions.add((record.key or b"").decode(errors="replace"))
            found.setdefault(record.topic, _Count()).add(record, encrypted=key_id is not None)
    items = {item_id_of(decision_id) for decision_id in decisions}
    for record in reader.read_all(REPEATING):
        if _repeats(codec, record, subject, decisions, told, items):
            found.setdefault(record.topic, _Count()).add(record, encrypted=False)
    return Holdings(
        subject=subject,
        key_ids=tuple(key_id.hex() for key_id in key_ids),
        decisions=tuple(sorted(decisions)),
        topics=tuple(count.held(topic) for topic, count in found.items()),
        ends={topic: count.ends for topic, count in found.items()},
    )


def unread(connection: Connection, holdings: Holdings) -> list[str]:
    """Topics in which an agent has not yet read all of the subject's records: what it has not read it could
    never read again. Raises ``BrokerUnreachableError``."""
    found = []
    for topic, group in _READERS.items():
        asked = [
            TopicPartition(connection.topic(topic), partition) for partition in holdings.ends.get(topic, ())
        ]
        if not asked:
            continue
        consumer = Consumer({**connection.reader("erase"), "group.id": connection.topic(group)})
        try:
            committed = {at.partition: at.offset for at in consumer.committed(asked, timeout=30)}
        except KafkaException as error:
            raise BrokerUnreachableError(f"offsets of {group}: {error.args[0].str()}") from error
        finally:
            consumer.close()
        if any(committed.get(partition, -1) < end for partition, end in holdings.ends[topic].items()):
            found.append(str(topic))
    return found


def cut_off(connection: Connection, holdings: Holdings) -> None:
    """Delete `decisions.submitted` up to the subject's last record, for everybody: all of it is scored."""
    topic = connection.topic(Topic.DECISIONS_SUBMITTED)
    ends = [
        TopicPartition(topic, partition, offset)
        for partition, offset in holdings.ends.get(Topic.DECISIONS_SUBMITTED, {}).items()
    ]
    if not ends:
        return
    admin = AdminClient(connection.client("erase", {}))  # type: ignore[arg-type]
    try:
        for future in admin.delete_records(ends).values():
            future.result(30)
    except KafkaException as error:
        raise BrokerUnreachableError(
            f"{topic} could not be cut off: {error.args[0].str()}",
            hint="the operator needs the right to delete records of that topic",
        ) from error


def erasures(holdings: Holdings, *, at: int, by: str, why: str) -> list[tuple[str, SubjectKey]]:
    """What to write to `privacy.keys`, with its record keys."""
    return [
        (
            key_id,
            SubjectKey(
                key_id=key_id, subject="", key="", created_at=at, erased_at=at, erased_by=by, reason=why
            ),
        )
        for key_id in holdings.key_ids
    ]


def replaced(reader: LogReader, codec: Codec, subject: str) -> list[SubjectKey]:
    """Records of the subject's keys that are erased, and that the broker still keeps on disk: an old key
    goes with the next compaction."""
    told: dict[str, SubjectKey] = {}
    erased: dict[str, SubjectKey] = {}
    for record in reader.read_all([Topic.PRIVACY_KEYS]):
        try:
            event = codec.decode_as(record.value, SubjectKey)
        except DecodeError:
            continue
        if event.erased_at is not None:
            erased[event.key_id] = event
        elif event.subject == subject:
            told[event.key_id] = event
    return [erased[key_id] for key_id in told if key_id in erased]


def _about(codec: Codec, record: Incoming, subject: str, decisions: set[str]) -> bool:
    try:
        event: Record = codec.decode(record.value)
    except DecodeError:
        return False
    story = _story(event)
    if story is not None:
        return story.subject == subject
    # Ids and numbers alone say nothing about a person to whom no id leads any more; words may.
    words = any(getattr(event, name, "") for name in _WORDS)
    return words and getattr(event, "decision_id", None) in decisions


def _said(codec: Codec, record: Incoming) -> set[str]:
    """What somebody said about the person's case, as a pattern would repeat it."""
    try:
        event: Record = codec.decode(record.value)
    except DecodeError:
        return set()
    return {(event.reasoning or event.note).strip()} - {""} if isinstance(event, Feedback) else set()


def _repeats(
    codec: Codec, record: Incoming, subject: str, decisions: set[str], told: set[str], items: set[str]
) -> bool:
    """Whether a session's step has a case of the person, or an answer to it; whether a pattern repeats what
    was said about one. ``items`` are the cases as sessions name them; those that are met are added: a session
    outlives the decision's own records."""
    try:
        event: Record = codec.decode(record.value)
    except DecodeError:
        return False
    if isinstance(event, PatternDetected):
        text, examples = quoted(event.text)
        named = subject and re.search(rf"(?<!\w){re.escape(subject)}(?!\w)", text)
        return bool(named or text in told or examples & decisions)
    if not isinstance(event, SessionRecorded):
        return False
    try:
        if event.event == OPENED:
            chosen = msgspec.json.decode(event.detail, type=Opening).items
            theirs = {one.item_id for one in chosen if people_of(one)[0] == subject}
            items |= theirs
            return bool(theirs or items & {one.item_id for one in chosen})
        return event.event == ANSWERED and msgspec.json.decode(event.detail, type=Given).item_id in items
    except msgspec.MsgspecError:
        return False


_WORDS = ("facts", "reasoning", "note", "reason", "information", "detail")

_STEPS: dict[type[Record], Callable[..., Record]] = {
    DecisionScored: lambda e: e.decision,
    DecisionRouted: lambda e: e.scored,
    DecisionResolved: lambda e: e.routed,
    ReviewRequested: lambda e: e.routed,
    ReviewDecided: lambda e: e.requested,
    ReviewDefaulted: lambda e: e.requested,
}


def _story(event: Record) -> DecisionSubmitted | None:
    while not isinstance(event, DecisionSubmitted):
        step = _STEPS.get(type(event))
        if step is None:
            return None
        event = step(event)
    return event
