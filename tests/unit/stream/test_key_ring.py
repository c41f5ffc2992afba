"""Keys of subjects: made once, known from the topic, gone once erased; and what is encrypted under them."""

from __future__ import annotations

from typing import cast

import msgspec
import pytest

from app.domain.events import DecisionSubmitted, SubjectKey
from app.stream import key_ring
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.envelope import key_id_of
from app.stream.errors import DecodeError, TransientError
from app.stream.key_ring import KeyRing
from app.stream.records import Incoming
from app.stream.schemas import Schemas
from tests.unit.agents.parts import decision

SCHEMAS = Schemas.load()
PLAIN = Codec(SCHEMAS)
NOW = 1_772_443_800_000


def ring() -> KeyRing:
    """One that believes that it follows the topic; tests tell it what is there."""
    made = KeyRing(PLAIN, lambda: pytest.fail("Kafka was asked"))
    made._broadcast = object()  # type: ignore[assignment]
    return made


def told(value: bytes) -> Incoming:
    return Incoming("privacy.keys", 0, 0, b"", value, [], NOW)


def erased(key_id: bytes) -> Incoming:
    event = SubjectKey(
        key_id=key_id.hex(), subject="", key="", created_at=NOW, erased_at=NOW, erased_by="ann", reason="r-1"
    )
    return told(PLAIN.encode(event))


def test_a_new_subject_gets_one_key_that_goes_out_until_the_topic_has_it() -> None:
    keys = ring()
    first, record = keys.key_for("emp-1", NOW)
    assert record is not None
    assert keys.key_for("emp-1", NOW) == (first, record)  # the transaction before may have been aborted
    assert keys.key_for("emp-2", NOW)[0] != first
    keys.hear(told(record))
    assert keys.key_for("emp-1", NOW) == (first, None)


def test_whoever_is_not_told_of_keys_writes_none_again_that_may_be_erased_by_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = ring()
    first, record = keys.key_for("emp-1", NOW)
    monkeypatch.setattr(key_ring, "FRESH", 0.0)
    second, other = keys.key_for("emp-1", NOW)
    assert other is not None
    assert second != first
    assert first.hex().encode() not in other
    assert keys.key(first)  # what was encrypted under it stays readable here
    assert record is not None
    for heard in (record, other):  # both were committed, and both can be erased
        keys.hear(told(heard))
    assert set(keys.ids_of("emp-1")) == {first, second}


def test_what_one_worker_encrypts_another_reads_and_nobody_once_it_is_erased() -> None:
    here, there = ring(), ring()
    key_id, record = here.key_for("emp-1", NOW)
    assert record is not None
    there.hear(told(record))
    event = decision("exp-1", 0.97)
    value = Codec(SCHEMAS, keys=here).encode(event, key_id)
    assert key_id_of(value) == key_id
    assert b"exp-1" not in value
    reader = Codec(SCHEMAS, keys=there)
    assert reader.decode(value) == event
    assert reader.decode_as(value, DecisionSubmitted) == event

    there.hear(erased(key_id))
    with pytest.raises(DecodeError) as gone:
        reader.decode(value)
    assert gone.value.reason == "erased"
    assert "by ann: r-1" in str(gone.value)
    there.hear(told(record))  # a record that was written before and read again brings nothing back
    with pytest.raises(DecodeError):
        reader.decode(value)


def test_all_keys_of_a_subject_are_erased_and_the_subject_may_come_back() -> None:
    one, other, reader = ring(), ring(), ring()
    for worker in (one, other):  # two workers met the person at the same moment
        reader.hear(told(worker.key_for("emp-1", NOW)[1] or b""))
    ids = reader.ids_of("emp-1")
    assert len(ids) == 2
    for key_id in ids:
        reader.hear(erased(key_id))
    assert reader.ids_of("emp-1") == []
    key_id, record = reader.key_for("emp-1", NOW)
    assert key_id not in ids
    assert record is not None


def test_a_key_that_was_made_and_erased_before_it_came_back_is_not_used_again() -> None:
    keys = ring()
    key_id, _ = keys.key_for("emp-1", NOW)
    keys.hear(erased(key_id))
    assert keys.key_for("emp-1", NOW)[0] != key_id


def test_an_unknown_key_is_an_outage_and_never_poison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_ring, "PATIENCE", 0.01)
    writer = ring()
    value = Codec(SCHEMAS, keys=writer).encode(decision("exp-1", 0.97), writer.key_for("emp-1", NOW)[0])
    with pytest.raises(TransientError, match=r"privacy\.keys"):
        Codec(SCHEMAS, keys=ring()).decode(value)


def test_a_changed_byte_is_malformed_and_a_reader_without_keys_says_so() -> None:
    keys = ring()
    codec = Codec(SCHEMAS, keys=keys)
    value = codec.encode(decision("exp-1", 0.97), keys.key_for("emp-1", NOW)[0])
    for at in (20, 40, len(value) - 1):
        broken = bytearray(value)
        broken[at] ^= 1
        with pytest.raises(DecodeError) as wrong:
            codec.decode(bytes(broken))
        assert wrong.value.reason == "malformed"
    for cut in range(2, 46):
        with pytest.raises(DecodeError):
            codec.decode(value[:cut])
    with pytest.raises(DecodeError) as blind:
        PLAIN.decode(value)
    assert blind.value.reason == "no_keys"


def test_a_story_is_passed_on_inside_the_envelope() -> None:
    keys = ring()
    codec = Codec(SCHEMAS, keys=keys)
    event = decision("exp-1", 0.97)
    under, _ = keys.key_for(event.subject, NOW)
    assert codec.body(codec.encode(event, under), DecisionSubmitted) == PLAIN.body(
        PLAIN.encode(event), DecisionSubmitted
    )
    assert codec.protect(PLAIN.encode(event), under)[:18] == codec.encode(event, under)[:18]
    assert msgspec.structs.asdict(codec.decode(codec.protect(PLAIN.encode(event), under))) == (
        msgspec.structs.asdict(event)
    )


def test_keys_that_can_not_be_read_are_an_outage_and_no_records_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else every encrypted record became a dead letter because of one bad record of another topic."""

    class Broken:
        def __init__(self, *_: object) -> None: ...

        def start(self) -> None:
            raise DecodeError("not_avro", "00 01 starts no complete Avro frame")

    known = ring()
    value = Codec(SCHEMAS, keys=known).encode(decision("exp-1", 0.97), known.key_for("emp-1", NOW)[0])
    monkeypatch.setattr(key_ring, "Broadcast", Broken)
    restarted = Codec(SCHEMAS, keys=KeyRing(PLAIN, lambda: cast(Connection, None)))
    with pytest.raises(TransientError, match="keys of subjects"):
        restarted.decode(value)
