"""Events to bytes and back: the same event, the same bytes as fastavro, both frames, every version."""

import io
import json
import shutil

import fastavro
import msgspec
import pytest
from confluent_kafka.schema_registry import SchemaRegistryError
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.events import (
    Assessment,
    Confidence,
    Consequence,
    ConsequenceClass,
    DecisionScored,
    DecisionSubmitted,
    Model,
    ObservationKind,
    ObservedOutcome,
    Option,
    Record,
    ScoreTally,
    Signals,
)
from app.stream.avro_reader import read_long
from app.stream.avro_writer import _long, write_long
from app.stream.codec import Codec
from app.stream.errors import DecodeError, EncodeError, SchemaError, TransientError
from app.stream.registry import SchemaRegistry, connect_registry
from app.stream.schemas import DIRECTORY, Schemas, commit_versions, fingerprint
from tests.unit.stream.avro_values import BY_NAME, SCHEMAS, any_event

CODEC = Codec(SCHEMAS)
PARSED = {name: fastavro.parse_schema(schema) for name, schema in SCHEMAS.current.items()}

OUTCOME = ObservedOutcome(
    observation_id="o-1",
    decision_id="exp-001",
    kind=ObservationKind.AUDIT_FINDING,
    correct_action=None,
    observed_at=1_772_443_800_000,
    source="audit",
    note="späte Prüfung",
)
DECISION = DecisionSubmitted(
    decision_id="exp-001",
    decision_type="expense.approval",
    occurred_at=1_772_443_800_000,
    subject="emp-17",
    submitted_by="svc-expenses",
    recommendation=Option(action="approve", probability=0.93, rationale="matches policy 4.2"),
    alternatives=[Option(action="reject")],
    facts='{"amount":1240.5}',
    signals=Signals(similarity=0.81),
    factors=None,
    model=Model(name="expenses", version="3"),
    due_at=None,
    links=[],
)

ASSESSMENT = Assessment(
    received_at=1_772_443_800_123,
    policy_version="3f2a",
    consequence=Consequence(harm=0.02, consequence_class=ConsequenceClass.LOW, factors=[]),
    confidence=Confidence(
        probability=0.94,
        raw=0.93,
        valid=True,
        model_probability=0.93,
        similarity=None,
        consensus=None,
        rule_clarity=None,
        completeness=1.0,
        calibration_version=0,
    ),
    missing_facts=["vendor"],
    findings=[],
)


def fastavro_body(event: Record) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, PARSED[type(event).__name__], msgspec.to_builtins(event))
    return out.getvalue()


@given(any_event)
@settings(max_examples=200, deadline=None)
def test_every_event_survives_and_has_the_bytes_that_fastavro_writes(event):
    value = CODEC.encode(event)
    assert value[:2] == b"\xc3\x01"
    assert value[2:10] == fingerprint(SCHEMAS.current[type(event).__name__])
    assert value[10:] == fastavro_body(event)
    assert CODEC.decode(value) == event
    assert type(CODEC.decode(value)) is type(event)


def test_numbers_keep_their_types():
    tally = ScoreTally(learning_key="k", epoch=2, bins=[1, 300, -1], policy_threshold=1, routed_at=-1)
    decoded = CODEC.decode_as(CODEC.encode(tally), ScoreTally)
    assert type(decoded.policy_threshold) is float
    assert decoded.bins == [1, 300, -1]


@given(st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**51), st.integers(0, 1 << 15)))
def test_integers_are_written_as_avro_says(number):
    assert _long(number) == write_long(number)
    assert read_long(write_long(number), 0) == (number, len(write_long(number)))


# --- stories --------------------------------------------------------------------------------------

STAGES = ["DecisionScored", "DecisionRouted", "ReviewRequested", "ReviewDecided", "DecisionResolved"]


@pytest.mark.parametrize("name", STAGES)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_an_appended_story_has_the_bytes_of_the_whole_event(name, data):
    event = data.draw(BY_NAME[name])
    story_field, part_field = event.__struct_fields__
    story, part = getattr(event, story_field), getattr(event, part_field)
    body = CODEC.body(CODEC.encode(story), type(story))
    assert CODEC.append(type(event), body, part) == CODEC.encode(event)


def test_only_stories_can_be_appended_to():
    with pytest.raises(SchemaError, match="not an event that a stage appends to"):
        CODEC.append(ObservedOutcome, b"", OUTCOME)


# --- what is refused -------------------------------------------------------------------------------


