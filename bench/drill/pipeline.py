"""Faults of workers, broker and store that are no outage: too little CPU, a right that is gone, steps that
can not be published."""

from __future__ import annotations

import signal
import threading
import time

import msgspec
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not marked as exported
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from app.composition.parts import open_queue
from app.domain.review import Review
from app.review_queue import keys as names
from app.stream.topics import Topic
from bench.drill.fault import Undo
from bench.drill.people import one_answer
from bench.drill.site import PREFIX, Site
from tests.chaos.whole_loop import LOOKED

AUTHORIZER = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "allow.everyone.if.no.acl.found": "true",
}
"""Settings of a broker that may refuse something, and does not yet."""
STANDS, RUNS = 0.57, 0.03
"""Seconds: of so little CPU a worker gets something in each of Prometheus' scrapes."""
ANSWERS = 5


def starved(site: Site) -> Undo:
    """One of two workers gets a twentieth of the time that it would take: stopped, and let go on."""
    worker, ended = site.workers[1], threading.Event()

    def starve() -> None:
        while not ended.is_set():
            worker.signal_worker(signal.SIGSTOP)
            ended.wait(STANDS)
            worker.signal_worker(signal.SIGCONT)
            time.sleep(RUNS)

    thread = threading.Thread(target=starve, daemon=True)
    thread.start()

    def undo() -> None:
        ended.set()
        thread.join()

    return undo


def right_gone(site: Site) -> Undo:
    """Nobody may write `decisions.routed` any more; all else may be done as before."""
    admin = AdminClient({"bootstrap.servers": site.broker.bootstrap})
    topic = (ResourceType.TOPIC, PREFIX + Topic.DECISIONS_ROUTED, ResourcePatternType.LITERAL, "User:*", "*")
    allow, deny = (AclOperation.ALL, AclPermissionType.ALLOW), (AclOperation.WRITE, AclPermissionType.DENY)
    for future in admin.create_acls([AclBinding(*topic, *each) for each in (allow, deny)]).values():
        future.result(30)

    def undo() -> None:
        for future in admin.delete_acls([AclBindingFilter(*topic, *each) for each in (allow, deny)]).values():
            future.result(30)

    return undo


def requests_gone(site: Site) -> Undo:
    """The store has lost some requests, and their reviews are answered: what is published of an answer
    begins with its request."""
    parts = open_queue(site.settings, site.policy)

    def lose(review: Review) -> None:
        pool, _, name = review.review_id.partition(".")
        parts.client.execute_command("DEL", parts.keys.pool(pool, names.REQUEST, name))

    for _ in range(ANSWERS):
        one_answer(site, msgspec.structs.replace(LOOKED, action="reject"), lose)

    def undo() -> None:
        site.hitl("queue", "broken", "put-back", "--all")

    return undo
