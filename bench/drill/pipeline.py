"""Faults of workers, broker and store that are no outage: a worker that is slow, a right that is gone, steps
that can not be published."""

from __future__ import annotations

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
SLOWLY = """
import time
import app.stream.batch
app.stream.batch.MOST = 400
from app.agents.scoring import Scoring
score = Scoring._score
def slowly(self, part, *more):
    time.sleep(0.1 * len(part))
    return score(self, part, *more)
Scoring._score = slowly
"""
"""A batch of it takes 40 s at most: after a minute Kafka would take its partitions away."""
ANSWERS = 5


def slow_worker(site: Site) -> Undo:
    """One of two workers takes 0.1 s for each decision; it is restarted for that, and without it."""
    site.stop(1)
    site.start(1, before=SLOWLY)

    def undo() -> None:
        site.stop(1)
        site.start(1)

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