def test_another_event_than_expected_is_refused():
    for read in (CODEC.decode_as, CODEC.body):
        with pytest.raises(DecodeError, match="holds ObservedOutcome, expected DecisionSubmitted") as caught:
            read(CODEC.encode(OUTCOME), DecisionSubmitted)
        assert caught.value.reason == "wrong_type"


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (msgspec.structs.replace(OUTCOME, note=None), "ObservedOutcome.note"),
        (msgspec.structs.replace(OUTCOME, note="\ud800"), "ObservedOutcome.note"),
        (msgspec.structs.replace(OUTCOME, kind="gossip"), "ObservedOutcome.kind"),
        (msgspec.structs.replace(OUTCOME, observed_at=2**63), "ObservedOutcome.observed_at"),
        (msgspec.structs.replace(OUTCOME, observed_at="now"), "ObservedOutcome.observed_at"),
        (
            ScoreTally(learning_key="k", epoch=2**31, bins=[], policy_threshold=0.5, routed_at=0),
            "ScoreTally.epoch",
        ),
        (
            ScoreTally(learning_key="k", epoch=0, bins=["x"], policy_threshold=0.5, routed_at=0),
            "ScoreTally.bins[]",
        ),
        (
            ScoreTally(learning_key="k", epoch=0, bins=[], policy_threshold="high", routed_at=0),
            "ScoreTally.policy_threshold",
        ),
    ],
)
def test_a_value_that_does_not_fit_is_named(event, field):
    with pytest.raises(EncodeError) as caught:
        CODEC.encode(event)
    assert str(caught.value).startswith(f"{field}: ")


def test_a_part_is_no_event():
    with pytest.raises(EncodeError, match="Option is no event"):
        CODEC.encode(Option(action="approve"))


# --- versions ---------------------------------------------------------------------------------------


@pytest.fixture
def older_and_newer(tmp_path):
    """A codec whose schemas lack a field, an enum symbol and have one field more, and the current one
    knowing that history: (older codec's bytes of a submitted and a scored decision, newer codec)."""
    shutil.copytree(DIRECTORY, tmp_path / "schemas")
    directory = tmp_path / "schemas"
    for path in (directory / "history").glob("*"):
        path.unlink()
    now = json.loads((directory / "DecisionSubmitted.avsc").read_text())
    then = json.loads((directory / "DecisionSubmitted.avsc").read_text())
    (links,) = (each for each in then["fields"] if each["name"] == "links")
    then["fields"].remove(links)
    then["fields"].insert(1, {"name": "batch", "type": ["null", "long"], "doc": "x", "default": None})
    (directory / "DecisionSubmitted.avsc").write_text(json.dumps(then))
    commit_versions(directory)
    old_schemas = Schemas.load(directory)
    (directory / "DecisionSubmitted.avsc").write_text(json.dumps(now))
    commit_versions(directory)
    return old_schemas, Codec(Schemas.load(directory))


def test_an_older_version_is_read_and_spliced_as_the_current_one(older_and_newer):
    old_schemas, codec = older_and_newer
    out = io.BytesIO()
    old = old_schemas.current["DecisionSubmitted"]
    values = msgspec.to_builtins(msgspec.structs.replace(DECISION, links=["gone"])) | {"batch": 12}
    fastavro.schemaless_writer(out, fastavro.parse_schema(old), values)
    value = b"\xc3\x01" + fingerprint(old) + out.getvalue()
    assert codec.decode(value) == DECISION

    body = codec.body(value, DecisionSubmitted)
    assert body == codec.encode(DECISION)[10:] != value[10:]


def test_a_story_written_by_an_older_worker_is_read_through_all_levels(older_and_newer):
    old_schemas, codec = older_and_newer
    old = old_schemas.current["DecisionScored"]
    event = DecisionScored(decision=DECISION, assessment=ASSESSMENT)
    out = io.BytesIO()
    values = msgspec.to_builtins(event)
    values["decision"]["batch"] = None
    fastavro.schemaless_writer(out, fastavro.parse_schema(old), values)
    assert codec.decode_as(b"\xc3\x01" + fingerprint(old) + out.getvalue(), DecisionScored) == event


# --- the registry's frame ---------------------------------------------------------------------------


@pytest.fixture
def registry(request):
    return connect_registry(f"mock://{request.node.name}")


def test_with_a_registry_its_frame_is_written_and_both_are_read(registry):
    codec = Codec(SCHEMAS, registry)
    value = codec.encode(OUTCOME)
    schema_id = registry.id_of("ObservedOutcome", SCHEMAS.current["ObservedOutcome"])
    assert value[:5] == b"\x00" + schema_id.to_bytes(4, "big")
    assert codec.decode(value) == OUTCOME
    assert codec.decode(CODEC.encode(OUTCOME)) == OUTCOME
    assert codec.body(value, ObservedOutcome) == value[5:]


