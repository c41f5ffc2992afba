"""Schemas fit one another, their history, the structs of the code, and other people's libraries."""

import io
import json
import shutil
import typing
from enum import StrEnum
from itertools import permutations

import avro.compatibility
import avro.schema
import fastavro
import msgspec
import pytest

from app.domain import events
from app.stream import schemas as module
from app.stream.avro_reader import compile_reader, named_types
from app.stream.errors import SchemaError
from app.stream.schemas import (
    COMMIT_COMMAND,
    DIRECTORY,
    STRUCTS,
    Schemas,
    commit_versions,
    compatible,
    fingerprint,
)

SCHEMAS = Schemas.load()
EVENTS = sorted(SCHEMAS.current)


def record(name, fields, **more):
    return {"type": "record", "name": name, "namespace": "hitl.events", "fields": fields, **more}


def field(name, type_, **more):
    return {"name": name, "type": type_, "doc": "x", **more}


# --- the committed schemas ------------------------------------------------------------------------


def test_every_current_schema_is_the_last_committed_version():
    assert SCHEMAS.uncommitted() == [], f"schemas changed: run `{COMMIT_COMMAND}` and commit its files"


@pytest.mark.parametrize("name", EVENTS)
def test_every_field_has_a_doc_and_every_enum_a_default(name):
    for full, part in named_types(SCHEMAS.current[name]).items():
        assert part.get("doc"), full
        if part["type"] == "enum":
            assert part.get("default") in part["symbols"], full
        for each in part.get("fields", ()):
            assert each.get("doc"), f"{full}.{each['name']}"


@pytest.mark.parametrize("name", EVENTS)
def test_every_version_reads_every_other(name):
    versions = [*SCHEMAS.history[name], SCHEMAS.current[name]]
    for old, new in permutations(versions, 2):
        assert compatible(old, new) is None
        checked = avro.compatibility.ReaderWriterCompatibilityChecker().get_compatibility(
            reader=avro.schema.parse(json.dumps(new)), writer=avro.schema.parse(json.dumps(old))
        )
        assert checked.compatibility is avro.compatibility.SchemaCompatibilityType.compatible, (
            checked.messages
        )


@pytest.mark.parametrize("name", EVENTS)
def test_fingerprints_equal_those_of_the_avro_library(name):
    for schema in [*SCHEMAS.history[name], SCHEMAS.current[name]]:
        # its canonical form keeps {"type": "long"} where a logical type was; the specification says "long"
        plain = json.loads(json.dumps(schema), object_hook=without_logical_type)
        assert fingerprint(schema) == avro.schema.parse(json.dumps(plain)).fingerprint("CRC-64-AVRO")


def without_logical_type(schema):
    return schema["type"] if "logicalType" in schema else schema


def test_fingerprint_of_the_specifications_test_suite():
    assert fingerprint("int") == 0x7275D51A3F395C8F.to_bytes(8, "little")


@pytest.mark.parametrize("name", EVENTS)
def test_a_version_needs_no_other_file(name):
    for schema in [*SCHEMAS.history[name], SCHEMAS.current[name]]:
        fastavro.parse_schema(schema, named_schemas={})


# --- the structs ----------------------------------------------------------------------------------

ALL_TYPES = {full: part for name in EVENTS for full, part in named_types(SCHEMAS.current[name]).items()}


def test_structs_and_avro_types_are_the_same_set():
    assert set(ALL_TYPES) == set(STRUCTS)


@pytest.mark.parametrize("full", sorted(ALL_TYPES))
def test_struct_mirrors_its_schema(full):
    schema, struct = ALL_TYPES[full], STRUCTS[full]
    if schema["type"] == "enum":
        assert issubclass(struct, StrEnum)
        assert [member.value for member in struct] == schema["symbols"]
        return
    assert [each["name"] for each in schema["fields"]] == list(struct.__struct_fields__)
    hints = typing.get_type_hints(struct)
    for each in schema["fields"]:
        assert described(each["type"]) == hints[each["name"]], f"{full}.{each['name']}"


