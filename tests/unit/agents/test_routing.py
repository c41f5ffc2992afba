"""Routing: what it writes for people and for the AI, the traffic it counts, and the same alone as fused."""

from __future__ import annotations

import pytest

from app.domain.events import DecidedBy, DecisionResolved, DecisionRouted, ScoreTally
from app.domain.learning.bins import bin_of
from app.stream.records import Incoming, Output
from app.stream.topics import Topic
from tests.unit.agents.parts import (
    CODEC,
    NOW,
    OTHER_TYPE,
    POLICY,
    POLICY_TEXT,
    Store,
    again,
    decision,
    headers,
    incoming,
    of,
    policy_of,
    read,
    reasons,
    replaced,
    routed,
    routing,
    scored,
    scoring,
)
from tests.unit.domain.cases import update

KEY = "expense.approval|expenses:3"


async def test_what_the_ai_decides_is_routed_and_resolved_at_once():
    output = await routed(incoming(decision("exp-1"), 7, partition=3))
    [route] = of(output, Topic.DECISIONS_ROUTED)
    [resolved] = of(output, Topic.DECISIONS_RESOLVED)
    assert (route.key, resolved.key) == (b"exp-1", b"exp-1")
    story = read(route)
    assert isinstance(story, DecisionRouted)
    assert (story.route.level, story.route.action) == (1, "approve")
    ended = read(resolved)
    assert isinstance(ended, DecisionResolved)
    assert ended.routed == story
    assert (ended.resolution.decided_by, ended.resolution.action) == (DecidedBy.AI, "approve")
    assert headers(route)["hitl_level"] == headers(resolved)["hitl_level"] == b"1"
    assert headers(route)["hitl_position"] == b"decisions.submitted[3]@7"
    assert headers(route)["ce_id"] == b"DecisionRouted/exp-1"
    assert headers(resolved)["ce_id"] == b"DecisionResolved/exp-1"


@pytest.mark.parametrize(
    ("changes", "level", "code"),
    [
        ({"probability": 0.8}, 3, None),
        ({"probability": 0.4}, 4, None),
        ({"probability": None}, 4, "confidence_unknown"),
        ({"probability": float("nan")}, 4, "confidence_unknown"),
        ({"facts": "{}"}, 3, "facts_missing"),
        ({"facts": '{"amount": 5000}'}, 3, None),
        ({"occurred_at": 0}, 3, "time_old"),
    ],
)
async def test_what_a_person_decides_is_routed_but_not_resolved(changes, level, code):
    output = await routed(incoming(decision(**changes)))
    assert not of(output, Topic.DECISIONS_RESOLVED)
    [written] = of(output, Topic.DECISIONS_ROUTED)
    route = read(written).route
    assert route.action is None
    assert route.level >= level
    assert headers(written)["hitl_level"] == b"%d" % route.level
    assert route.review_kinds
    assert code is None or code in [reason.code for reason in route.reasons]


async def test_the_threshold_in_force_decides():
    [item] = await scored(incoming(decision(probability=0.97)))
    strict = update(learning_key=KEY, version=9, cap=0.99)
    output = routing(updates={KEY: strict})([item])
    route = read(of(output, Topic.DECISIONS_ROUTED)[0]).route
    assert (route.threshold, route.threshold_version) == (0.99, 9)
    assert route.action is None


async def test_traffic_is_one_tally_for_each_key_and_batch():
    submitted = [incoming(decision(f"exp-{n}", 0.97 if n % 3 else 0.8), n) for n in range(30)]
    output = await routed(*submitted)
    [record] = of(output, Topic.LEARNING_CASES)
    tally = read(record)
    assert isinstance(tally, ScoreTally)
    assert (record.key, tally.learning_key, tally.epoch) == (KEY.encode(), KEY, 0)
    assert tally.bins == [bin_of(0.8), 10, 0, bin_of(0.97), 20, 20]
    assert (tally.policy_threshold, tally.routed_at) == (0.9, NOW)


async def test_decisions_that_something_else_decided_are_no_traffic():
    output = await routed(incoming(decision(facts="{}")), incoming(decision("b", None), 1))
    assert len(of(output, Topic.DECISIONS_ROUTED)) == 2
    assert not of(output, Topic.LEARNING_CASES)


async def test_alone_it_writes_what_it_writes_in_the_chain():
    records = [incoming(decision(f"exp-{n}", 0.5 + n / 60), n, partition=n % 4) for n in range(30)]
    output, handed_on = await scoring(Store())(records)
    read_back = [again(record, n) for n, record in enumerate(output.outgoing)]
    assert routing().alone(read_back) == routing()(handed_on)


async def test_alone_it_leaves_what_a_chain_has_routed():
    output, _ = await scoring(Store())([incoming(decision())])
    written = output.outgoing[0]
    record = Incoming(written.topic, 0, 0, written.key, written.value, written.headers, 0)
    assert routing().alone([record]) == Output()


async def test_alone_it_says_what_it_can_not_route():
    output, _ = await scoring(Store())([incoming(decision()), incoming(decision("late"), 1)])
    first, last = (again(record, n) for n, record in enumerate(output.outgoing))
    story = CODEC.decode(first.value)
    broken = incoming(
        replaced(story, decision=replaced(story.decision, facts="{")), 2, topic=Topic.DECISIONS_SCORED
    )
    poison = incoming(b"poison", 1, topic=Topic.DECISIONS_SCORED)
    wrong = incoming(decision(), 3, topic=Topic.DECISIONS_SCORED)
    found = routing().alone([first, poison, broken, wrong, last])
    assert reasons(found) == [
        (1, "routing", "not_avro"),
        (2, "routing", "invalid_facts"),
        (3, "routing", "wrong_type"),
    ]
    assert [record.key for record in of(found, Topic.DECISIONS_ROUTED)] == [b"exp-1", b"late"]


async def test_alone_it_says_when_a_type_left_the_policy():
    both = policy_of(POLICY_TEXT + OTHER_TYPE)
    output, _ = await scoring(Store(), both)([incoming(decision(decision_type="travel.approval"))])
    found = routing(POLICY).alone([again(output.outgoing[0])])
    assert reasons(found) == [(0, "routing", "unknown_type")]
    assert "travel.approval" in found.dead[0].message


async def test_the_same_input_gives_the_same_bytes():
    records = [incoming(decision(f"exp-{n}", 0.5 + n / 60), n) for n in range(30)]
    assert await routed(*records) == await routed(*records)
