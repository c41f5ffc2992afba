"""docs/asyncapi.yaml under the schema that the AsyncAPI initiative publishes: others' tools can read it."""

import gzip
import json
from pathlib import Path

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from app.settings import PROJECT

OFFICIAL = Path(__file__).parent / "vendor" / "asyncapi-3.0.0.json.gz"


@pytest.fixture(scope="module")
def schema():
    return jsonschema_rs.validator_for(json.loads(gzip.decompress(OFFICIAL.read_bytes())))


@pytest.fixture
def document():
    return YAML(typ="safe").load((PROJECT / "docs" / "asyncapi.yaml").read_text(encoding="utf-8"))


def test_it_is_asyncapi_3(schema, document):
    assert document["asyncapi"] == "3.0.0"
    assert [f"{list(error.instance_path)}: {error.message}" for error in schema.iter_errors(document)] == []


@pytest.mark.parametrize("part", ["info", "channels"])
def test_the_schema_sees_what_is_wrong(schema, document, part):
    document[part] = "no such thing"
    assert not schema.is_valid(document)


def test_every_reference_leads_somewhere(document):
    """The schema does not follow references."""

    def references(node):
        if isinstance(node, dict):
            yield from ([node["$ref"]] if "$ref" in node else [])
            node = list(node.values())
        if isinstance(node, list):
            for one in node:
                yield from references(one)

    found = list(references(document))
    assert found
    for reference in found:
        assert reference.startswith("#/"), reference
        at = document
        for step in reference[2:].split("/"):
            at = at[step.replace("~1", "/").replace("~0", "~")]