def described(schema):
    """The Python type that mirrors an Avro type."""
    plain = {"string": str, "int": int, "long": int, "double": float, "boolean": bool, "null": type(None)}
    if isinstance(schema, list):
        null, value = schema
        assert null == "null", "null comes first, so that it can be the default"
        return described(value) | None
    if isinstance(schema, str):
        return plain.get(schema) or STRUCTS[schema]
    if schema["type"] == "array":
        return list[described(schema["items"])]
    return plain.get(schema["type"]) or STRUCTS[f"{schema['namespace']}.{schema['name']}"]


def test_story_comes_first_so_that_a_stage_can_append():
    for name in ("DecisionScored", "DecisionRouted", "ReviewRequested", "ReviewDecided", "DecisionResolved"):
        first, _part = typing.get_type_hints(getattr(events, name)).values()
        assert issubclass(first, msgspec.Struct)
        assert first.__name__ in SCHEMAS.current


# --- loading ---------------------------------------------------------------------------------------


def test_types_of_other_files_are_written_out_once():
    files = {
        "Outer": record("Outer", [field("a", "hitl.events.Inner"), field("b", "hitl.events.Inner")]),
        "Inner": record("Inner", [field("x", "int")]),
    }
    a, b = Schemas(files, {}).current["Outer"]["fields"]
    assert a["type"]["fields"][0]["name"] == "x"
    assert b["type"] == "hitl.events.Inner"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"A": record("A", [field("a", "hitl.events.Gone")])}, "defined in no file"),
        ({"A": record("A", [field("a", "hitl.events.A")])}, "contains itself"),
        (
            {
                "A": record("A", [field("a", "hitl.events.B")]),
                "B": record("B", [field("b", ["null", {"type": "array", "items": "hitl.events.A"}])]),
            },
            "contains itself",
        ),
        (
            {
                "A": record("A", [field("a", record("S", [field("x", "int")]))]),
                "B": record("B", [field("b", record("S", [field("x", "int")]))]),
            },
            "another file",
        ),
    ],
)
def test_files_that_do_not_fit_are_refused(files, words):
    with pytest.raises(SchemaError, match=words):
        Schemas(files, {})


def test_a_missing_directory_and_a_broken_file_are_named(tmp_path):
    with pytest.raises(SchemaError, match="no schemas"):
        Schemas.load(tmp_path)
    (tmp_path / "Broken.avsc").write_text("{")
    with pytest.raises(SchemaError, match=r"Broken\.avsc"):
        Schemas.load(tmp_path)


# --- committing a version ------------------------------------------------------------------------


@pytest.fixture
def directory(tmp_path):
    shutil.copytree(DIRECTORY, tmp_path / "schemas")
    return tmp_path / "schemas"


def change(directory, name, edit):
    path = directory / f"{name}.avsc"
    schema = json.loads(path.read_text())
    edit(schema)
    path.write_text(json.dumps(schema))


def test_a_new_field_with_a_default_becomes_a_version_of_every_event_that_holds_it(directory):
    assert commit_versions(directory) == []
    change(
        directory,
        "DecisionSubmitted",
        lambda s: s["fields"].append(field("channel", ["null", "string"], default=None)),
    )
    written = {path.name for path in commit_versions(directory)}
    assert {"DecisionSubmitted.3.avsc", "DecisionRouted.3.avsc", "ReviewDecided.4.avsc"} <= written
    assert "ObservedOutcome.2.avsc" not in written
    assert Schemas.load(directory).uncommitted() == []


