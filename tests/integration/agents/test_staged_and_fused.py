"""Scoring and routing in one transaction, or as two workers joined by the topic: the same outputs."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest

from app.domain.events import ScoreTally, Signals
from app.stream.topics import Topic
from tests.integration.conftest import Deploy
from tests.integration.deployment import CODEC, NOW, Deployment, Given, a_decision, by_key, letters

pytestmark = pytest.mark.broker

COUNT = 2000
STAGES = (Topic.DECISIONS_SCORED, Topic.DECISIONS_ROUTED, Topic.DECISIONS_RESOLVED)
TRACE = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"


def records() -> list[Given]:
    """Decisions of every kind at fixed times, some traced, some twice, some that nobody can read."""
    draw = random.Random(7)
    given = []
    for number in range(COUNT):
        facts = {"amount": draw.choice([20, 900, 3000, 9000])} if draw.random() < 0.95 else {}
        decision = a_decision(
            f"exp-{number:04}",
            draw.choice([0.97, 0.93, 0.8, 0.4, None]),
            facts=msgspec.json.encode(facts).decode(),
            signals=Signals(similarity=draw.random()),
        )
        headers = [("traceparent", TRACE), ("tracestate", b"a=b")] if number % 3 == 0 else []
        at = NOW + number
        key = decision.decision_id.encode()
        given.append(Given(CODEC.encode(decision), key, timestamp=at, headers=headers))
        if number % 50 == 0:
            given.append(Given(CODEC.encode(decision), key, timestamp=at + 1))
        if number % 70 == 0:
            given.append(Given(b"poison", b"poison", timestamp=at))
    return given


def outputs(
    deployment: Deployment,
) -> tuple[dict[str, dict[str, tuple[bytes | None, object]]], Counter[object]]:
    """Value and headers of every decision in every stage, and the sum of the tallies."""
    watch = deployment.watch
    watch.wait(Topic.DECISIONS_SCORED, COUNT)
    watch.wait(Topic.DECISIONS_ROUTED, COUNT)
    deployment.caught_up("hitl-decide", Topic.DECISIONS_SUBMITTED)
    stages = {
        topic: {
            # A chain says that it has routed what it scored, so that no other router does it again; and
            # where a record lay is different in each deployment.
            name: (record.value, [h for h in record.headers if h[0] not in ("hitl_routed", "hitl_position")])
            for name, record in by_key(watch[topic]).items()
        }
        for topic in STAGES
    }
    traffic: Counter[object] = Counter()
    for record in watch[Topic.LEARNING_CASES]:
        tally = CODEC.decode_as(record.value, ScoreTally)
        for at in range(0, len(tally.bins), 3):
            index, decided, automated = tally.bins[at : at + 3]
            traffic[tally.learning_key, tally.epoch, index, "decided"] += decided
            traffic[tally.learning_key, tally.epoch, index, "automated"] += automated
    return stages, traffic


def test_two_workers_joined_by_the_topic_write_what_one_chain_writes(deploy: Deploy) -> None:
    fused, staged = deploy(), deploy()
    for deployment in (fused, staged):
        deployment.write(Topic.DECISIONS_SUBMITTED, records())
    fused.worker("scoring,routing")
    staged.worker("scoring")
    staged.worker("routing")

    chain, chain_traffic = outputs(fused)
    apart, apart_traffic = outputs(staged)

    for topic in STAGES:
        assert chain[topic].keys() == apart[topic].keys(), topic
        for name, (value, headers) in chain[topic].items():
            assert apart[topic][name][1] == headers, (topic, name)
            assert apart[topic][name][0] == value, (topic, name)
    assert len(chain[Topic.DECISIONS_ROUTED]) == COUNT
    assert 0 < len(chain[Topic.DECISIONS_RESOLVED]) < COUNT
    assert chain_traffic == apart_traffic
    assert chain_traffic.total() > 0

    dead = [
        Counter(
            (record.key, dict(record.headers)["dlq_reason"]) for record in letters(d.watch[Topic.DEADLETTER])
        )
        for d in (fused, staged)
    ]
    assert dead[0] == dead[1]
    assert dead[0].total() == 40 + 29
