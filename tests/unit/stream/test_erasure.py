"""What must be read before it becomes unreadable."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from confluent_kafka import TopicPartition

from app.domain.events import Feedback, PatternDetected, Record, ReviewDecided
from app.domain.learning.reason_clusters import Cluster, cluster_words
from app.domain.overrides import feedback_for
from app.domain.quality.session_figures import SessionItem, SessionKind
from app.domain.quality.sessions import Given, Opening, SessionBook, answered, item_of, opened
from app.stream import erasure
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.erasure import Held, Holdings, look
from app.stream.headers import ROUTED
from app.stream.key_ring import KeyRing
from app.stream.reader import LogReader
from app.stream.records import Incoming
from app.stream.schemas import Schemas
from app.stream.topics import Topic
from tests.unit.domain import cases

ENDS = {
    Topic.DECISIONS_SUBMITTED: 4,
    Topic.DECISIONS_SCORED: 8,
    Topic.DECISIONS_ROUTED: 5,
    Topic.REVIEWS_OUTCOMES: 6,
    Topic.REVIEWS_LIFECYCLE: 7,
}
"""The offset after the person's last record, in partition 1."""


@pytest.mark.parametrize("behind", [None, *ENDS])
def test_nothing_is_erased_that_an_agent_has_yet_to_read(
    monkeypatch: pytest.MonkeyPatch, behind: Topic | None
) -> None:
    class Reached:
        def __init__(self, _config: dict[str, Any]) -> None: ...

        def committed(self, asked: list[TopicPartition], timeout: float) -> list[TopicPartition]:
            assert timeout > 0
            ends = [(one.topic, one.partition, ENDS[Topic(one.topic)]) for one in asked]
            return [TopicPartition(topic, at, end - (topic == behind)) for topic, at, end in ends]

        def close(self) -> None: ...

    monkeypatch.setattr(erasure, "Consumer", Reached)
    ends = {str(topic): {1: end} for topic, end in ENDS.items()}
    found = Holdings(subject="emp-1", key_ids=(), decisions=(), topics=(), ends=ends)
    connection = Connection(bootstrap_servers="kafka:9092")
    assert erasure.unread(connection, found) == ([] if behind is None else [behind])


def test_a_router_of_its_own_is_waited_for_and_none_where_a_chain_has_routed() -> None:
    log, scored = Log(), decided("d1").requested.routed.scored
    log.add(Topic.DECISIONS_SCORED, "d1", scored, log.key_id)
    log.add(Topic.DECISIONS_SCORED, "d2", scored, log.key_id)
    log.add(Topic.DECISIONS_SUBMITTED, "d1", scored.decision)
    log.records[1:] = [msgspec.structs.replace(one, headers=[(ROUTED, b"1")]) for one in log.records[1:]]
    found = log.look(log.key_id)
    assert found.ends[Topic.DECISIONS_SUBMITTED] == {0: 3}, "whatever a producer writes into its headers"
    assert held(found)[Topic.DECISIONS_SCORED].encrypted == 2
    assert found.ends[Topic.DECISIONS_SCORED] == {0: 1}, "the first is to be read, the second was routed"


# --- what repeats cases and words under other keys ----------------------------------------------------

PLAIN = Codec(Schemas.load())
WORDS = "Ms Quirk had asked before"


class Log:
    """Topics in memory; what belongs to a decision is encrypted under one key."""

    def __init__(self) -> None:
        keys = KeyRing(PLAIN, lambda: pytest.fail("Kafka was asked"))
        keys._broadcast = cast(Any, object())
        self.key_id, _ = keys.key_for("emp-17", 1)
        self.codec = Codec(Schemas.load(), keys=keys)
        self.records: list[Incoming] = []

    def add(self, topic: str, key: str, event: Record, under: bytes | None = None) -> None:
        value = self.codec.encode(event, under)
        self.records.append(Incoming(topic, 0, len(self.records), key.encode(), value, [], 7))

    def look(self, *key_ids: bytes) -> Holdings:
        reader = SimpleNamespace(
            read_all=lambda topics: [one for one in self.records if one.topic in set(topics)]
        )
        return look(cast(LogReader, reader), self.codec, "emp-17", key_ids, [])


