"""The composition root: the only place that chooses real parts and puts them together."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import msgspec

from app import __version__
from app.agents.books import CalibrationBook, PolicyBook, ThresholdBook
from app.agents.drift import Drift
from app.agents.gold import GoldItems
from app.agents.outcome import Outcomes, Sealed
from app.agents.review_request import ReviewRequests
from app.agents.routing import Routing
from app.agents.rule_book import RuleBook
from app.agents.rule_watch import RuleExpiryService, RuleWatch
from app.agents.scoring import Scoring
from app.agents.upkeep import (
    ASSIGNMENT_SECONDS,
    LEASE_SECONDS,
    SETTLE_SECONDS,
    SLA_SECONDS,
    PoolService,
    RelayService,
)
from app.console.accounts import Accounts
from app.console.courier import Courier
from app.console.keys import ConsoleKeys
from app.console.ledger import Ledger
from app.console.limits import Limits
from app.console.outgoing import Outgoing as Messages
from app.console.parts import ConsoleParts, Place
from app.console.publishing import EventPublisher
from app.console.session_room import SessionRoom
from app.console.sessions import Sessions
from app.console.webhooks import load_addresses
from app.desk.assigning import Assigning
from app.desk.desk import ReviewDesk
from app.desk.evidence import EvidenceRoom
from app.desk.rules import RuleDesk
from app.domain.events import PolicyActivated, Record, ReviewDecided, ReviewRequested, RuleChanged
from app.domain.evidence_chain import seal, seal_key, sealed
from app.domain.review import QueueTerms
from app.errors import UsageError
from app.memory import TrimService, tune_allocator, tune_garbage_collection
from app.policy.compiled import CompiledPolicy, compile_policy
from app.policy.load import load_policy
from app.review_queue.assignments import Assignments
from app.review_queue.cases import CaseFile
from app.review_queue.gold import GoldStore
from app.review_queue.keys import Keys
from app.review_queue.outbox import Seal
from app.review_queue.queue import ReviewQueue
from app.review_queue.rule_tallies import RuleTallies
from app.review_queue.seen import SeenDecisions
from app.review_queue.store import Client, open_client
from app.settings import Settings
from app.stream.broadcast import Broadcast
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.dead_letters import DeadLetters
from app.stream.errors import BrokerUnreachableError
from app.stream.faust_app import create_app, run
from app.stream.group_reader import GroupReader
from app.stream.probe import BrokerProbe
from app.stream.producer import Publisher
from app.stream.reader import LogReader
from app.stream.records import Outgoing, Output
from app.stream.registry import connect_registry
from app.stream.schemas import Schemas
from app.stream.source import TransactionalSource
from app.stream.topics import Topic, pool_topic
from app.stream.transactions import Listener
from app.stream.work import Channel, Work, answer, hand_on
from app.telemetry.metrics import WorkerMetrics

POLICY_KEY = "policy"
"""The one key of `policy.activated`: the latest record is the policy in force."""

AGENTS = ("scoring", "routing", "review_request", "outcome", "drift")
"""Every agent of a worker; ``--agents`` names a part of them."""


def now() -> int:
    """Milliseconds since the epoch, UTC: the one clock, handed to whoever needs one."""
    return time.time_ns() // 1_000_000


def load_compiled_policy(settings: Settings) -> CompiledPolicy:
    """The policy of ``HITL_POLICY``. Raises ``PolicyError`` with every mistake and its line."""
    return compile_policy(load_policy(settings.policy_path))


def activated_policy(settings: Settings) -> PolicyActivated | None:
    """What was activated last, ``None`` when nothing ever was. Raises ``BrokerUnreachableError``."""
    reader = LogReader(connection_of(settings))
    last = reader.read_latest(Topic.POLICY_ACTIVATED, POLICY_KEY.encode())
    return None if last is None else open_codec(settings).decode_as(last.value, PolicyActivated)


def open_codec(settings: Settings) -> Codec:
    """The codec, with a registry if one is set."""
    registry = connect_registry(settings.schema_registry_url) if settings.schema_registry_url else None
    return Codec(Schemas.load(), registry)


def connection_of(settings: Settings, *, embedded: bool = False) -> Connection:
    """How to reach Kafka. Raises ``UsageError`` when no address is set."""
    if not settings.kafka_bootstrap_servers:
        raise UsageError(
            "HITL_KAFKA_BOOTSTRAP_SERVERS is not set",
            hint="set it to your broker, e.g. localhost:9092, or use `hitl up` for an embedded one",
        )
    return Connection(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        config=settings.kafka_config,
        prefix=settings.topic_prefix,
        embedded=embedded,
    )


def store_of(settings: Settings) -> Client:
    """The Redis client. Raises ``UsageError`` when no address is set."""
    if not settings.redis_url:
        raise UsageError(
            "HITL_REDIS_URL is not set",
            hint="set it to your server, e.g. redis://localhost:6379/0, or use `hitl up` for an embedded one",
        )
    return open_client(settings.redis_url)


def seals_of(settings: Settings) -> Sealed:
    """Whether a record bears our seal, of this secret or of the one before."""
    secrets = [settings.secret, *([settings.previous_secret] if settings.previous_secret else [])]
    return partial(sealed, [seal_key(secret) for secret in secrets])


def sealer(settings: Settings) -> Seal:
    """What seals the records of people's steps and answers (docs/evidence.md)."""
    return partial(seal, seal_key(settings.secret))


