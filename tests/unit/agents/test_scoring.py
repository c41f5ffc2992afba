"""Scoring: what it writes, what it hands on, and what it can not score with the reason why."""

from __future__ import annotations

import threading

import msgspec
import pytest

from app.domain.confidence import Calibration
from app.domain.events import CalibrationUpdated, DecisionScored
from app.stream.errors import TransientError
from app.stream.records import Incoming
from app.stream.topics import Topic
from tests.unit.agents.parts import (
    CODEC,
    NOW,
    OTHER_TYPE,
    POLICY,
    POLICY_TEXT,
    Store,
    decision,
    headers,
    incoming,
    policy_of,
    read,
    reasons,
    replaced,
    replayed,
    scored,
    scoring,
)

GOOD = CODEC.encode(decision())
CALIBRATION = CalibrationUpdated(
    learning_key="k", version=1, slope=1.0, intercept=0.0, labels=1, updated_at=1
)


async def test_a_decision_becomes_one_scored_event():
    output, handed_on = await scoring(Store())([incoming(decision("exp-1"), 7, partition=3)])
    [written] = output.outgoing
    assert (written.topic, written.key, written.partition) == (Topic.DECISIONS_SCORED, b"exp-1", None)
    event = read(written)
    assert isinstance(event, DecisionScored)
    assert event.decision == decision("exp-1")
    assert (event.assessment.received_at, event.assessment.policy_version) == (NOW, POLICY.version)
    assert [(item.event, item.value, item.terms) for item in handed_on] == [
        (event, written.value, POLICY.terms["expense.approval"])
    ]
    assert not output.dead


async def test_headers_say_what_it_is_and_where_it_was_submitted():
    given = [("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"), ("own", b"not ours")]
    output, _ = await scoring(Store())([incoming(decision("exp-1"), 7, partition=3, headers=given)])
    found = headers(output.outgoing[0])
    assert found["ce_type"].endswith(b".DecisionScored")
    assert found["ce_id"] == b"DecisionScored/exp-1"
    assert found["ce_specversion"] == b"1.0"
    assert found["ce_time"] == b"2026-03-02T09:30:00.000Z"
    assert found["hitl_position"] == b"decisions.submitted[3]@7"
    assert found["traceparent"] == given[0][1]
    assert "hitl_level" not in found


async def test_alone_it_writes_the_same_without_handing_on():
    records = [incoming(decision(f"exp-{n}"), n) for n in range(3)]
    output, _ = await scoring(Store())(records)
    alone = await scoring(Store()).alone(records)
    # The chain says that it routes them too; a router of its own must leave those alone.
    assert [(*o.headers, ("hitl_routed", b"1")) for o in alone.outgoing] == [
        tuple(o.headers) for o in output.outgoing
    ]
    assert [(o.topic, o.key, o.value) for o in alone.outgoing] == [
        (o.topic, o.key, o.value) for o in output.outgoing
    ]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty"),
        (b"", "empty"),
        (b"{}", "not_avro"),
        (GOOD[:9], "not_avro"),
        (GOOD[:40], "malformed"),
        (GOOD + b"more", "malformed"),
        (GOOD[:2] + b"\x00" * 8 + GOOD[10:], "unknown_fingerprint"),
        (b"\x00\x00\x00\x00\x07" + GOOD[10:], "unknown_schema_id"),
        (GOOD.replace(b"emp-17", b"emp-\xff\xfe"), "not_utf8"),
        (CODEC.encode(CALIBRATION), "wrong_type"),
        (CODEC.encode(decision(decision_type="travel.approval")), "unknown_type"),
        (CODEC.encode(decision(facts="amount: 40")), "facts_malformed"),
        (CODEC.encode(decision(facts='{"amount": NaN}')), "facts_malformed"),
        (CODEC.encode(decision(facts='{"amount": 1e999}')), "facts_number_range"),
        (CODEC.encode(decision(facts='{"lines": [1, 2]}')), "facts_not_flat"),
        (CODEC.encode(decision(facts="[]")), "facts_not_flat"),
        (CODEC.encode(decision(facts='{"note": "' + "x" * 300_000 + '"}')), "too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_can_not_be_scored_is_a_dead_letter_of_its_own(value, reason):
    records = [incoming(decision("before"), 0), incoming(value, 1), incoming(decision("after"), 2)]
    output, handed_on = await scoring(Store())(records)
    assert [item.event.decision.decision_id for item in handed_on] == ["before", "after"]
    assert len(output.outgoing) == 2
    [letter] = output.dead
    assert (letter.stage, letter.reason, letter.record) == ("scoring", reason, records[1])
    assert letter.message


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"facts": "{}"}, "facts_missing"),
        ({"facts": '{"amount": null}'}, "facts_missing"),
        ({"facts": '{"amount": "forty"}'}, "facts_missing"),
        ({"probability": None}, "model_probability_absent"),
        ({"probability": float("nan")}, "model_probability_invalid"),
        ({"probability": float("inf")}, "model_probability_invalid"),
        ({"probability": -0.01}, "model_probability_invalid"),
        ({"occurred_at": NOW + 25 * 3_600_000}, "time_future"),
        ({"occurred_at": 0}, "time_old"),
        ({"due_at": 1}, "due_before_occurred"),
    ],
)
async def test_what_can_be_scored_but_not_trusted_carries_a_finding(changes, code):
    [item] = await scored(incoming(decision(**changes)))
    assert code in [finding.code for finding in item.event.assessment.findings]