def decided(name: str, subject: str = "emp-17") -> ReviewDecided:
    story = cases.routed(cases.decision(0.8, decision_id=name, subject=subject))
    return cases.answered(story, "reject", answer_id=name, reasoning=WORDS)


def pattern(text: str) -> PatternDetected:
    return PatternDetected(
        pattern_id=text, pattern="new_reason", learning_key="t", segment="", value=1.0, limit=1.0, count=7,
        text=text, action="look", detected_at=1,
    )  # fmt: skip


def repeating(text: str, *examples: str) -> PatternDetected:
    return pattern(
        cluster_words(Cluster(code="c", text=text, count=7, people=3, category="", examples=examples))
    )


def session(log: Log, session_id: str, item: SessionItem) -> None:
    opening = Opening(kind=SessionKind.CALIBRATION, title="t", invited=("ann", "bob"), items=(item,))
    book = SessionBook()
    book.add(event := opened(session_id, opening, "cleo", 1))
    log.add(Topic.SESSIONS_RECORDED, session_id, event)
    found = book.get(session_id)
    assert found is not None
    given = Given(item_id=item.item_id, action="reject", reasoning="as before")
    log.add(Topic.SESSIONS_RECORDED, session_id, answered(found, given, "ann", 2))


def held(found: Holdings) -> dict[str, Held]:
    return {one.topic: one for one in found.topics}


def test_sessions_with_a_case_of_the_person_stay_readable_and_are_found() -> None:
    log = Log()
    story = decided("d1")
    log.add(Topic.DECISIONS_ROUTED, "d1", story.requested.routed, log.key_id)
    session(log, "new", item_of(story, ["reject"], "disagreement", None))
    # Earlier versions named nobody beside the package; and the decision's own records are gone by then.
    package = msgspec.json.encode({"decision_required": {"subject": "emp-17"}}).decode()
    session(log, "old", SessionItem(item_id="x", decision_type="t", package=package, actions=("reject",)))
    session(log, "other", item_of(decided("d2", "emp-18"), ["reject"], "disagreement", None))
    found = log.look(log.key_id)
    assert found.decisions == ("d1",), "a session's id is no decision"
    assert held(found)[Topic.SESSIONS_RECORDED] == Held(
        topic=Topic.SESSIONS_RECORDED, encrypted=0, plain=4, last_plain=7
    )
    assert held(log.look())[Topic.SESSIONS_RECORDED].plain == 4, "also when the keys are gone"


def test_patterns_that_repeat_what_was_said_about_the_person_are_found() -> None:
    log = Log()
    [(topic, feedback)] = feedback_for(decided("d1"), cases.TERMS)
    assert isinstance(feedback, Feedback) and topic.startswith("feedback.")
    log.add(topic, "t", feedback, log.key_id)
    log.add(Topic.DECISIONS_ROUTED, "d1", decided("d1").requested.routed, log.key_id)
    log.add(Topic.PATTERNS_DETECTED, "t", repeating("receipt is missing", "d2", "d11"))
    log.add(Topic.PATTERNS_DETECTED, "t", pattern("Overrides are rising: d1."))
    assert Topic.PATTERNS_DETECTED not in held(log.look(log.key_id))
    log.add(Topic.PATTERNS_DETECTED, "t", repeating(WORDS, "d2"))
    log.add(Topic.PATTERNS_DETECTED, "t", repeating("receipt is missing", "d2", "d1"))
    log.add(Topic.PATTERNS_DETECTED, "t", repeating("it was emp-17 again", "d2"))
    assert held(log.look(log.key_id))[Topic.PATTERNS_DETECTED].plain == 3
