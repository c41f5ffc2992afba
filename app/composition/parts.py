"""Settings in, real parts out: the clock, the policy, Kafka, the store, the queue, the desks."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import cache, partial

import msgspec

from app.agents.rule_book import RuleBook
from app.desk.desk import ReviewDesk
from app.desk.rules import RuleDesk
from app.domain.events import PolicyActivated, ReviewDecided, ReviewRequested, RuleChanged
from app.domain.evidence_chain import seal, seal_key, sealed
from app.domain.review import QueueTerms
from app.errors import UsageError
from app.policy.compiled import CompiledPolicy, compile_policy
from app.policy.load import load_policy
from app.review_queue.cases import CaseFile
from app.review_queue.errors import StoreUnavailableError
from app.review_queue.keys import Keys
from app.review_queue.outbox import Seal
from app.review_queue.queue import ReviewQueue
from app.review_queue.rule_tallies import RuleTallies
from app.review_queue.seen import SeenDecisions
from app.review_queue.store import Client, open_client, require_one_server
from app.settings import Settings
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.key_ring import KeyRing
from app.stream.reader import LogReader
from app.stream.registry import connect_registry
from app.stream.schemas import Schemas
from app.stream.seals import Sealed
from app.stream.topics import Topic
from app.stream.tracing import Tracing
from app.telemetry.spans import open_recorder

POLICY_KEY = "policy"
"""The one key of `policy.activated`: the latest record is the policy in force."""


def open_tracing(codec: Codec, clock: Callable[[], int], *, service: str) -> Tracing | None:
    """Traces, where OpenTelemetry's variables name a collector. ``service`` is what the process is called
    there unless they say it. Close its recorder at the end."""
    recorder = open_recorder(os.environ, service)
    return None if recorder is None else Tracing(recorder, codec, clock)


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


_schemas = cache(Schemas.load)
"""Read, and their fingerprints computed, once for all codecs of a process."""


def open_codec(settings: Settings, keys: KeyRing | None = None) -> Codec:
    """The codec, with a registry if one is set. Encrypted records are read with ``keys``, by default with
    a ring of its own, which asks Kafka only once such a record is met."""
    registry = connect_registry(settings.schema_registry_url) if settings.schema_registry_url else None
    return Codec(_schemas(), registry, keys or open_keys(settings))


def open_keys(settings: Settings, *, embedded: bool = False) -> KeyRing:
    """The keys of subjects, read from Kafka once they are asked for."""
    registry = connect_registry(settings.schema_registry_url) if settings.schema_registry_url else None
    plain = Codec(_schemas(), registry)
    return KeyRing(plain, lambda: connection_of(settings, embedded=embedded))


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


def check_store(settings: Settings) -> None:
    """Refuse a store that can never do. One that is away is waited for. Raises ``UsageError``."""
    with closing(store_of(settings)) as client, suppress(StoreUnavailableError):
        require_one_server(client)


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
