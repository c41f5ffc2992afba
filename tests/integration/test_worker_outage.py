"""A worker while the store is away, and when it is told to stop: nothing lost, doubled or dead-lettered."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.domain.events import DecisionRouted
from app.review_queue.embedded import EmbeddedStore
from app.stream.topics import Topic, pool_topic
from tests.integration.conftest import Deploy
from tests.integration.deployment import CODEC, Deployment, a_decision, by_key, letters, until
from tests.processes import Process

pytestmark = pytest.mark.broker


class Feed:
    """Decisions of which one in five needs a person."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.names: list[str] = []

    def __call__(self, count: int) -> None:
        first = len(self.names)
        names = [f"exp-{number}" for number in range(first, first + count)]
        self._deployment.submit(*(a_decision(name, self.probability(name)) for name in names))
        self.names += names

    @staticmethod
    def probability(name: str) -> float:
        return 0.8 if name.endswith(("0", "5")) else 0.97

    @property
    def for_people(self) -> set[str]:
        return {name for name in self.names if self.probability(name) < 0.9}


def assert_all_decided_once(deployment: Deployment, feed: Feed) -> None:
    watch = deployment.watch
    watch.wait(Topic.DECISIONS_ROUTED, len(feed.names))
    deployment.caught_up("hitl-decide", Topic.DECISIONS_SUBMITTED)
    deployment.caught_up("hitl-review-request", Topic.DECISIONS_ROUTED)
    for topic in (Topic.DECISIONS_SCORED, Topic.DECISIONS_ROUTED):
        assert by_key(watch[topic]).keys() == set(feed.names)
    assert by_key(watch[Topic.DECISIONS_RESOLVED]).keys() == set(feed.names) - feed.for_people
    reviewed = {
        name
        for name, record in by_key(watch[Topic.DECISIONS_ROUTED]).items()
        if CODEC.decode_as(record.value, DecisionRouted).route.review_kinds
    }
    assert reviewed >= feed.for_people  # and a few audits
    assert by_key(watch.wait(pool_topic("expenses"), len(reviewed))).keys() == reviewed
    [waiting] = [pool for pool in deployment.queue.queue.stats() if pool.pool == "expenses"]
    assert waiting.open == len(reviewed)
    assert not letters(watch[Topic.DEADLETTER])


def waits(worker: Process, source: str) -> bool:
    """Whether a worker has said that this one of its sources waits."""
    lines = worker.log.read_text(encoding="utf-8", errors="replace").splitlines()
    return any("paused until it is over" in line and f'"{source}"' in line for line in lines)


def test_an_outage_of_the_store_is_waited_out(deploy: Deploy, tmp_path: Path) -> None:
    directory = tmp_path / "own-store"
    store = EmbeddedStore(directory)
    with store:
        deployment = deploy(redis_url=store.url)
        feed = Feed(deployment)
        worker = deployment.worker()
        feed(2000)
        deployment.watch.wait(Topic.DECISIONS_ROUTED, 500)
    # The store is gone, in the middle of the traffic, and more comes in.
    for _ in range(3):
        feed(500)
    until(lambda: waits(worker, "decide"), "the worker says that it waits")
    routed = len(deployment.watch[Topic.DECISIONS_ROUTED])
    feed(500)
    assert len(deployment.watch[Topic.DECISIONS_ROUTED]) == routed
    assert not letters(deployment.watch[Topic.DEADLETTER])
    with EmbeddedStore(directory) as again:
        assert again.url == store.url
        until(lambda: worker.says('"resumed"'), "the worker says that it goes on")
        feed(500)
        assert_all_decided_once(deployment, feed)
        assert worker.terminate() == 0


def test_a_worker_that_starts_during_an_outage_waits_for_its_end(deploy: Deploy, tmp_path: Path) -> None:
    directory = tmp_path / "own-store"
    with EmbeddedStore(directory) as store:
        deployment = deploy(redis_url=store.url)
    feed = Feed(deployment)
    feed(200)
    worker = deployment.worker()
    until(lambda: worker.says("paused until it is over"), "the worker says that it waits")
    with EmbeddedStore(directory):
        assert_all_decided_once(deployment, feed)


def test_sigterm_while_busy_ends_and_loses_nothing(deploy: Deploy) -> None:
    deployment = deploy()
    feed = Feed(deployment)

    def ended_while_busy() -> bool:  # else nothing was shown: the signal came when all was done
        feed(20_000)
        done = len(deployment.watch[Topic.DECISIONS_ROUTED])
        worker = deployment.worker()
        deployment.watch.wait(Topic.DECISIONS_ROUTED, done + 1)
        assert worker.terminate() == 0
        return len(deployment.watch[Topic.DECISIONS_ROUTED]) < len(feed.names)

    until(ended_while_busy, "a signal that finds it at work", 600)
    deployment.worker()
    assert_all_decided_once(deployment, feed)


def test_sigterm_during_an_outage_ends_and_loses_nothing(deploy: Deploy, tmp_path: Path) -> None:
    directory = tmp_path / "own-store"
    with EmbeddedStore(directory) as store:
        deployment = deploy(redis_url=store.url)
        feed = Feed(deployment)
        worker = deployment.worker()
        feed(500)
        deployment.watch.wait(Topic.DECISIONS_ROUTED, 500)
    feed(500)
    until(lambda: worker.says("paused until it is over"), "the worker says that it waits")
    assert worker.terminate() == 0
    assert not letters(deployment.watch[Topic.DEADLETTER])
    with EmbeddedStore(directory):
        deployment.worker()
        assert_all_decided_once(deployment, feed)
