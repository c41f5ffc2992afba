"""Whatever the bytes, decoding gives an event or a ``DecodeError`` with a reason, in bounded memory.

What we accept, fastavro accepts with the same values; we are the stricter one.
"""

import io
import json
import tracemalloc
from typing import get_args

import fastavro
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.events import DecisionSubmitted, Record, ScoreTally
from app.stream.avro_writer import write_long
from app.stream.codec import Codec
from app.stream.errors import DecodeError, DecodeReason
from app.stream.schemas import fingerprint
from tests.unit.stream.avro_values import BY_NAME, SCHEMAS, any_event

CODEC = Codec(SCHEMAS)
HEADS = {name: b"\xc3\x01" + fingerprint(schema) for name, schema in SCHEMAS.current.items()}
REASONS = set(get_args(DecodeReason))


def _plain(schema):
    return schema["type"] if "logicalType" in schema else schema


PARSED = {
    name: fastavro.parse_schema(json.loads(json.dumps(schema), object_hook=_plain))
    for name, schema in SCHEMAS.current.items()
}


def decoded(value: bytes) -> Record | None:
    """The event, after a look whether fastavro agrees; ``None`` if it was refused as it should be."""
    try:
        event = CODEC.decode(value)
    except DecodeError as error:
        assert error.reason in REASONS
        assert str(error)
        return None
    rest = io.BytesIO(value[10:])
    theirs = fastavro.schemaless_reader(rest, PARSED[type(event).__name__], None)
    assert rest.read() == b""
    assert repr(theirs) == repr(msgspec.to_builtins(event))
    return event


@given(st.binary(max_size=64))
@example(b"")
@example(b"\xc3")
@example(b"\xc3\x01")
@example(b"\x00\x00\x00\x00\x01")
@settings(max_examples=300, deadline=None)
def test_any_bytes(value):
    assert decoded(value) is None


@given(st.sampled_from(sorted(HEADS)), st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_body(name, body):
    decoded(HEADS[name] + body)


@given(any_event, st.data())
@settings(max_examples=200, deadline=None)
def test_an_event_cut_anywhere_is_refused(event, data):
    value = CODEC.encode(event)
    cut = data.draw(st.integers(0, len(value) - 1))
    assert decoded(value[:cut]) is None


@given(any_event, st.binary(min_size=1, max_size=9))
@settings(max_examples=100, deadline=None)
def test_an_event_with_something_behind_it_is_refused(event, garbage):
    assert decoded(CODEC.encode(event) + garbage) is None


@given(any_event, st.data())
@settings(max_examples=300, deadline=None)
def test_an_event_with_changed_bytes_is_refused_or_another_event(event, data):
    value = bytearray(CODEC.encode(event))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(10, max(10, len(value) - 1)))
        value[place : place + 1] = data.draw(
            st.sampled_from([b"", b"\x01", b"\x7f", b"\x80", b"\xff", b"\xff" * 9 + b"\x01", b"\x80" * 12])
        )
    decoded(bytes(value))


TALLY = ScoreTally(learning_key="k", epoch=0, bins=[], policy_threshold=0.5, routed_at=0)
TALLY_START = HEADS["ScoreTally"] + b"\x02k\x00"
TALLY_END = CODEC.encode(TALLY)[len(TALLY_START) + 1 :]


def test_the_crafted_tally_is_sound_without_malice():
    blocks = b"\x04\x0a\x03" + b"\x02\x0e" + b"\x00"
    assert decoded(TALLY_START + blocks + TALLY_END) == msgspec.structs.replace(TALLY, bins=[5, -2, 7])


