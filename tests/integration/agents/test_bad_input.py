"""What a producer may send by mistake or malice: each has its defined answer, and nothing is lost."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.events import (
    CalibrationUpdated,
    DecisionRouted,
    DecisionSubmitted,
    Option,
    Signals,
    StatedFactors,
)
from app.stream.records import Incoming
from app.stream.topics import Topic
from tests.integration.conftest import deployed
from tests.integration.deployment import (
    CODEC,
    NOW,
    Deployment,
    Given,
    a_decision,
    by_key,
    header,
    letters,
    until,
)

pytestmark = pytest.mark.broker

DAY = 24 * 3_600_000
NAN = float("nan")
CALIBRATION = CalibrationUpdated(
    learning_key="k", version=1, slope=1.0, intercept=0.0, labels=1, updated_at=1
)


def bytes_of(name: str, **changes: Any) -> bytes:
    return CODEC.encode(a_decision(name, **changes))


# name -> (value, reason of its dead letter)
DEAD: dict[str, tuple[bytes | None, str]] = {
    "no value": (None, "empty"),
    "empty value": (b"", "empty"),
    "json instead of avro": (b'{"decision_id": "x"}', "not_avro"),
    "a frame cut short": (bytes_of("x")[:7], "not_avro"),
    "a body cut short": (bytes_of("x")[:-20], "malformed"),
    "malformed avro": (bytes_of("x")[:10] + b"\xff" * 60, "malformed"),
    "bytes after the end": (bytes_of("x") + b"\x00", "malformed"),
    "unknown fingerprint": (b"\xc3\x01" + b"\x07" * 8 + bytes_of("x")[10:], "unknown_fingerprint"),
    "confluent frame, no registry": (b"\x00\x00\x00\x00\x01" + bytes_of("x")[10:], "unknown_schema_id"),
    "another event": (CODEC.encode(CALIBRATION), "wrong_type"),
    "a string that is not utf-8": (
        bytes_of("x", subject="emp-17").replace(b"emp-17", b"emp-\xff\xfe"),
        "not_utf8",
    ),
    "unknown type": (bytes_of("x", decision_type="loan.approval"), "unknown_type"),
    "facts are not json": (bytes_of("x", facts="amount=40"), "facts_malformed"),
    "facts hold NaN": (bytes_of("x", facts='{"amount": NaN}'), "facts_malformed"),
    "facts hold too large a number": (bytes_of("x", facts='{"amount": 1e400}'), "facts_number_range"),
    "facts are nested": (bytes_of("x", facts='{"amount": {"net": 40}}'), "facts_not_flat"),
    "facts are a list": (bytes_of("x", facts="[40]"), "facts_not_flat"),
    "1 MB of facts": (bytes_of("x", facts='{"note": "' + "n" * 1_000_000 + '"}'), "too_large"),
    "1 MB of reasons": (
        bytes_of("x", recommendation=Option(action="approve", probability=0.97, rationale="r" * 1_048_100)),
        "too_large",
    ),
}

# name -> (what is unusual about it, code of the reason on the event)
HUMAN: dict[str, tuple[dict[str, Any], str]] = {
    "required facts are missing": ({"facts": "{}"}, "facts_missing"),
    "a required fact is null": ({"facts": '{"amount": null}'}, "facts_missing"),
    "a required fact has another type": ({"facts": '{"amount": "40"}'}, "facts_missing"),
    "no probability": ({"probability": None}, "model_probability_absent"),
    "NaN probability": ({"probability": NAN}, "model_probability_invalid"),
    "infinite probability": ({"probability": float("inf")}, "model_probability_invalid"),
    "negative probability": ({"probability": -0.001}, "model_probability_invalid"),
    "probability above 1": ({"probability": 1.001}, "model_probability_invalid"),
    "NaN signal": ({"signals": Signals(similarity=NAN)}, "similarity_invalid"),
    "infinite signal": ({"signals": Signals(consensus=float("-inf"))}, "consensus_invalid"),
    "signal above 1": ({"signals": Signals(rule_clarity=2.0)}, "rule_clarity_invalid"),
    "from the far future": ({"occurred_at": NOW + 400 * DAY}, "time_future"),
    "at the end of time": ({"occurred_at": 2**62}, "time_future"),
    "very old": ({"occurred_at": NOW - 400 * DAY}, "time_old"),
    "before time began": ({"occurred_at": -(2**62)}, "time_old"),
    "due before it came up": ({"due_at": NOW - DAY}, "due_before_occurred"),
    "an action that this type does not have": (
        {"recommendation": Option(action="explode", probability=0.99)},
        "action_unknown",
    ),
    "a stated factor that is no share": ({"factors": StatedFactors(financial=7.0)}, "financial_invalid"),
    "a stated factor that is NaN": ({"factors": StatedFactors(undo=NAN)}, "undo_invalid"),
}


class Results:
    """What became of all records of the tables, and of duplicates."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.given: dict[str, bytes | None] = {name: value for name, (value, _) in DEAD.items()}
        deployment.worker("scoring,routing")
        self.given |= {name: bytes_of(name, **changes) for name, (changes, _) in HUMAN.items()}
        self.given |= {name: bytes_of(name) for name in (f"good {number}" for number in range(50))}
        given = [Given(value, name.encode()) for name, value in self.given.items()]
        random.Random(3).shuffle(given)
        deployment.write(Topic.DECISIONS_SUBMITTED, given)
        watch = deployment.watch
        until(
            lambda: len(watch[Topic.DECISIONS_ROUTED]) + len(letters(watch[Topic.DEADLETTER])) >= len(given),
            "every record is routed or dead",
        )
        deployment.caught_up("hitl-decide", Topic.DECISIONS_SUBMITTED)
        self.routed = by_key(watch[Topic.DECISIONS_ROUTED])
        self.dead = by_key(letters(watch[Topic.DEADLETTER]))