def test_words_alone_make_no_version(directory):
    change(directory, "ObservedOutcome", lambda s: s.update(doc="Said otherwise."))
    assert commit_versions(directory) == []


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda s: s["fields"].append(field("must", "string")), "without a default"),
        (lambda s: s["fields"].pop(0), "without a default"),
        (lambda s: s["fields"][0].update(type="long"), "written as string, expected long"),
    ],
)
def test_a_change_that_versions_can_not_read_is_refused(directory, edit, words):
    change(directory, "ObservedOutcome", edit)
    with pytest.raises(SchemaError, match=words):
        commit_versions(directory)


def test_a_gap_in_the_history_is_noticed(directory):
    (directory / "history" / "Feedback.1.avsc").rename(directory / "history" / "Feedback.3.avsc")
    with pytest.raises(SchemaError, match="one is missing"):
        Schemas.load(directory)


def test_the_command_says_what_it_did(directory, monkeypatch, capsys):
    monkeypatch.setattr(module, "commit_versions", lambda: commit_versions(directory))
    assert module.main() == 0
    change(directory, "ObservedOutcome", lambda s: s["fields"].append(field("must", "string")))
    assert module.main() == 1
    assert "without a default" in capsys.readouterr().err


# --- resolution, against fastavro as the oracle -----------------------------------------------------

V1 = record(
    "Thing",
    [
        field("gone", {"type": "array", "items": ["null", "string"]}, default=[]),
        field("size", "int"),
        field("kind", {"type": "enum", "name": "Kind", "symbols": ["a", "b", "new"], "default": "a"}),
        field("note", ["string", "null"]),
        field("inner", ["null", record("Inner", [field("x", "long"), field("y", "boolean")])]),
        field("share", "float"),
    ],
)
V2 = record(
    "Thing",
    [
        field("share", "double"),
        field("kind", {"type": "enum", "name": "Kind", "symbols": ["b", "a"], "default": "a"}),
        field("size", ["null", "double"]),
        field("note", ["null", "string"], default=None),
        field("inner", ["null", record("Inner", [field("x", "double"), field("z", "string", default="-")])]),
        field("tags", {"type": "array", "items": "string"}, default=[]),
        field("more", "long", default=7),
        field(
            "shade", {"type": "enum", "name": "Shade", "symbols": ["dark"], "default": "dark"}, default="dark"
        ),
    ],
)
GENERIC = {
    "hitl.events.Thing": dict,
    "hitl.events.Inner": dict,
    "Kind": str,
    "Shade": str,
    "hitl.events.Kind": str,
    "hitl.events.Shade": str,
}


@pytest.mark.parametrize(
    "thing",
    [
        {
            "gone": ["x", None],
            "size": 3,
            "kind": "b",
            "note": "n",
            "inner": {"x": 5, "y": True},
            "share": 0.5,
        },
        {"gone": [], "size": -70000, "kind": "new", "note": None, "inner": None, "share": -1.0},
    ],
)
def test_other_versions_resolve_as_avro_says(thing):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(V1), thing)
    read = compile_reader(V1, V2, GENERIC)(out.getvalue(), 0)
    out.seek(0)
    assert read == fastavro.schemaless_reader(out, fastavro.parse_schema(V1), fastavro.parse_schema(V2))
    assert type(read["share"]) is float
    assert read["size"] is None or type(read["size"]) is float


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        (["null", "string", "int"], "only unions"),
        ({"type": "map", "values": "string"}, "not a shape"),
        ({"type": "fixed", "name": "F", "size": 2}, "not a shape"),
        (record("Empty", []), "without fields"),
        ("no.such.Type", "not a shape"),
    ],
)
def test_shapes_that_events_do_not_use_are_refused(type_, words):
    schema = record("Thing", [field("a", type_)])
    assert words in (compatible(schema, schema) or "")


def test_endless_nesting_of_a_foreign_schema_is_refused():
    deep = "int"
    for _ in range(100):
        deep = {"type": "array", "items": deep}
    looped = record("Thing", [field("a", ["null", "hitl.events.Thing"])])
    for schema in (record("Thing", [field("a", deep)]), looped):
        assert "levels deep" in (compatible(schema, schema) or "")
