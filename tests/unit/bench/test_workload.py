"""All variants do the same work: what the peers write is what our agents write, byte for byte."""

from __future__ import annotations

import pytest

from app.agents.books import PolicyBook, ThresholdBook
from app.agents.routing import Routing
from app.agents.scoring import Scoring
from app.domain.events import DecisionRouted
from app.settings import load_settings
from app.stream.records import Incoming
from bench.decisions import Templates
from bench.workload import RESOLVED, ROUTED, SCORED, SUBMITTED, Workload

NOW = 1_790_000_000_000


class Firsts:
    """Nothing was seen before."""

    def claim(self, ids, positions):
        return [None] * len(ids)


@pytest.fixture(scope="module")
def workload() -> Workload:
    return Workload.load(load_settings({}))


@pytest.fixture(scope="module")
def records(workload) -> list[Incoming]:
    templates = Templates(workload.codec, occurred_at=NOW, count=600)
    return [Incoming(SUBMITTED, 0, n, *templates.record(n), [], NOW) for n in range(600)]


def one_by_one(handle, records):
    return {
        (record.key, out.topic): out.value
        for record in records
        for out in handle(record.key, record.value, record.headers, record.timestamp)
    }


def test_one_by_one_in_batches_and_with_plain_fastavro_are_the_same_bytes(workload, records):
    expected = one_by_one(workload.handle, records)
    assert len(expected) > 2 * len(records)
    assert {(key, out.topic): out.value for key, out in workload.handle_batch(records)} == expected
    assert one_by_one(workload.handle_naive, records) == expected


async def test_the_agents_write_the_same_bytes(workload, records):
    thresholds = ThresholdBook(workload.codec)
    for update in workload.learned(NOW):
        value = workload.codec.encode(update)
        thresholds.hear(Incoming("thresholds.updated", 0, 0, b"key", value, [], NOW))
    policy = PolicyBook(workload.codec, workload.policy)
    scored, carried = await Scoring(workload.codec, policy, dict, Firsts(), lambda *_: False)(records)
    routed = Routing(workload.codec, policy, thresholds, load_settings({}).secret)(carried)
    written = {
        (out.key, out.topic): out.value
        for out in [*scored.outgoing, *routed.outgoing]
        if out.topic in (SCORED, ROUTED, RESOLVED)
    }
    assert written == one_by_one(workload.handle, records)


def test_about_a_quarter_goes_to_people(workload, records):
    levels = [
        workload.codec.decode_as(out.value, DecisionRouted).route.level
        for _, out in workload.handle_batch(records)
        if out.topic == ROUTED
    ]
    assert 0.2 < sum(level > 2 for level in levels) / len(levels) < 0.3
