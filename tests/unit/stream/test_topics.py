"""The table of topics: what it says, that the code agrees, and what is refused in it."""

import re
from concurrent.futures import Future
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException

from app.settings import PROJECT
from app.stream.dead_letters import TOPIC as DEAD_LETTER_TOPIC
from app.stream.errors import BrokerUnreachableError, TopicTableError
from app.stream.schemas import Schemas
from app.stream.topics import Topic, TopicTable, logical, physical, pool_topic

TABLE = TopicTable.load()
KNOWN_PEOPLE = {
    *("producers", "consumers", "operators", "rebuild"),  # people and programs outside, and the rebuild verb
    *("scoring", "routing", "review_request", "outcome", "drift", "relay", "console"),
}


def test_code_and_table_name_the_same_topics():
    assert [str(topic) for topic in Topic] == list(TABLE.specs)


def test_every_topic_that_the_code_names_is_in_the_table():
    families = "|".join(sorted({name.partition(".")[0] for name in TABLE.specs if "." in name}))
    literal = re.compile(rf"""["']((?:{families})\.(?!ya?ml|jsonl?|html)[a-z_]+)["']""")
    named = {
        match[1]
        for path in (PROJECT / "app").rglob("*.py")
        if not {"domain", "policy"} & set(path.parts)  # they know no topics; their dotted names are settings
        for match in literal.finditer(path.read_text(encoding="utf-8"))
    }
    assert named <= set(TABLE.specs)
    assert DEAD_LETTER_TOPIC == Topic.DEADLETTER


def test_every_event_has_a_topic_and_every_topic_only_events():
    named = {name for spec in TABLE.specs.values() for name in spec.schemas}
    assert named == set(Schemas.load().current)


def test_writers_and_readers_are_known():
    assert {
        name for spec in TABLE.specs.values() for name in (*spec.written_by, *spec.read_by)
    } <= KNOWN_PEOPLE


def test_retention_and_compaction_become_the_brokers_settings():
    assert TABLE.specs["decisions.submitted"].config() == {
        "cleanup.policy": "delete",
        "retention.ms": str(7 * 24 * 3_600_000),
    }
    assert TABLE.specs["thresholds.updated"].config() == {"cleanup.policy": "compact", "retention.ms": "-1"}
    assert TABLE.specs["learning.state"].config() == {
        "cleanup.policy": "compact",
        "retention.ms": "-1",
        "segment.bytes": str(32 * 1024 * 1024),
        "min.cleanable.dirty.ratio": "0.1",
    }
    assert TABLE.specs["deadletter"].config()["max.message.bytes"] == str(4 * 1024 * 1024)


def test_each_pool_has_a_topic_of_its_own():
    named = TABLE.named(["finance", "legal"])
    assert {pool_topic("finance"), pool_topic("legal")} <= set(named)
    assert "reviews.requested" not in named
    assert len(named) == len(TABLE.specs) + 1


@pytest.mark.parametrize("prefix", ["", "acme."])
def test_physical_and_logical_names_are_inverse(prefix):
    for name in TABLE.specs:
        assert logical(physical(name, prefix), prefix) == name


ROW = "why: x\n    key: k\n    schemas: []\n    written_by: [a]\n    read_by: [b]\n    "


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Expected `object`"),
        ("topics: [", "expected the node content"),
        ("topics:\n  a:\n    why: x", "missing required field `key` - at `\\$.topics"),
        (f"topics:\n  a:\n    {ROW}partitions: 0\n    retention_hours: 1", "1 or more"),
        (f"topics:\n  a:\n    {ROW}partitions: many\n    retention_hours: 1", "Expected `int`"),
        (f"topics:\n  a:\n    {ROW}partitions: 1", "retention_hours"),
        (f"topics:\n  a:\n    {ROW}partitions: 1\n    retention_hours: 0", "1 or more"),
        (f"topics:\n  a:\n    {ROW}partitions: 1\n    retention_hours: 1\n    cleanup: compact", "not both"),
        (f"topics:\n  a:\n    {ROW}partitions: 1\n    cleanup: shred", "Invalid enum value"),
        (
            f"topics:\n  a:\n    {ROW}partitions: 1\n    cleanup: compact\n    colour: red",
            "unknown field `colour`",
        ),
    ],
)
def test_a_row_that_is_wrong_is_named(tmp_path, text, words):
    path = tmp_path / "topics.yaml"
    path.write_text(text)
    with pytest.raises(TopicTableError, match=words) as caught:
        TopicTable.load(path)
    assert str(path) in str(caught.value)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(TopicTableError, match=r"topics\.yaml"):
        TopicTable.load(tmp_path / "topics.yaml")


@pytest.mark.parametrize("late", [TimeoutError(), KafkaException(KafkaError(KafkaError._TIMED_OUT))])
def test_a_broker_that_lists_but_does_not_tell_is_named_whoever_lost_patience_first(late):
    answer: Future[object] = Future()
    answer.set_exception(late)
    [name] = TABLE.named(["travel"]).keys() & {"reviews.lifecycle"}
    admin = SimpleNamespace(
        list_topics=lambda **_: SimpleNamespace(topics={name: SimpleNamespace(partitions=[0], error=None)}),
        describe_configs=lambda asked, **_: dict.fromkeys(asked, answer),
    )
    with pytest.raises(BrokerUnreachableError, match="did not tell their settings in 5 s"):
        TABLE.compare(admin, ["travel"], "", timeout=5.0)