def test_subjects_are_record_names():
    class Client:
        def register_schema(self, subject, schema):
            self.registered = subject, json.loads(schema.schema_str)
            return 7

    client = Client()
    assert SchemaRegistry(client).id_of("Feedback", SCHEMAS.current["Feedback"]) == 7
    assert client.registered == ("hitl.events.Feedback", SCHEMAS.current["Feedback"])


def test_a_producers_own_version_from_the_registry_is_resolved(registry):
    theirs = {
        "type": "record",
        "name": "ObservedOutcome",
        "namespace": "com.example",
        "fields": [
            {"name": "note", "type": {"type": "string", "avro.java.string": "String"}},
            {"name": "extra", "type": ["null", "int"]},
            {"name": "source", "type": "string"},
            {"name": "observed_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["audit_finding"]}},
            {"name": "decision_id", "type": "string"},
            {"name": "observation_id", "type": "string"},
        ],
    }
    schema_id = registry.id_of("theirs", theirs)
    out = io.BytesIO()
    fastavro.schemaless_writer(
        out, fastavro.parse_schema(theirs), {**msgspec.to_builtins(OUTCOME), "extra": 3}
    )
    codec = Codec(SCHEMAS, registry)
    value = b"\x00" + schema_id.to_bytes(4, "big") + out.getvalue()
    assert codec.decode(value) == OUTCOME
    assert codec.body(value, ObservedOutcome) == CODEC.encode(OUTCOME)[10:]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "record", "name": "Stranger", "fields": [{"name": "a", "type": "int"}]},
        {"type": "record", "name": "ObservedOutcome", "fields": [{"name": "a", "type": "int"}]},
        {"type": "record", "name": "ObservedOutcome", "fields": [{"name": "a", "type": "Gone"}]},
        {"type": "record", "name": "ObservedOutcome", "fields": [{"name": "x=1;import os", "type": "int"}]},
        "int",
        {},
        [],
        None,
    ],
)
def test_a_registered_schema_that_is_not_ours_is_an_unknown_id(schema):
    class Registry:
        def schema(self, schema_id):
            return schema

    with pytest.raises(DecodeError, match="schema id 258") as caught:
        Codec(SCHEMAS, Registry()).decode(b"\x00\x00\x00\x01\x02body")
    assert caught.value.reason == "unknown_schema_id"


def test_an_unknown_id_is_poison_and_an_outage_is_not(registry):
    with pytest.raises(DecodeError) as caught:
        Codec(SCHEMAS, registry).decode(b"\x00\x00\x00\x01\x02body")
    assert caught.value.reason == "unknown_schema_id"

    nobody = connect_registry("http://127.0.0.1:9", timeout_seconds=0.2, retries=0)
    codec = Codec(SCHEMAS, nobody)
    with pytest.raises(TransientError, match="does not answer"):
        codec.decode(b"\x00\x00\x00\x01\x02body")
    with pytest.raises(TransientError, match="does not answer"):
        codec.encode(OUTCOME)
    assert codec.decode(CODEC.encode(OUTCOME)) == OUTCOME


@pytest.mark.parametrize(("status", "poison"), [(404, True), (401, False), (429, False), (500, False)])
def test_only_not_found_is_an_unknown_id(status, poison):
    class Client:
        def get_schema(self, schema_id):
            raise SchemaRegistryError(status, 40403, "said the registry")

        def register_schema(self, subject, schema):
            raise SchemaRegistryError(status, 0, "said the registry")

    codec = Codec(SCHEMAS, SchemaRegistry(Client()))
    with pytest.raises(DecodeError if poison else TransientError):
        codec.decode(b"\x00\x00\x00\x01\x02body")
    with pytest.raises(TransientError):
        codec.encode(OUTCOME)


def test_a_refused_registration_names_the_schema():
    class Client:
        def register_schema(self, subject, schema):
            raise SchemaRegistryError(409, 409, "incompatible")

    with pytest.raises(SchemaError, match=r"refuses hitl\.events\.Feedback: incompatible"):
        SchemaRegistry(Client()).id_of("Feedback", SCHEMAS.current["Feedback"])


def test_each_id_is_asked_for_once(registry):
    asked = []

    class Counting:
        def id_of(self, name, schema):
            asked.append(name)
            return registry.id_of(name, schema)

        def schema(self, schema_id):
            asked.append(schema_id)
            return registry.schema(schema_id)

    codec = Codec(SCHEMAS, Counting())
    for _ in range(3):
        codec.decode(codec.encode(OUTCOME))
    assert len(asked) == 2
