"""docs/asyncapi.yaml and docs/topics.md say what topics.yaml and schemas/ say."""

import re

import pytest
from ruamel.yaml import YAML

from app import __version__
from app.settings import PROJECT
from app.stream.asyncapi import document, overview, to_yaml
from app.stream.schemas import Schemas
from app.stream.topics import TopicTable

TABLE = TopicTable.load()
SCHEMAS = Schemas.load()
DOCUMENT = document(TABLE, SCHEMAS, __version__)
COMMAND = "hitl topics docs --out docs/asyncapi.yaml"


def references(part):
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def resolve(reference):
    target = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        target = target[step]
    return target


def test_the_committed_document_is_current():
    committed = (PROJECT / "docs" / "asyncapi.yaml").read_text(encoding="utf-8")
    assert committed == to_yaml(DOCUMENT), f"run `{COMMAND}` and commit the file"


def test_the_committed_table_is_current():
    page = (PROJECT / "docs" / "topics.md").read_text(encoding="utf-8")
    assert overview(TABLE) in page, "run `hitl topics docs --table` and paste it into docs/topics.md"


def test_yaml_says_the_same():
    assert YAML(typ="safe").load(to_yaml(DOCUMENT)) == DOCUMENT


def test_every_reference_resolves():
    found = list(references(DOCUMENT))
    assert len(found) > 50
    for reference in found:
        assert resolve(reference), reference


def test_the_parts_that_asyncapi_3_requires_are_there():
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(DOCUMENT["info"])
    for key, channel in DOCUMENT["channels"].items():
        assert re.fullmatch(r"[A-Za-z0-9_\-]+", key)
        parameters = set(re.findall(r"{(\w+)}", channel["address"]))
        assert parameters == set(channel.get("parameters", {}))
        assert channel["bindings"]["kafka"]["partitions"] > 0
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        channel = operation["channel"]["$ref"]
        assert all(message["$ref"].startswith(f"{channel}/messages/") for message in operation["messages"])
    for message in DOCUMENT["components"]["messages"].values():
        assert message["payload"]["schema"]["type"] == "record"


def test_every_topic_and_every_agents_part_in_it_is_described():
    assert [channel["title"] for channel in DOCUMENT["channels"].values()] == list(TABLE.specs)
    assert DOCUMENT["operations"]["scoring_reads_decisions_submitted"]["action"] == "receive"
    assert DOCUMENT["operations"]["routing_writes_decisions_resolved"]["action"] == "send"
    assert not any(
        name.startswith(("producers", "consumers", "operators")) for name in DOCUMENT["operations"]
    )


@pytest.mark.parametrize("name", sorted(SCHEMAS.current))
def test_payloads_are_the_schemas(name):
    assert DOCUMENT["components"]["messages"][name]["payload"]["schema"] == SCHEMAS.current[name]