@pytest.mark.parametrize(
    ("value", "reason", "words"),
    [
        (b"", "not_avro", "no value"),
        (b'{"decision_id": "x"}', "not_avro", "no complete Avro frame"),
        (b"\xc3\x02" + bytes(20), "not_avro", "no complete Avro frame"),
        (b"\xc3\x01" + bytes(7), "not_avro", "no complete Avro frame"),
        (b"\xc3\x01" + bytes(20), "unknown_fingerprint", "0000000000000000"),
        (b"\x00" + bytes(20), "unknown_schema_id", "no registry"),
        (HEADS["ScoreTally"], "malformed", "learning_key: the value ends too early"),
        (HEADS["ScoreTally"] + b"\x03k", "malformed", "length -2 is negative"),
        (HEADS["ScoreTally"] + b"\xff" * 8 + b"\x7f", "malformed", "length -"),
        (HEADS["ScoreTally"] + b"\xfe" * 9 + b"\x01", "malformed", "with 0 bytes left"),
        (HEADS["ScoreTally"] + b"\xff" * 11, "malformed", "longer than 64 bits"),
        (HEADS["ScoreTally"] + b"\xfe" * 9 + b"\x03", "malformed", "longer than 64 bits"),
        (HEADS["ScoreTally"] + b"\x04\xff\xfe", "not_utf8", "learning_key: not UTF-8"),
        (HEADS["ScoreTally"] + b"\x08\xc3", "malformed", "learning_key: the value ends too early"),
        (HEADS["ScoreTally"] + b"\x02k" + write_long(2**31), "malformed", "more than 32 bits"),
        (TALLY_START + write_long(2**40) + TALLY_END, "malformed", "an array of 1099511627776 items"),
        (TALLY_START + write_long(-(2**63)) + write_long(8), "malformed", "an array of 9223372036854775808"),
        (TALLY_START + write_long(-2) + write_long(2**40) + TALLY_END, "malformed", "an array block of"),
        (TALLY_START + write_long(-2) + write_long(-1) + TALLY_END, "malformed", "an array block of -1"),
        (TALLY_START + b"\x80\x00" + TALLY_END, "malformed", "empty array block"),
        (CODEC.encode(TALLY) + b"\x00", "malformed", "1 bytes too many"),
    ],
)
def test_each_kind_of_malice_has_its_reason(value, reason, words):
    with pytest.raises(DecodeError) as caught:
        CODEC.decode(value)
    assert caught.value.reason == reason
    assert words in str(caught.value)


@pytest.mark.parametrize("symbol", [b"\x0a", b"\x01", b"\x80\x00"])
def test_a_symbol_that_was_never_written_is_refused(symbol):
    with pytest.raises(DecodeError, match="kind: no such symbol"):
        CODEC.decode(HEADS["ObservedOutcome"] + b"\x02o\x02d" + symbol + bytes(8))


def test_a_union_branch_and_a_boolean_that_do_not_exist_are_refused():
    with pytest.raises(DecodeError, match="correct_action: union branch byte 4"):
        CODEC.decode(HEADS["ObservedOutcome"] + b"\x02o\x02d\x00\x04" + bytes(8))
    with pytest.raises(DecodeError, match="automated: 2 is not a boolean"):
        CODEC.decode(
            HEADS["LearningLabel"] + b"\x02a" * 4 + b"\x00" + bytes(16) + b"\x02" + b"\x02" + bytes(40)
        )


def test_an_array_in_blocks_with_sizes_is_read():
    blocks = write_long(-2) + write_long(2) + b"\x0a\x03" + b"\x02\x0e" + b"\x00"
    assert decoded(TALLY_START + blocks + TALLY_END) == msgspec.structs.replace(TALLY, bins=[5, -2, 7])


def test_memory_follows_the_bytes_received_not_what_they_claim():
    claims = [
        TALLY_START + write_long(2**62) + bytes(1000),
        TALLY_START + write_long(999) + bytes(1000),
        HEADS["ScoreTally"] + write_long(2**50) + bytes(1000),
        HEADS["DecisionSubmitted"] + b"\x02x" * 2 + b"\x00" + write_long(2**61) + bytes(1000),
    ]
    for value in claims:
        assert decoded(value) is None
    tracemalloc.start()
    try:
        for value in claims:
            with pytest.raises(DecodeError):
                CODEC.decode(value)
        assert tracemalloc.get_traced_memory()[1] < 256 * 1024
    finally:
        tracemalloc.stop()


@given(BY_NAME["DecisionSubmitted"])
@settings(max_examples=20, deadline=None)
def test_the_frame_of_another_event_does_not_make_it_one(event):
    value = HEADS["ObservedOutcome"] + CODEC.encode(event)[10:]
    with pytest.raises(DecodeError):
        CODEC.decode_as(value, DecisionSubmitted)
    assert not isinstance(decoded(value), DecisionSubmitted)
