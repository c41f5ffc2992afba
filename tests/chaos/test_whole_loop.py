"""Exactly once through the whole loop, on Apache Kafka, while workers, broker and store are killed."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from app.composition.parts import connection_of, open_codec, open_queue
from app.stream.producer import LagThrottle
from app.stream.reader import LogReader
from app.stream.topics import Topic, TopicTable, pool_topic
from tests.chaos.loop_oracle import Verdict, judge
from tests.chaos.whole_loop import (
    GROUPS,
    MARKERS,
    Desk,
    Feeder,
    our_settings,
    waiting_reviews,
    workers,
)
from tests.kafka_broker import KafkaBroker
from tests.processes import Process, RestartableStore, environment

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def test_exactly_once_through_kills_and_restarts(own_broker: KafkaBroker, tmp_path: Path) -> None:
    run = Run(own_broker, tmp_path, decisions=100_000, rate=3000, workers=2, answers=800)
    verdict = run.until_quiet(kill_every=4.0, kills=5, restart_broker=True, restart_store=True)
    print(f"\n{verdict}\n{run.kills} kills, broker and store restarted")
    assert run.kills >= 5
    assert verdict.ok, str(verdict)


def test_the_oracle_catches_a_worker_that_commits_before_it_produces(
    own_broker: KafkaBroker, tmp_path: Path
) -> None:
    run = Run(
        own_broker, tmp_path, decisions=20_000, rate=3000, workers=2, answers=200, module="tests.chaos.broken"
    )
    verdict = run.until_quiet(kill_every=2.0, kills=1)
    print(f"\n{verdict}\n{run.kills} kills")
    assert not verdict.ok
    assert verdict.violations["scored lost"], str(verdict)


class Run:
    """One chaos run: feeds, answers, kills, waits until all is quiet, then asks the oracle."""

    def __init__(
        self,
        broker: KafkaBroker,
        directory: Path,
        *,
        decisions: int,
        rate: int,
        workers: int,
        answers: int,
        module: str = "app",
        seed: int = 7,
    ) -> None:
        self._broker = broker
        self._directory = directory
        self._decisions = decisions
        self._rate = rate
        self._workers = workers
        self._answers = answers
        self._module = module
        self._draw = random.Random(seed)
        self._store = RestartableStore(directory / "store")
        env = environment(broker.bootstrap, self._store.url, "chaos.")
        self._gaps = directory / "gaps"
        self._gaps.mkdir()
        env["CHAOS_GAPS"] = str(self._gaps)
        self._env = env
        self._settings, self._policy = our_settings(env)
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        TopicTable.load().apply(admin, self._policy.pool_names, "chaos.", replication_factor=1)
        self.kills = 0

    def until_quiet(
        self, *, kill_every: float, kills: int = 0, restart_broker: bool = False, restart_store: bool = False
    ) -> Verdict:
        feeder = Feeder(self._settings, self._decisions, seed=7, rate=self._rate, repeat_every=100)
        desks = [Desk(self._settings, self._policy, name, self._answers) for name in ("ann", "bo")]
        events: list[Callable[[], None]] = []
        if restart_broker:
            events.append(self._broker_fails)
        if restart_store:
            events.append(lambda: self._store.restart(away=2.0))
        try:
            with workers(self._workers, self._env, self._directory, self._module) as running:
                for thread in (feeder, *desks):
                    thread.start()
                self._torment(running, feeder, events, kill_every, kills)
                feeder.join(300)
                assert feeder.failure is None, feeder.failure
                self._settle(running)
                for desk in desks:
                    desk.stop()
                self._settle(running)
                return self._judge(feeder, desks)
        finally:
            self._store.stop()

    def _torment(
        self,
        running: list[Process],
        feeder: Feeder,
        events: list[Callable[[], None]],
        every: float,
        least: int,
    ) -> None:
        """Kill until the feeder has fed everything, and so often at least; the events fall in between, well
        apart."""
        due = [self._decisions * (number + 1) // (len(events) + 1) for number in range(len(events))]
        next_kill = time.monotonic() + every
        while feeder.is_alive() or (feeder.failure is None and (events or self.kills < least)):
            for worker in running:
                supervise(worker)
            if events and len(feeder.ids) >= due[-len(events)]:
                events.pop(0)()
            victim = self._draw.choice(running)
            if time.monotonic() > next_kill and self._may_be_killed(victim):
                if self._spares_the_process_above():
                    victim.signal_worker(signal.SIGKILL)
                else:
                    victim.kill()
                    victim.start()
                self.kills += 1
                next_kill = time.monotonic() + self._draw.uniform(0.5, 1.5) * every
            time.sleep(0.05)
        for wanted in self._gaps.glob("*.wanted"):
            wanted.unlink()

    def _may_be_killed(self, victim: Process) -> bool:
        """Any moment will do, but a broken worker is killed in the gap that it has."""
        if self._module != "app":
            (self._gaps / f"{victim.worker}.wanted").touch()
            return (self._gaps / str(victim.worker)).exists()
        return not self._spares_the_process_above() or victim.worker is not None

    def _spares_the_process_above(self) -> bool:
        """Every second time, and then it starts the next worker."""
        return self.kills % 2 == 1

    def _broker_fails(self) -> None:
        self._broker.kill()
        self._broker.restart()

    def _settle(self, running: list[Process], timeout: float = 480.0, looks: int = 30) -> None:
        """Until every group has read everything and the outbox is empty. Transaction markers count as
        lag and are never read: so "nothing has moved for so many looks, and little is left". No clock says
        that: the machine may have stood still meanwhile."""
        queue = open_queue(self._settings, self._policy).queue
        connection = connection_of(self._settings)
        groups = [
            LagThrottle(connection, group=f"hitl-{group}", topic=topic, most=0) for group, topic in GROUPS
        ]
        deadline = time.monotonic() + timeout
        last: list[int] = []
        left = looks
        while left:
            left -= 1
            for worker in running:
                supervise(worker)
            state = [group.lag() for group in groups]
            state.append(sum(pool.unpublished for pool in queue.stats()))
            if state != last or state[-1] or max(state) > MARKERS:
                last, left = state, looks
            assert time.monotonic() < deadline, f"lag by group and unpublished: {state}"
            time.sleep(0.2)
        for group in groups:
            group.close()

    def _judge(self, feeder: Feeder, desks: list[Desk]) -> Verdict:
        topics = [
            Topic.DECISIONS_SCORED,
            Topic.DECISIONS_ROUTED,
            Topic.DECISIONS_RESOLVED,
            Topic.REVIEWS_OUTCOMES,
            Topic.DEADLETTER,
            *(pool_topic(pool) for pool in self._policy.pool_names),
        ]
        return judge(
            open_codec(self._settings),
            LogReader(connection_of(self._settings)).read_all(topics),
            submitted=feeder.ids,
            repeated=feeder.repeated,
            answered={review: action for desk in desks for review, action in desk.answered.items()},
            undecided=waiting_reviews(self._settings, self._policy),
        )


def supervise(worker: Process) -> None:
    """Start again what ended by itself (a fenced worker leaves, as it should)."""
    if not worker.running:
        worker.start()