class QueueParts(msgspec.Struct, frozen=True):
    """Everything of the Redis edge, under one policy."""

    client: Client
    keys: Keys
    terms: QueueTerms
    queue: ReviewQueue
    cases: CaseFile
    seen: SeenDecisions

    def follow(self, policy: CompiledPolicy) -> None:
        """Go on under another policy, from the next call on."""
        terms = queue_terms(policy)
        self.queue.follow(terms, policy.pool_names)
        self.cases.follow(policy.decision_memory, max(policy.history_length, policy.precedents))
        self.seen.follow(terms.duplicate_window)


def open_queue(settings: Settings, policy: CompiledPolicy, clock: Callable[[], int] = now) -> QueueParts:
    """The queue, the case file and the memory of duplicates."""
    client = store_of(settings)
    keys = Keys(settings.topic_prefix)
    terms = queue_terms(policy)
    return QueueParts(
        client=client,
        keys=keys,
        terms=terms,
        queue=ReviewQueue(client, keys, policy.pool_names, terms=terms, clock=clock),
        cases=CaseFile(
            client,
            keys,
            memory=policy.decision_memory,
            length=max(policy.history_length, policy.precedents),
            clock=clock,
        ),
        seen=SeenDecisions(client, keys, window=terms.duplicate_window),
    )


def open_desk(
    codec: Codec,
    policy: Callable[[], CompiledPolicy],
    parts: QueueParts,
    clock: Callable[[], int] = now,
) -> ReviewDesk:
    """The one way in for what people do; ``policy`` gives the policy in force."""
    return ReviewDesk(parts.queue, policy, lambda record: codec.decode_as(record, ReviewRequested), clock)


def open_rules(
    settings: Settings,
    policy: Callable[[], CompiledPolicy],
    client: Client,
    book: RuleBook,
    write: Callable[[str, RuleChanged], None],
    answered: Callable[[str], Sequence[ReviewDecided]],
    *,
    clock: Callable[[], int] = now,
    draw: Callable[[int], str] = secrets.token_hex,
) -> RuleDesk:
    """The one way in for what people do about standing rules. ``write`` stores an event under its key;
    ``book`` then knows it at once."""

    def written(key: str, event: RuleChanged) -> None:
        write(key, event)
        book.note(event)

    return RuleDesk(
        lambda: book().known,
        written,
        policy,
        RuleTallies(client, Keys(settings.topic_prefix)),
        answered=answered,
        clock=clock,
        new_id=lambda: f"r-{draw(4)}",
    )


