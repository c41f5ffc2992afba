"""A worker: agents, sources and what runs beside them, put together."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, cast

from app import __version__
from app.agents import AGENTS
from app.agents.books import CalibrationBook, PolicyBook, ThresholdBook
from app.agents.clock_watch import ClockWatch
from app.agents.drift import Drift
from app.agents.gold import GoldItems
from app.agents.outcome import Outcomes
from app.agents.review_request import ReviewRequests
from app.agents.routing import Routing
from app.agents.rule_book import RuleBook
from app.agents.rule_watch import RuleExpiryService, RuleWatch
from app.agents.scoring import Scoring
from app.agents.shared_figures import SharedFigures
from app.agents.target_tallies import TargetTallies
from app.agents.upkeep import (
    ASSIGNMENT_SECONDS,
    LEASE_SECONDS,
    SETTLE_SECONDS,
    SLA_SECONDS,
    PoolService,
    RelayService,
)
from app.composition.parts import (
    connection_of,
    load_compiled_policy,
    now,
    open_codec,
    open_desk,
    open_keys,
    open_queue,
    open_tracing,
    sealer,
    seals_of,
)
from app.desk.assigning import Assigning
from app.domain.events import ReviewRequested
from app.errors import HitlError, UsageError
from app.memory import TrimService, tune_allocator, tune_garbage_collection
from app.policy.compiled import CompiledPolicy
from app.review_queue.assignments import Assignments
from app.review_queue.figures import FiguresReader
from app.review_queue.gold import GoldStore
from app.review_queue.rule_tallies import RuleTallies
from app.review_queue.tallies import Tallies
from app.settings import Settings
from app.stream.batch import Listener
from app.stream.broadcast import Broadcast, Hearing
from app.stream.dead_letters import DeadLetters
from app.stream.faust_app import create_app, run
from app.stream.reader import LogReader
from app.stream.records import Output
from app.stream.source import TransactionalSource
from app.stream.topics import Topic
from app.stream.work import Channel, Work, answer, hand_on
from app.telemetry.learning import threshold_readings
from app.telemetry.metrics import WorkerMetrics

LEARNING_REST = 0.2
"""Seconds. Each transaction of drift writes the states of its keys, 26 kB each: five times a second at most,
instead of as often as a label comes. Nobody waits for a threshold as one waits for a decision."""


def rehearse(settings: Settings) -> None:
    """Load, check and compile what a worker of these settings will need, and open nothing: no file, socket
    or thread stays. What is wrong with it is for the worker to say."""
    app = create_app("rehearsal")
    app.agent(app.work_channel())(_nothing)  # Faust loads most of itself when it is first used
    with suppress(HitlError):
        open_codec(settings)
        open_queue(settings, load_compiled_policy(settings))


async def _nothing(_batches: Any) -> None:  # noqa: ANN401 - a Faust stream
    """An agent that is never started."""


class Worker:
    """One worker process: its agents, their sources, and what runs beside them."""

    def __init__(
        self,
        settings: Settings,
        policy: CompiledPolicy,
        *,
        agents: Sequence[str] = AGENTS,
        embedded: bool = False,
        clock: Callable[[], int] = now,
        upkeep: bool = True,
    ) -> None:
        """``upkeep=False`` leaves relaying answers, expiring leases and the SLA clock to the caller: for
        whoever steps through simulated time (the demo)."""
        unknown = sorted(set(agents) - set(AGENTS))
        if unknown or not agents:
            raise UsageError(
                f"no such agent: {', '.join(unknown) or '(none)'}", hint=f"choose from {', '.join(AGENTS)}"
            )
        self.settings = settings
        self._agents = frozenset(agents)
        self._clock = clock
        self._upkeep = upkeep
        self._connection = connection_of(settings, embedded=embedded)
        self._keys = open_keys(settings, embedded=embedded)
        self._codec = open_codec(settings, self._keys)
        self._tracing = open_tracing(self._codec, now, service="hitl-worker")
        self._parts = open_queue(settings, policy, clock)
        self.policy = PolicyBook(self._codec, policy, self._parts.follow)
        self.metrics = WorkerMetrics(self.policy, clock)
        self.thresholds = ThresholdBook(self._codec)
        self.metrics.gauges.read(lambda: threshold_readings(self.thresholds().updates, self.policy()))
        self.calibrations = CalibrationBook(self._codec)
        self.rules = RuleBook(self._codec, seals_of(self.settings))
        self._broadcasts = [
            Broadcast(self._connection, Topic.POLICY_ACTIVATED, self.policy.hear),
            Broadcast(self._connection, Topic.THRESHOLDS_UPDATED, self.thresholds.hear),
            Broadcast(self._connection, Topic.CALIBRATION_UPDATED, self.calibrations.hear),
            Broadcast(self._connection, Topic.RULES_CHANGED, self.rules.hear),
        ]
        self._sources: list[TransactionalSource] = []
        self.app = create_app("hitl")
        self.app.host(TrimService())
        self.app.host(Hearing(self._broadcasts))
        tallies = Tallies(self._parts.client, self._parts.keys)
        self.app.host(TargetTallies(self.metrics, tallies, clock))
        self.app.host(ClockWatch(self._parts.client, self.metrics.gauges, clock))
        self._compose()

    def prepare(self) -> None:
        """Learn what must be known before the first record: policy, thresholds, calibrations, rules. Raises
        ``UnusablePolicyError`` when the activated policy can not be used here."""
        for source in self._sources:  # the longest wait of a restart after a kill, so it begins first
            source.fence()
        with ThreadPoolExecutor(len(self._broadcasts)) as side_by_side:  # a restart should be short
            list(side_by_side.map(Broadcast.start, self._broadcasts))
        self.policy.require_activated()
        if self.policy().encrypts:
            self._keys.start()

    def run(self) -> None:
        """Prepare, run until SIGTERM or SIGINT, close. Raises what ended it otherwise."""
        try:
            tune_allocator()
            self.prepare()
            tune_garbage_collection()
            run(self.app)
        finally:
            self.close()

    def close(self) -> None:
        """End what ``prepare`` began."""
        for source in self._sources:
            source.abandon()
        for broadcast in self._broadcasts:
            broadcast.stop()
        self._keys.close()
        self._parts.client.close()
        if self._tracing is not None:
            self._tracing.recorder.close()

    # --- the agents -----------------------------------------------------------------------------------

    def _compose(self) -> None:
        chosen, parts = self._agents, self._parts
        score = Scoring(
            self._codec, self.policy, self.calibrations, parts.seen, seals_of(self.settings), self._keys
        )
        route = Routing(
            self._codec, self.policy, self.thresholds, self.settings.secret, self.rules, self.calibrations
        )
        if {"scoring", "routing"} <= chosen:
            # One chain: the batch is handed on in memory, within one transaction.
            submitted, scored = self.app.work_channel(), self.app.work_channel()
            self._agent("scoring", submitted, lambda work: hand_on(work, score, scored, stage="scoring"))
            self._agent("routing", scored, lambda work: answer(work, route, stage="routing"))
            self._source("decide", submitted, [Topic.DECISIONS_SUBMITTED])
        elif "scoring" in chosen:
            self._serve("scoring", score.alone, "decide", [Topic.DECISIONS_SUBMITTED])
        elif "routing" in chosen:
            self._serve("routing", route.alone, "route", [Topic.DECISIONS_SCORED])
        watch = RuleWatch(
            RuleTallies(parts.client, parts.keys), self.rules, self.policy, self._codec, sealer(self.settings)
        )
        gold = GoldItems(self._codec, GoldStore(parts.client, parts.keys), self.settings.secret)
        desk = open_desk(self._codec, self.policy, parts, self._clock)
        request = ReviewRequests(
            self._codec, self.policy, parts.queue, parts.cases, gold, rules=watch, inform=desk.inform
        )
        if "review_request" in chosen:
            self._serve(
                "review_request",
                request,
                "review-request",
                [Topic.DECISIONS_ROUTED, Topic.DECISIONS_WITHDRAWN, Topic.REVIEWS_INFORMATION],
            )
        if "outcome" in chosen:
            take = Outcomes(
                self._codec,
                self.policy,
                parts.cases,
                parts.seen,
                seals_of(self.settings),
                rules=watch,
                confirm=request.confirm,
            )
            told = [Topic.REVIEWS_OUTCOMES, Topic.REVIEWS_LIFECYCLE, Topic.OUTCOMES_OBSERVED]
            self._serve("outcome", take, "outcome", told)
            if self._upkeep:
                self._host_upkeep()
        if "drift" in chosen:
            learn = Drift(self._codec, self.policy, LogReader(self._connection).restore_partition)
            self._serve("drift", learn, "drift", [Topic.LEARNING_CASES], listener=learn, rest=LEARNING_REST)

    def _host_upkeep(self) -> None:
        parts = self._parts
        reader = FiguresReader(
            parts.client,
            parts.keys,
            lambda: self.policy().pool_names,
            lambda: tuple(self.policy().sla_classes),
            name=f"{self.settings.worker_slot}/{uuid.uuid4()}",
            clock=self._clock,
        )
        shared = self.metrics.shared
        tallies = Tallies(parts.client, parts.keys)
        self.app.host(
            SharedFigures(reader, shared, tallies, self.policy, self._connection, self._codec, self._clock)
        )
        self.app.host(
            RelayService(
                parts.client,
                parts.keys,
                self._codec,
                self.policy,
                self._connection,
                slot=self.settings.worker_slot,
                clock=self._clock,
                seal=sealer(self.settings),
                tracing=self._tracing,
            )
        )
        self.app.host(
            RuleExpiryService(self.rules, self._codec, self._connection, self._clock, sealer(self.settings))
        )
        self.app.host(PoolService("leases", parts.queue.expire, self.policy, seconds=LEASE_SECONDS))
        self.app.host(PoolService("sla", parts.queue.sla, self.policy, seconds=SLA_SECONDS))
        assigning = Assigning(
            parts.queue,
            Assignments(parts.client, parts.keys, parts.queue, self._clock),
            self.policy,
            lambda record: self._codec.decode_as(record, ReviewRequested),
            self._clock,
        )
        self.app.host(PoolService("assignment", assigning, self.policy, seconds=ASSIGNMENT_SECONDS))
        self.app.host(PoolService("answers", parts.queue.settle, self.policy, seconds=SETTLE_SECONDS))
        self.app.host(PoolService("pauses", parts.queue.end_pauses, self.policy, seconds=SLA_SECONDS))

    def _serve(
        self,
        name: str,
        handler: Callable[[Any], Output | Awaitable[Output]],
        group: str,
        topics: Sequence[Topic],
        listener: Listener | None = None,
        rest: float = 0.0,
    ) -> None:
        """An agent that is a chain of its own."""
        channel = self.app.work_channel()
        self._agent(name, channel, lambda work: answer(work, handler, stage=name))
        self._source(group, channel, topics, listener, rest)

    def _agent(self, name: str, channel: Channel, run: Callable[[Work], Awaitable[None]]) -> None:
        async def agent(batches: Any) -> None:  # noqa: ANN401 - a Faust stream of Work
            async for work in batches:
                await run(work)

        self.app.agent(cast(Any, channel), name=name)(agent)

    def _source(
        self,
        group: str,
        channel: Channel,
        topics: Sequence[Topic],
        listener: Listener | None = None,
        rest: float = 0.0,
    ) -> None:
        source = TransactionalSource(
            self._connection,
            app="hitl",
            name=group,
            slot=self.settings.worker_slot,
            topics=topics,
            channel=channel,
            dead_letters=DeadLetters(self._clock, __version__),
            listener=listener,
            rest=rest,
            observer=self.metrics.observe(group),
            tracing=self._tracing if group != "drift" else None,
        )
        self._sources.append(source)
        self.app.host_source(source)
