"""The table on a real broker: created, compared, never destroyed, and read back by ``hitl topics tail``."""

import json
import threading

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from typer.testing import CliRunner

from app.commands.topics import app
from app.domain.events import CalibrationUpdated
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.errors import BrokerUnreachableError, TopicTableError
from app.stream.headers import event_headers
from app.stream.records import Incoming
from app.stream.schemas import Schemas
from app.stream.tail import Tail
from app.stream.topics import TopicTable, logical, pool_topic
from tests.processes import until

pytestmark = pytest.mark.broker

TABLE = TopicTable.load()
POOLS = ["finance", "legal"]
CODEC = Codec(Schemas.load())


def update(version):
    return CalibrationUpdated(
        learning_key="k", version=version, slope=1.0, intercept=0.0, labels=version, updated_at=version
    )


@pytest.fixture
def admin(kafka):
    return AdminClient({"bootstrap.servers": kafka})


def test_apply_creates_everything_once(admin, topic_prefix):
    first = TABLE.apply(admin, POOLS, topic_prefix, replication_factor=1, timeout=120)
    assert {state.state for state in first} == {"created"}
    assert {pool_topic("finance"), pool_topic("legal")} <= {state.topic for state in first}

    found = admin.list_topics(timeout=60).topics
    mine = {logical(name, topic_prefix): len(topic.partitions) for name, topic in found.items()}
    for name, spec in TABLE.named(POOLS).items():
        assert mine[name] == spec.partitions

    again = TABLE.apply(admin, POOLS, topic_prefix, replication_factor=1, timeout=120)
    assert {(state.state, *state.differences) for state in again} == {("same",)}


def test_what_differs_is_reported_and_left_alone(admin, topic_prefix):
    mine = f"{topic_prefix}decisions.scored"
    other = NewTopic(mine, 3, 1, config={"retention.ms": "60000", "cleanup.policy": "compact"})
    admin.create_topics([other])[mine].result(180)
    until(lambda: mine in admin.list_topics(timeout=60).topics, "it is shown")

    for states in (
        TABLE.compare(admin, POOLS, topic_prefix, timeout=120),
        TABLE.apply(admin, POOLS, topic_prefix, timeout=120),
        TABLE.compare(admin, POOLS, topic_prefix, timeout=120),
    ):
        (state,) = (each for each in states if each.topic == "decisions.scored")
        assert state.state == "different"
        assert state.differences == [
            "partitions is 3, the table says 4",
            "cleanup.policy is compact, the table says delete",
            "retention.ms is 60000, the table says 604800000",
            "max.message.bytes is 1048588, the table says 4194304",
        ]
    assert len(admin.list_topics(timeout=60).topics[mine].partitions) == 3


def test_a_broker_without_enough_replicas_refuses_with_its_reason(admin, topic_prefix):
    with pytest.raises(TopicTableError, match="was not created"):
        TABLE.apply(admin, POOLS, topic_prefix, replication_factor=9, timeout=120)


def test_nobody_there_is_said_in_time():
    nobody = AdminClient({"bootstrap.servers": "127.0.0.1:9", "log_level": 0})
    with pytest.raises(BrokerUnreachableError, match="does not answer"):
        TABLE.compare(nobody, POOLS, "", timeout=0.5)


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def run(kafka, topic_prefix):
    def invoke(*arguments):
        environment = {"HITL_KAFKA_BOOTSTRAP_SERVERS": kafka, "HITL_TOPIC_PREFIX": topic_prefix}
        result = CliRunner().invoke(app, [*arguments, "--timeout", "120"], env=environment)
        assert result.exit_code == 0, result.exception
        return [json.loads(line) for line in result.stdout.splitlines()]

    return invoke


def test_the_verbs_apply_and_list(run, topic_prefix):
    applied = run("apply", "--json", "--replication-factor", "1")
    assert {row["state"] for row in applied} == {"created"}
    listed = run("list", "--json")
    assert {row["state"] for row in listed} == {"same"}
    assert all(row["topic"].startswith(topic_prefix) for row in listed)


def test_tail_prints_committed_records_only(run, kafka, topic_prefix, make_topics):
    topic = f"{topic_prefix}calibration.updated"
    make_topics(topic, partitions=1)
    cause = Incoming("learning.cases", 0, 1, None, None, [], 1_772_443_800_123)
    headers = event_headers("CalibrationUpdated", "k", cause)
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": topic})
    producer.init_transactions(120)
    for version, commit in ((1, True), (2, False), (3, True)):
        producer.begin_transaction()
        producer.produce(topic, CODEC.encode(update(version)), b"k", headers=headers)
        producer.flush(180)
        producer.commit_transaction(120) if commit else producer.abort_transaction(120)

    rows = run("tail", "calibration.updated", "--from", "beginning")
    assert [row["value"]["version"] for row in rows] == [1, 3]
    assert dict(rows[0]["headers"])["ce_id"] == "CalibrationUpdated/k"
    assert rows[0]["topic"] == "calibration.updated"
    assert len(run("tail", "calibration.updated", "--from", "beginning", "--max", "1")) == 1
    assert run("tail", "calibration.updated", "--no-follow") == []


def test_tail_shows_dead_letters_raw_with_their_headers(run, kafka, topic_prefix, make_topics):
    topic = f"{topic_prefix}deadletter"
    make_topics(topic, partitions=2)
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topic, b"\xff{", None, partition=1, headers=[("dlq_reason", b"not_avro")])
    assert producer.flush(180) == 0
    (row,) = run("tail", "deadletter", "--from", "beginning", "--json")
    assert row["value"] == {"hex": "ff7b"}
    assert row["headers"] == [["dlq_reason", "not_avro"]]
    assert row["not_decoded"]["reason"] == "not_avro"


def test_tail_reads_the_topics_of_all_pools(run, kafka, topic_prefix, make_topics):
    names = [f"{topic_prefix}{pool_topic(pool)}" for pool in POOLS]
    make_topics(*names, partitions=1)
    producer = Producer({"bootstrap.servers": kafka})
    for name in names:
        producer.produce(name, b"x")
    assert producer.flush(180) == 0
    rows = run("tail", "reviews.requested", "--from", "beginning")
    assert {row["topic"] for row in rows} == {pool_topic(pool) for pool in POOLS}


def test_tail_follows_from_the_end(kafka, topic_prefix, make_topics):
    topic = f"{topic_prefix}policy.activated"
    make_topics(topic, partitions=1)
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(topic, b"old")
    assert producer.flush(180) == 0
    tail = Tail(
        Connection(bootstrap_servers=kafka, prefix=topic_prefix), "policy.activated", from_beginning=False
    )
    seen: list[Incoming] = []
    reader = threading.Thread(target=lambda: seen.append(next(tail.records(follow=True))), daemon=True)
    reader.start()

    def saw_one() -> bool:  # nothing tells when the reader stands at the end: write until it saw one
        producer.produce(topic, b"new")
        producer.flush(60)
        reader.join(0.1)
        return not reader.is_alive()

    until(saw_one, "the reader saw what is new")
    tail.close()
    assert [record.value for record in seen] == [b"new"]


def test_tail_of_a_topic_that_does_not_exist_names_the_remedy(kafka, topic_prefix):
    with pytest.raises(BrokerUnreachableError, match="has no topic") as caught:
        Tail(Connection(bootstrap_servers=kafka, prefix=topic_prefix), "deadletter", from_beginning=True)
    assert "hitl topics apply" in caught.value.hint