@pytest.fixture(scope="module")
def results(kafka: str, store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    directory: Path = tmp_path_factory.mktemp("bad-input")
    with deployed(kafka, store_url, directory) as deployment:
        yield Results(deployment)


@pytest.mark.parametrize("name", DEAD)
def test_what_nobody_can_decide_is_a_dead_letter_byte_for_byte(results: Results, name: str) -> None:
    value, reason = DEAD[name]
    letter = results.dead[name]
    assert header(letter, "dlq_reason") == reason
    assert letter.value == value
    assert header(letter, "dlq_message")
    assert header(letter, "dlq_source_topic") == Topic.DECISIONS_SUBMITTED
    assert name not in results.routed


@pytest.mark.parametrize("name", HUMAN)
def test_what_the_ai_must_not_decide_goes_to_a_person_who_is_told_why(results: Results, name: str) -> None:
    event = CODEC.decode_as(results.routed[name].value, DecisionRouted)
    assert event.route.action is None
    assert event.route.level >= 3
    assert HUMAN[name][1] in [reason.code for reason in event.route.reasons]
    assert name not in results.dead


def test_nothing_is_lost_and_the_good_ones_are_decided(results: Results) -> None:
    assert results.routed.keys() | results.dead.keys() == results.given.keys()
    assert not results.routed.keys() & results.dead.keys()
    good = [name for name in results.given if name.startswith("good")]
    assert all(
        CODEC.decode_as(results.routed[name].value, DecisionRouted).route.action == "approve" for name in good
    )


def test_a_duplicate_names_the_first_position_and_is_resolved_once(results: Results) -> None:
    deployment = results.deployment
    watch = deployment.watch
    value, again = CODEC.encode(a_decision("twice")), CODEC.encode(a_decision("twice", 0.93))
    deployment.write(
        Topic.DECISIONS_SUBMITTED,
        [Given(value, b"twice", partition=2), Given(again, b"twice", partition=2)],
    )
    until(lambda: _duplicates(watch[Topic.DEADLETTER], "twice"), "the repeat in the same batch")
    deployment.write(Topic.DECISIONS_SUBMITTED, [Given(value, b"twice", partition=2)])
    until(lambda: len(_duplicates(watch[Topic.DEADLETTER], "twice")) == 2, "the later repeat")
    deployment.write(Topic.DECISIONS_SUBMITTED, [Given(value, b"another key", partition=3)])
    until(lambda: len(_duplicates(watch[Topic.DEADLETTER], "twice")) == 3, "the one of another partition")

    [routed] = [record for record in watch[Topic.DECISIONS_ROUTED] if record.key == b"twice"]
    assert len([record for record in watch[Topic.DECISIONS_RESOLVED] if record.key == b"twice"]) == 1
    assert CODEC.decode_as(routed.value, DecisionRouted).scored.decision == CODEC.decode_as(
        value, DecisionSubmitted
    )
    first = header(routed, "hitl_position")
    assert first is not None
    assert first.startswith("decisions.submitted[2]@")
    for letter in _duplicates(watch[Topic.DEADLETTER], "twice"):
        assert first in (header(letter, "dlq_message") or "")


def _duplicates(records: list[Incoming], name: str) -> list[Incoming]:
    return [
        record
        for record in letters(records)
        if header(record, "dlq_reason") == "duplicate"
        and f"'{name}'" in (header(record, "dlq_message") or "")
    ]


def test_one_percent_poison_keeps_nobody_else_waiting(results: Results) -> None:
    deployment = results.deployment
    watch = deployment.watch
    routed, dead = len(watch[Topic.DECISIONS_ROUTED]), len(letters(watch[Topic.DEADLETTER]))
    draw = random.Random(11)
    kinds = [value for value, reason in DEAD.values() if value and len(value) < 10_000]
    records = []
    poison = {}
    for number in range(20_000):
        name = f"many-{number}"
        records.append(Given(CODEC.encode(a_decision(name)), name.encode()))
        if number % 100 == 0:
            name = f"poison-{number}"
            poison[name] = draw.choice(kinds)
            records.append(Given(poison[name], name.encode()))
    deployment.write(Topic.DECISIONS_SUBMITTED, records)
    watch.wait(Topic.DECISIONS_ROUTED, routed + 20_000)
    until(lambda: len(letters(watch[Topic.DEADLETTER])) >= dead + 200, "every poisonous record is dead")
    new = by_key(watch[Topic.DECISIONS_ROUTED][routed:])
    assert new.keys() == {f"many-{number}" for number in range(20_000)}
    found = by_key(letters(watch[Topic.DEADLETTER])[dead:])
    assert {name: letter.value for name, letter in found.items()} == poison
