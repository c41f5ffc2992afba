"""What the console works with, put together."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from app.agents.books import PolicyBook
from app.agents.rule_book import RuleBook
from app.composition.parts import (
    connection_of,
    now,
    open_codec,
    open_desk,
    open_queue,
    open_rules,
    open_tracing,
    seals_of,
)
from app.composition.writing import open_writer
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
from app.console.submissions import Submissions
from app.console.webhooks import load_addresses
from app.desk.evidence import EvidenceRoom
from app.desk.following import Following
from app.policy.compiled import CompiledPolicy
from app.review_queue.whereabouts import Tracker
from app.settings import Settings
from app.stream.broadcast import Broadcast, unheard
from app.stream.codec import Codec
from app.stream.connection import Connection
from app.stream.group_reader import GroupReader
from app.stream.probe import BrokerProbe
from app.stream.reader import LogReader
from app.stream.topics import Topic, pool_topic


@contextmanager
def open_console(
    settings: Settings,
    policy: CompiledPolicy,
    url: str,
    *,
    open_house: bool = False,
    embedded: bool = False,
    clock: Callable[[], int] = now,
) -> Iterator[ConsoleParts]:
    """Everything the console works with, following activated policies and the log until the end of the
    block. ``url`` is where people find it; in an ``open_house`` the policy need not name anybody.
    Raises ``UsageError``, ``UnusablePolicyError`` and ``ServiceUnreachableError``."""
    connection, codec = connection_of(settings, embedded=embedded), open_codec(settings)
    queue = open_queue(settings, policy, clock)
    book = PolicyBook(codec, policy, queue.follow, names_people=not open_house)
    activated = Broadcast(connection, Topic.POLICY_ACTIVATED, book.hear)
    ledger = Ledger(
        connection,
        codec,
        clock=clock,
        terms=lambda: book().terms,
        words_per_minute=lambda: book().words_per_minute,
    )
    tracing = open_tracing(codec, now, service="hitl-console")
    publisher = EventPublisher(lambda: open_writer(settings, tracing))
    rules = RuleBook(codec, seals_of(settings))
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
            submissions=Submissions(queue.client, keys, lambda: book().decision_memory),
            following=Following(Tracker(queue.client, queue.keys, queue.cases), queue.cases),
            clock=clock,
            draw=secrets.token_bytes,
            publisher=publisher,
            broker_answers=BrokerProbe(connection),
            unheard=lambda: unheard((activated, rules_changed)),
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
        if tracing is not None:
            tracing.recorder.close()
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
    courier = Courier(
        messages,
        lambda: policy().webhooks,
        lambda: load_addresses(file),
        codec,
        url,
        clock,
        audience=lambda decision_type: policy().audience(decision_type),
    )

    def topics() -> Sequence[str]:
        return [
            Topic.REVIEWS_LIFECYCLE,
            Topic.PATTERNS_DETECTED,
            *(pool_topic(pool) for pool in policy().pool_names),
        ]

    return (courier, GroupReader(connection, "hitl-webhooks", topics, courier.hear))
