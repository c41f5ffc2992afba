"""Who may do what at the broker: least privilege, from the table of topics.

One principal for each kind of process. Nobody here may create, change or delete a topic, and nobody reads or
writes a topic that its row does not name them for: that is left to operators, who administer the broker.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec
from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not marked as exported
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from app.stream.errors import BrokerUnreachableError, TopicTableError
from app.stream.topics import Topic, TopicTable

Principal = Literal["worker", "console", "producer", "consumer"]

PRINCIPALS: Mapping[Principal, frozenset[str]] = {
    "worker": frozenset({"scoring", "routing", "review_request", "outcome", "drift", "relay"}),
    # It submits for programs (the API), and shows and proves the whole story of a decision.
    "console": frozenset({"console", "producers", "consumers"}),
    "producer": frozenset({"producers"}),
    "consumer": frozenset({"consumers"}),
}
"""Which names in ``written_by`` and ``read_by`` act as whom."""

_ALSO_READ: Mapping[Principal, tuple[Topic, ...]] = {
    "worker": (  # how long the oldest feedback has waited, as a metric
        Topic.FEEDBACK_EXCEPTION_RULES,
        Topic.FEEDBACK_POLICY_UPDATES,
        Topic.FEEDBACK_COACHING,
        Topic.LEARNINGS_CHANGED,
    ),
    "console": (Topic.LEARNING_CASES, Topic.OUTCOMES_OBSERVED, Topic.POLICY_ACTIVATED),
    "producer": (Topic.POLICY_ACTIVATED,),  # `hitl submit` knows the types in force
}
"""What a process looks at without being one of the agents that the rows name."""

OURS = "hitl-"
"""What the names of our groups and transactional ids begin with, after the deployment's prefix."""


class Grant(msgspec.Struct, frozen=True):
    """One thing that a principal may do. ``prefixed``: with everything whose name begins so."""

    principal: Principal
    resource: Literal["topic", "group", "transactional_id"]
    name: str
    prefixed: bool
    operation: Literal["read", "write", "describe", "describe_configs"]


def grants(table: TopicTable, prefix: str = "") -> list[Grant]:
    """Everything that each principal needs, and no more.

    >>> [(g.name, g.operation) for g in grants(TopicTable.load()) if g.principal == "producer"][:2]
    [('decisions.submitted', 'write'), ('decisions.submitted', 'describe_configs')]
    """
    return [grant for principal in PRINCIPALS for grant in _of(principal, table, prefix)]


def _of(who: Principal, table: TopicTable, prefix: str) -> Iterator[Grant]:
    roles = PRINCIPALS[who]
    for name, spec in table.specs.items():
        reads = not roles.isdisjoint(spec.read_by) or name in _ALSO_READ.get(who, ())
        writes = not roles.isdisjoint(spec.written_by)
        # A pool that a later policy adds has the topic's name in front, and needs no new grant.
        topic = prefix + (f"{name}." if spec.per_pool else name)
        if reads:
            yield Grant(who, "topic", topic, spec.per_pool, "read")
        if writes:
            yield Grant(who, "topic", topic, spec.per_pool, "write")
        if reads or writes:  # for `hitl doctor`: is the topic as the table says?
            yield Grant(who, "topic", topic, spec.per_pool, "describe_configs")
    if who == "worker":
        yield Grant(who, "group", prefix + OURS, True, "read")
        yield Grant(who, "transactional_id", prefix + OURS, True, "write")
        yield Grant(who, "transactional_id", prefix + OURS, True, "describe")
    elif who == "consumer":
        yield Grant(who, "group", f"{prefix}consumer-", True, "read")
    else:  # reads by itself; the console has one group, which remembers whom webhooks have told
        yield Grant(who, "group", prefix + OURS, True, "describe")
        if who == "console":
            yield Grant(who, "group", f"{prefix}{OURS}webhooks", False, "read")


def allow(
    admin: AdminClient, wanted: Iterable[Grant], users: Mapping[Principal, str], *, timeout: float = 30.0
) -> None:
    """Create the access-control entries of ``wanted`` for the broker's ``users`` (``User:worker``); what is
    there stays as it is. Raises ``BrokerUnreachableError``, and ``TopicTableError`` when it refuses."""
    for future in admin.create_acls(
        [_binding(grant, users[grant.principal]) for grant in wanted], request_timeout=timeout
    ).values():
        try:
            future.result(timeout)
        except TimeoutError as error:
            raise BrokerUnreachableError(
                "the broker does not answer", hint="check HITL_KAFKA_BOOTSTRAP_SERVERS: hitl doctor"
            ) from error
        except KafkaException as error:
            raise TopicTableError(
                f"the broker refuses: {error.args[0].str()}",
                hint="sign in as somebody who may alter the cluster, on a broker with an authorizer",
            ) from error


def _binding(grant: Grant, user: str) -> AclBinding:
    pattern = ResourcePatternType.PREFIXED if grant.prefixed else ResourcePatternType.LITERAL
    return AclBinding(
        ResourceType[grant.resource.upper()],
        grant.name,
        pattern,
        user,
        "*",
        AclOperation[grant.operation.upper()],
        AclPermissionType.ALLOW,
    )
