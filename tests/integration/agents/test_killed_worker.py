"""``hitl worker`` as it is deployed: a worker that is killed is followed by the next one, which goes on."""

from __future__ import annotations

import signal

import pytest

from app.stream.topics import Topic
from tests.integration.conftest import Deploy
from tests.integration.deployment import Deployment, a_decision, by_key, until

pytestmark = pytest.mark.broker


def submit(deployment: Deployment, first: int) -> int:
    """A hundred more; how many there are then."""
    deployment.submit(*(a_decision(f"exp-{number}") for number in range(first, first + 100)))
    return first + 100


def test_the_next_worker_of_the_slot_goes_on_where_the_killed_one_stood(deploy: Deploy) -> None:
    deployment = deploy()
    process = deployment.worker("scoring,routing")
    count = submit(deployment, 0)
    deployment.watch.wait(Topic.DECISIONS_ROUTED, count)
    for _ in range(2):
        killed = process.worker
        process.signal_worker(signal.SIGKILL)
        count = submit(deployment, count)
        until(lambda killed=killed: process.worker not in {None, killed}, "the next worker")
        deployment.watch.wait(Topic.DECISIONS_ROUTED, count)
    deployment.caught_up("hitl-decide", Topic.DECISIONS_SUBMITTED)
    for topic in (Topic.DECISIONS_SCORED, Topic.DECISIONS_ROUTED):
        assert len(by_key(deployment.watch.wait(topic, count))) == count  # none lost, none doubled
    until(lambda: deployment.members("hitl-decide") == 1, "one member, and no killed one beside it")
    assert process.says('"signal": "SIGKILL"')
    assert process.terminate() == 0