@contextmanager
def open_console(
    settings: Settings,
    policy: CompiledPolicy,
    url: str,
    *,
    embedded: bool = False,
    clock: Callable[[], int] = now,
) -> Iterator[ConsoleParts]:
    """Everything the console works with, following activated policies and the log until the end of the
    block. ``url`` is where people find it. Raises ``UsageError`` and ``ServiceUnreachableError``."""
    connection, codec = connection_of(settings, embedded=embedded), open_codec(settings)
    queue = open_queue(settings, policy, clock)
    book = PolicyBook(codec, policy, queue.follow)
    activated = Broadcast(connection, Topic.POLICY_ACTIVATED, book.hear)
    ledger = Ledger(
        connection,
        codec,
        clock=clock,
        terms=lambda: book().terms,
        words_per_minute=lambda: book().words_per_minute,
    )
    publisher = EventPublisher(lambda: open_writer(settings))
    rules = RuleBook(codec)
    rules_changed = Broadcast(connection, Topic.RULES_CHANGED, rules.hear)
    keys = ConsoleKeys(settings.topic_prefix)
    messages = Messages(queue.client, keys)
    told = _webhooks(settings, book, connection, codec, messages, url, clock)
    try:
        activated.start()
        book.require_activated()
        rules_changed.start()
        ledger.start()
        for service in told:
            service.start()
        yield ConsoleParts(
            settings=settings,
            policy_in_force=book,
            place=Place(url),
            desk=open_desk(codec, book, queue, clock),
            cases=queue.cases,
            client=queue.client,
            queue_keys=queue.keys,
            keys=keys,
            accounts=Accounts(settings.accounts_file, clock, secrets.token_bytes),
            sessions=Sessions(queue.client, keys, lambda: book().console, clock, secrets.token_bytes),
            limits=Limits(queue.client, keys, clock),
            clock=clock,
            draw=secrets.token_bytes,
            publisher=publisher,
            broker_answers=BrokerProbe(connection),
            messages=messages,
            ledger=ledger,
            rules=open_rules(
                settings,
                book,
                queue.client,
                rules,
                lambda key, event: publisher.publish(Topic.RULES_CHANGED, key, event),
                ledger.recent.of,
                clock=clock,
            ),
            evidence=EvidenceRoom(
                LogReader(connection),
                codec,
                book,
                secret=settings.secret,
                clock=clock,
                cases=queue.cases,
                queue=queue.queue,
            ),
            room=SessionRoom(ledger, publisher.writer, clock=clock, new_id=lambda: str(uuid.uuid4())),
        )
    finally:
        publisher.close()
        for service in told:
            service.stop()
        ledger.stop()
        rules_changed.stop()
        activated.stop()
        queue.client.close()


def _webhooks(
    settings: Settings,
    policy: Callable[[], CompiledPolicy],
    connection: Connection,
    codec: Codec,
    messages: Messages,
    url: str,
    clock: Callable[[], int],
) -> Sequence[GroupReader | Courier]:
    """Who tells chat tools what happens, if anybody is to be told."""
    if settings.webhooks_file is None:
        return ()
    file = settings.webhooks_file
    load_addresses(file)  # a file that can not be used is said at the start, not with the first message
    courier = Courier(messages, lambda: policy().webhooks, lambda: load_addresses(file), codec, url, clock)

    def topics() -> Sequence[str]:
        return [Topic.REVIEWS_LIFECYCLE, *(pool_topic(pool) for pool in policy().pool_names)]

    return (courier, GroupReader(connection, "hitl-webhooks", topics, courier.hear))


def queue_terms(policy: CompiledPolicy) -> QueueTerms:
    """What the policy says about queues.

    A decision id is recognised at least as long as its reviews are remembered: a reused id must not meet
    the answered review of the decision before it."""
    return QueueTerms(
        lease=policy.lease,
        memory=policy.decision_memory,
        duplicate_window=max(policy.duplicate_window, policy.decision_memory),
        boosts=policy.boosts,
        escalation_boost=policy.escalation_boost,
        max_delegations=policy.max_delegations,
        max_questions=policy.max_questions,
        max_pause=policy.max_pause,
        raise_boost=policy.raise_boost,
        calendars=policy.calendars,
        backups=policy.backups,
        fatigue=policy.fatigue,
    )


class EventWriter:
    """Publishes events for commands, a few hundred at a time. Leaving ``open_writer`` sends the rest."""

    def __init__(self, publisher: Publisher, codec: Codec, *, batch: int = 500) -> None:
        self._publisher = publisher
        self._codec = codec
        self._batch = batch
        self._reached: set[str] = set()
        self._waiting: list[Outgoing] = []

    def write(self, topic: str, key: str, event: Record) -> None:
        """Send an event, at the latest with ``flush``. Raises as ``flush``, and when the broker does not
        answer or the topic does not exist: then soon, before anything was sent."""
        if topic not in self._reached:
            self._publisher.reach(topic)
            self._reached.add(topic)
        self._waiting.append(Outgoing(topic, key.encode(), self._codec.encode(event), []))
        if len(self._waiting) >= self._batch:
            self.flush()

    def flush(self) -> None:
        """Wait for the broker's word on everything. Raises ``BrokerUnreachableError`` naming what was
        not stored."""
        sent, self._waiting = self._waiting, []
        failed = self._publisher.send(sent)
        if failed:
            first = sent[failed[0].index]
            raise BrokerUnreachableError(
                f"{len(failed)} of {len(sent)} records were not stored, the first one with key "
                f"{first.key.decode(errors='replace')}: {failed[0].reason}",
                hint="send the file again: what was stored before is recognised as a duplicate",
            )