# --- once -----------------------------------------------------------------------------------------


async def test_a_repeat_is_a_duplicate_that_names_the_first_position():
    store = Store()
    records = [incoming(decision(), 4, partition=1), incoming(decision(), 5, partition=1)]
    output, handed_on = await scoring(store)(records)
    assert len(handed_on) == 1
    assert reasons(output) == [(5, "scoring", "duplicate")]
    later, none = await scoring(store)([incoming(decision(), 0, partition=2)])
    assert (none, later.outgoing) == ([], [])
    for letter in output.dead + later.dead:
        assert "decisions.submitted[1]@4" in letter.message


async def test_the_same_record_read_again_is_no_duplicate():
    store = Store()
    record = incoming(decision(), 4)
    first, _ = await scoring(store)([record])
    second, _ = await scoring(store)([record])
    assert first == second
    assert not second.dead


async def test_a_replayed_record_is_the_one_it_was():
    store = Store()
    await scoring(store)([incoming(decision(), 4)])
    output, [item] = await scoring(store)([replayed(incoming(decision(), 90), "decisions.submitted[0]@4")])
    assert not output.dead
    assert item.position == "decisions.submitted[0]@4"
    assert headers(output.outgoing[0])["hitl_position"] == b"decisions.submitted[0]@4"


async def test_a_replayed_duplicate_stays_one():
    store = Store()
    await scoring(store)([incoming(decision(), 4)])
    output, _ = await scoring(store)([replayed(incoming(decision(), 90), "decisions.submitted[0]@5")])
    assert reasons(output) == [(90, "scoring", "duplicate")]


@pytest.mark.parametrize("others", ["nobody's", "of another record", "of another origin"])
async def test_who_says_that_a_record_was_read_elsewhere_without_our_seal_is_not_believed(others):
    """Or whoever may submit could have a decision taken twice, the second time with other facts."""
    store = Store()
    await scoring(store)([incoming(decision(), 4)])
    forged = replayed(incoming(decision(probability=0.51), 90), "decisions.submitted[0]@4")
    if others == "nobody's":
        kept = [pair for pair in forged.headers if pair[0] != "hitl_origin_seal"]
    elif others == "of another record":
        kept = replayed(incoming(decision(), 90), "decisions.submitted[0]@4").headers
    else:
        kept = [
            (name, b"decisions.submitted[0]@4" if name == "hitl_origin" else value)
            for name, value in replayed(incoming(decision(probability=0.51), 90), "elsewhere[0]@7").headers
        ]
    output, found = await scoring(store)([replaced(forged, headers=kept)])
    assert reasons(output) == [(90, "scoring", "duplicate")]
    assert not found


