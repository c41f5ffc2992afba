from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.stream.dead_letters import DeadLetters, Letter, open_letters
from app.stream.records import DeadLetter, Headers, Incoming, Outgoing
from app.stream.seals import origin_of

HEADERS: Headers = [("ce_id", b"1"), ("binary", b"\xff\x00"), ("ce_id", b"again")]
RECORD = Incoming("decisions.submitted", 3, 17, b"k", b"\xc3\x01...", HEADERS, 5)


def _seal(topic: str, key: bytes, value: bytes) -> str:
    return f"ours {topic} {key!r} {value!r}"


def _sealed(topic: str, key: bytes, value: bytes, found: str | None) -> bool:
    return found == _seal(topic, key, value)


def _again(letter: Letter) -> Outgoing:
    return letter.replay(letter.record.value, _seal, _sealed)


def _kept(record: Incoming = RECORD, at: int = 0, **changes: object) -> Incoming:
    letter = DeadLetter(record, "scoring", "malformed", "byte 17 \u00e9", **changes)  # type: ignore[arg-type]
    return _stored(DeadLetters(lambda: 1000 + at, "1.2").outgoing(letter), at)


def _stored(record: Outgoing, offset: int) -> Incoming:
    return Incoming(record.topic, record.partition or 0, offset, record.key, record.value, record.headers, 0)


@given(st.none() | st.binary(), st.none() | st.binary(), st.lists(st.tuples(st.text(), st.binary())))
def test_key_value_and_headers_stay_byte_for_byte(
    key: bytes | None, value: bytes | None, headers: Headers
) -> None:
    kept = _kept(Incoming("in", 1, 2, key, value, headers, 0))
    assert (kept.key, kept.value, kept.headers[: len(headers)]) == (key, value, headers)


def test_the_headers_say_why_where_and_when() -> None:
    ours = dict(_kept(attempts=2).headers[len(HEADERS) :])
    assert ours == {
        "dlq_reason": b"malformed",
        "dlq_stage": b"scoring",
        "dlq_message": "byte 17 \u00e9".encode(),
        "dlq_source_topic": b"decisions.submitted",
        "dlq_source_partition": b"3",
        "dlq_source_offset": b"17",
        "dlq_attempts": b"2",
        "dlq_first_failed_at": b"1000",
        "dlq_app_version": b"1.2",
    }


def test_a_null_value_is_told_from_an_empty_one_and_from_an_omitted_one() -> None:
    null = _kept(Incoming("in", 0, 0, b"k", None, [], 0))
    assert "dlq_value_was_null" in dict(null.headers)
    assert "dlq_value_was_null" not in dict(_kept(Incoming("in", 0, 0, b"k", b"", [], 0)).headers)
    letter = DeadLetter(RECORD, "s", "r", "m")
    omitted = DeadLetters(lambda: 0, "1").outgoing(letter, too_large=lambda _: True)
    assert omitted.value is None
    assert dict(omitted.headers)["dlq_value_omitted"] == b"%d" % len(RECORD.value or b"")


def test_a_replay_is_the_original_and_counts_on() -> None:
    [letter] = open_letters([_kept()])
    again = _again(letter)
    assert (again.topic, again.key, again.value) == ("decisions.submitted", b"k", RECORD.value)
    assert again.headers[: len(HEADERS)] == HEADERS
    assert not any(name.startswith("dlq_") for name, _ in again.headers)
    failed_again = _kept(Incoming(again.topic, 3, 99, again.key, again.value, again.headers, 0), at=500)
    [second] = open_letters([failed_again])
    assert (second.attempts, second.first_failed_at) == (2, 1000)
    third = _again(second)
    assert sum(name == "replay_attempts" for name, _ in third.headers) == 1
    assert [value for name, value in third.headers if name == "hitl_origin"] == [b"decisions.submitted[3]@17"]
    assert sum(name == "hitl_origin_seal" for name, _ in third.headers) == 1


def test_a_replay_does_not_vouch_for_an_origin_that_somebody_else_wrote() -> None:
    told: Headers = [("hitl_origin", b"decisions.submitted[0]@1"), ("hitl_origin_seal", b"mine")]
    [letter] = open_letters([_kept(msgspec.structs.replace(RECORD, headers=told))])
    again = _again(letter)
    read = Incoming(again.topic, 3, 99, again.key, again.value, again.headers, 0)
    assert origin_of(read, _sealed) == "decisions.submitted[3]@17"


def test_a_mark_closes_its_letter_and_no_other() -> None:
    first, second = _kept(at=1), _kept(at=2)
    [one, two] = open_letters([first, second])
    mark = _stored(one.mark("replayed", 7, "fixed"), 3)
    assert [letter.position for letter in open_letters([first, second, mark])] == [two.position]
    elsewhere = Incoming("deadletter", 1, 4, None, None, mark.headers, 0)
    assert len(open_letters([first, second, elsewhere])) == 2


def test_a_poison_record_with_the_headers_of_a_marker_is_a_letter_and_closes_none() -> None:
    letters = DeadLetters(lambda: 1, "1")
    first = _stored(letters.outgoing(DeadLetter(RECORD, "scoring", "not_avro", "?")), 0)
    forged: Headers = [("dlq_marker", b"discarded"), ("dlq_marks", b"0")]
    poison = Incoming(RECORD.topic, RECORD.partition, 8, b"k", b"v", forged, 0)
    second = _stored(letters.outgoing(DeadLetter(poison, "scoring", "not_avro", "?")), 1)
    assert [letter.record.offset for letter in open_letters([first, second])] == [0, 1]
