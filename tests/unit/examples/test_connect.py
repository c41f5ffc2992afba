"""The sinks' settings: names that the connectors document, frames that their converter reads."""

import json
from pathlib import Path

import pytest

from app.settings import PROJECT
from app.stream.schemas import Schemas
from app.stream.topics import TopicTable

SINKS = sorted((PROJECT / "examples" / "connect").glob("*.json"))

# What the connectors' references and sources name (kafka-connect-storage-cloud, -storage-common, -jdbc).
S3 = """s3.region s3.bucket.name topics.dir storage.class format.class parquet.codec schema.compatibility
partitioner.class path.format partition.duration.ms timestamp.extractor locale timezone flush.size
rotate.interval.ms rotate.schedule.interval.ms behavior.on.null.values s3.part.size"""
JDBC = """connection.url connection.user connection.password table.name.format insert.mode pk.mode pk.fields
auto.create auto.evolve batch.size max.retries retry.backoff.ms delete.enabled fields.whitelist"""
KNOWN = {
    "io.confluent.connect.s3.S3SinkConnector": set(S3.split()),
    "io.confluent.connect.jdbc.JdbcSinkConnector": set(JDBC.split()),
}
# What Kafka Connect itself takes for every sink.
ANY = {
    "connector.class",
    "tasks.max",
    "topics",
    "transforms",
    "errors.tolerance",
    "key.converter",
    "value.converter",
}
PREFIXES = ("consumer.override.", "value.converter.", "transforms.answer.")


@pytest.fixture(params=SINKS, ids=lambda path: path.stem)
def config(request):
    return json.loads(Path(request.param).read_text(encoding="utf-8"))["config"]


def test_there_are_some():
    assert len(SINKS) == 2


def test_each_name_is_documented(config):
    known = KNOWN[config["connector.class"]] | ANY
    assert [name for name in config if name not in known and not name.startswith(PREFIXES)] == []
    assert all(isinstance(value, str) for value in config.values())


def test_the_topics_are_ours(config):
    assert set(config["topics"].split(",")) <= set(TopicTable.load().named(["finance"]))


def test_what_is_read_is_what_we_write(config):
    """Only committed records; the registry's frame; its subjects are names of records."""
    assert config["consumer.override.isolation.level"] == "read_committed"
    assert config["value.converter"] == "io.confluent.connect.avro.AvroConverter"
    assert config["value.converter.value.subject.name.strategy"].endswith(".RecordNameStrategy")
    assert config["errors.tolerance"] == "none"


def test_a_table_has_flat_columns_and_a_repeat_changes_nothing(config):
    if "transforms" not in config:
        assert config["timestamp.extractor"] == "Record"  # the same files again after a crash
        return
    assert (config["insert.mode"], config["pk.mode"]) == ("upsert", "record_key")
    [field] = [
        field
        for field in Schemas.load().current["DecisionResolved"]["fields"]
        if field["name"] == config["transforms.answer.field"]
    ]
    for column in field["type"]["fields"]:
        kinds = column["type"] if isinstance(column["type"], list) else [column["type"]]
        flat = {kind if isinstance(kind, str) else kind["type"] for kind in kinds}
        assert not flat & {"record", "array", "map"}, column["name"]