async def test_what_is_dead_before_it_is_scored_claims_nothing():
    """Otherwise the decision could not be sent again, repaired, under its id."""
    store = Store()
    await scoring(store)([incoming(decision(facts="broken"), 0)])
    output, [_] = await scoring(store)([incoming(decision(), 1)])
    assert not output.dead


# --- what is in force -----------------------------------------------------------------------------


async def test_an_outage_of_the_store_is_transient_and_dead_letters_nothing():
    store = Store()
    store.away = True
    with pytest.raises(TransientError, match="does not serve") as outage:
        await scoring(store)([incoming(decision()), incoming(b"poison", 1)])
    assert outage.value.hint == "start it"


async def test_nothing_to_claim_needs_no_store():
    store = Store()
    store.away = True
    output, _ = await scoring(store)([incoming(b"poison")])
    assert len(output.dead) == 1


async def test_a_batch_sees_one_policy():
    """The policy changes while the first batch is under way: it counts from the next batch on."""
    newer = policy_of(POLICY_TEXT + OTHER_TYPE)
    in_force = iter([POLICY, newer])
    agent = scoring(Store())
    agent._policy = lambda: next(in_force)
    _, first = await agent([incoming(decision(f"exp-{n}"), n) for n in range(3)])
    assert {item.event.assessment.policy_version for item in first} == {POLICY.version}
    assert {item.terms.policy_version for item in first} == {POLICY.version}
    _, second = await agent([incoming(decision("later"), 3)])
    assert second[0].event.assessment.policy_version == newer.version


async def test_the_store_answers_while_decisions_are_scored():
    scoring_began = threading.Event()
    met = []

    class Slow(Store):
        def claim(self, ids, positions):
            met.append(scoring_began.wait(10))
            return super().claim(ids, positions)

    class Calibrations(dict):
        def get(self, key, default=None):
            scoring_began.set()
            return super().get(key, default)

    output, handed_on = await scoring(Slow(), calibrations=Calibrations(k=CALIBRATION))(
        [incoming(decision())]
    )
    assert (met, len(output.outgoing), len(handed_on)) == ([True], 1, 1)


async def test_where_scoring_breaks_what_was_claimed_is_no_duplicate_when_it_is_asked_again():
    class Broken(dict):
        def get(self, _key, _default=None):
            raise RuntimeError("a bug")

    store = Store()
    batch = [incoming(decision(f"exp-{n}"), n) for n in range(3)]
    with pytest.raises(RuntimeError, match="a bug"):
        await scoring(store, calibrations=Broken(k=CALIBRATION))(batch)
    output, handed_on = await scoring(store)(batch)
    assert (len(handed_on), output.dead) == (3, [])


async def test_the_calibration_of_the_learning_key_counts():
    calibrations = {"expense.approval|expenses:3": Calibration(version=5, slope=0.5, intercept=-1.0)}
    _, [mine] = await scoring(Store(), calibrations=calibrations)([incoming(decision())])
    other = decision(model=msgspec.structs.replace(decision().model, version="4"))
    _, [theirs] = await scoring(Store(), calibrations=calibrations)([incoming(other)])
    assert mine.event.assessment.confidence.calibration_version == 5
    assert mine.event.assessment.confidence.probability < theirs.event.assessment.confidence.probability
    assert theirs.event.assessment.confidence.calibration_version == 0


async def test_a_record_without_a_key_is_keyed_by_its_decision_from_here_on():
    record = Incoming(Topic.DECISIONS_SUBMITTED, 0, 0, None, GOOD, [], NOW)
    output, _ = await scoring(Store())([record])
    assert output.outgoing[0].key == b"exp-1"


@pytest.mark.parametrize("name", ["", ".", "a/../b", "a\nb", "x/events", "x" * 257])
async def test_an_id_that_no_address_can_carry_is_a_dead_letter_and_decides_nothing(name):
    records = [incoming(decision(name), 7), incoming(decision("exp/2026/1"), 8)]
    output, _ = await scoring(Store())(records)
    assert [one.key for one in output.outgoing] == [b"exp/2026/1"]
    [letter] = output.dead
    assert (letter.reason, letter.record) == ("unfit_id", records[0])
    assert "submit it under another id" in letter.message