@contextmanager
def open_writer(settings: Settings) -> Iterator[EventWriter]:
    """A writer of events for commands."""
    publisher = Publisher(connection_of(settings), client_id="hitl-cli")
    try:
        writer = EventWriter(publisher, open_codec(settings))
        yield writer
        writer.flush()
    finally:
        publisher.close()


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
        metrics: WorkerMetrics | None = None,
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
        self.metrics = metrics or WorkerMetrics()
        self._connection = connection_of(settings, embedded=embedded)
        self._codec = open_codec(settings)
        self._parts = open_queue(settings, policy, clock)
        self.policy = PolicyBook(self._codec, policy, self._parts.follow)
        self.thresholds = ThresholdBook(self._codec)
        self.calibrations = CalibrationBook(self._codec)
        self.rules = RuleBook(self._codec)
        self._broadcasts = [
            Broadcast(self._connection, Topic.POLICY_ACTIVATED, self.policy.hear),
            Broadcast(self._connection, Topic.THRESHOLDS_UPDATED, self.thresholds.hear),
            Broadcast(self._connection, Topic.CALIBRATION_UPDATED, self.calibrations.hear),
            Broadcast(self._connection, Topic.RULES_CHANGED, self.rules.hear),
        ]
        self.app = create_app("hitl")
        self.app.host(TrimService())
        self._compose()

    def prepare(self) -> None:
        """Learn what must be known before the first record: policy, thresholds, calibrations, rules. Raises
        ``UnusablePolicyError`` when the activated policy can not be used here."""
        with ThreadPoolExecutor(len(self._broadcasts)) as side_by_side:  # a restart should be short
            list(side_by_side.map(Broadcast.start, self._broadcasts))
        self.policy.require_activated()

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
        for broadcast in self._broadcasts:
            broadcast.stop()
        self._parts.client.close()

    # --- the agents -----------------------------------------------------------------------------------

    def _compose(self) -> None:
        chosen, parts = self._agents, self._parts
        score = Scoring(self._codec, self.policy, self.calibrations, parts.seen)
        route = Routing(self._codec, self.policy, self.thresholds, self.settings.secret, self.rules)
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
        watch = RuleWatch(RuleTallies(parts.client, parts.keys), self.rules, self.policy, self._codec)
        if "review_request" in chosen:
            gold = GoldItems(self._codec, GoldStore(parts.client, parts.keys), self.settings.secret)
            desk = open_desk(self._codec, self.policy, parts, self._clock)
            request = ReviewRequests(
                self._codec, self.policy, parts.queue, parts.cases, gold, rules=watch, inform=desk.inform
            )
            self._serve(
                "review_request",
                request,
                "review-request",
                [Topic.DECISIONS_ROUTED, Topic.DECISIONS_WITHDRAWN, Topic.REVIEWS_INFORMATION],
            )
        if "outcome" in chosen:
            take = Outcomes(
                self._codec, self.policy, parts.cases, parts.seen, seals_of(self.settings), rules=watch
            )
            self._serve("outcome", take, "outcome", [Topic.REVIEWS_OUTCOMES, Topic.OUTCOMES_OBSERVED])
            if self._upkeep:
                self._host_upkeep()
        if "drift" in chosen:
            learn = Drift(self._codec, self.policy, LogReader(self._connection).restore_partition)
            self._serve("drift", learn, "drift", [Topic.LEARNING_CASES], listener=learn)

    def _host_upkeep(self) -> None:
        parts = self._parts
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
            )
        )
        self.app.host(RuleExpiryService(self.rules, self._codec, self._connection, self._clock))
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
    ) -> None:
        """An agent that is a chain of its own."""
        channel = self.app.work_channel()
        self._agent(name, channel, lambda work: answer(work, handler, stage=name))
        self._source(group, channel, topics, listener)

    def _agent(self, name: str, channel: Channel, run: Callable[[Work], Awaitable[None]]) -> None:
        async def agent(batches: Any) -> None:  # noqa: ANN401 - a Faust stream of Work
            async for work in batches:
                await run(work)

        self.app.agent(cast(Any, channel), name=name)(agent)

    def _source(
        self, group: str, channel: Channel, topics: Sequence[Topic], listener: Listener | None = None
    ) -> None:
        self.app.host(
            TransactionalSource(
                self._connection,
                app="hitl",
                name=group,
                slot=self.settings.worker_slot,
                topics=topics,
                channel=channel,
                dead_letters=DeadLetters(self._clock, __version__),
                listener=listener,
                observer=self.metrics.observe(group),
            )
        )
