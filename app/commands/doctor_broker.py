"""What ``hitl doctor`` asks the broker: is it there, does it let us in, are the topics as they should be, may
we use them, can we read what is in them, and does somebody work?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not marked as exported
    AdminClient,
    OffsetSpec,
)

from app.agents.books import usable
from app.commands.doctor_finding import Finding
from app.composition.parts import activated_policy, connection_of, open_codec
from app.errors import ServiceUnreachableError
from app.policy.compiled import CompiledPolicy
from app.settings import Settings
from app.stream.access import OURS, PRINCIPALS, Grant, grants
from app.stream.connection import Connection
from app.stream.errors import BrokerUnreachableError, DecodeError
from app.stream.reader import LogReader
from app.stream.topics import Topic, TopicState, TopicTable

PATIENCE = 10.0
"""Seconds to wait for an answer."""
EMBEDDED = "mockCluster"
"""How librdkafka's broker within a process names itself. What it does not know it never answers."""
MANY = 100_000
"""Records that wait for a group: more than a worker does in a minute."""
_READERS = {
    f"{OURS}decide": Topic.DECISIONS_SUBMITTED,
    f"{OURS}review-request": Topic.DECISIONS_ROUTED,
    f"{OURS}outcome": Topic.REVIEWS_OUTCOMES,
    f"{OURS}drift": Topic.LEARNING_CASES,
}
_READ_BY_AGENTS = (
    *_READERS.values(),
    Topic.DECISIONS_SCORED,
    Topic.POLICY_ACTIVATED,
    Topic.THRESHOLDS_UPDATED,
)
"""Where a record of an unknown version stops us."""
_HARMLESS = "retention.ms"
"""The one setting of a topic that may differ without harm to what is in it."""
_REASONS = {
    KafkaError._AUTHENTICATION: "check user and password in HITL_KAFKA_CONFIG",
    KafkaError._SSL: "check ssl.ca.location and security.protocol in HITL_KAFKA_CONFIG",
    KafkaError._RESOLVE: "check the name in HITL_KAFKA_BOOTSTRAP_SERVERS",
}
_REFUSED = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)


def broker(settings: Settings, policy: CompiledPolicy) -> Iterator[Finding]:
    """Address and sign-in, topics, rights, records, groups, the policy in force."""
    connection = connection_of(settings)
    said: list[KafkaError] = []
    admin = AdminClient(connection.client("hitl-doctor", {"error_cb": said.append}))  # type: ignore[arg-type]  # takes callables too
    try:
        metadata = admin.list_topics(timeout=PATIENCE)
    except KafkaException as error:
        admin.poll(0)  # hands out what the client has said meanwhile
        raise _unreachable(connection, error.args[0], said) from error
    there = set(metadata.topics)
    yield Finding("broker", "ok", f"{connection.bootstrap_servers} answers")
    embedded = (metadata.cluster_id or "").startswith(EMBEDDED)
    if embedded:
        detail = "embedded, for a try: it keeps nothing, and tells no settings, rights or groups"
        yield Finding("broker", "warning", detail, "before real work: a Kafka of yours (docs/deployment.md)")
    table = TopicTable.load()
    wanted = table.named(policy.pool_names)
    unseen = {name for name in wanted if connection.topic(name) not in there}
    hidden = {name for name in unseen if _is_hidden(admin, connection.topic(name))}
    missing = [name for name in wanted if name in unseen - hidden]
    if missing:
        yield Finding("topics", "failed", f"missing: {', '.join(missing)}", "hitl topics apply")
        return
    if not embedded:
        yield from _topics(admin, table, policy, connection, hidden)
        yield from _rights(admin, table, connection)
    yield from _records(settings, connection, [topic for topic in _READ_BY_AGENTS if topic not in hidden])
    if not embedded:
        yield from _groups(admin, connection)
    if Topic.POLICY_ACTIVATED not in hidden:
        yield from _in_force(settings, policy)


def _topics(
    admin: AdminClient, table: TopicTable, policy: CompiledPolicy, connection: Connection, hidden: set[str]
) -> Iterator[Finding]:
    try:
        states = table.compare(admin, policy.pool_names, connection.prefix, timeout=PATIENCE / 2)
    except BrokerUnreachableError:
        detail = "there; their settings can not be read"
        yield Finding("topics", "warning", detail, "allow DescribeConfigs")
        return
    seen = [state for state in states if state.topic not in hidden]
    yield from (_difference(state) for state in seen if state.state == "different")
    if all(state.state == "same" for state in seen):
        yield Finding("topics", "ok", f"{len(seen)} there, as in topics.yaml")


def _difference(state: TopicState) -> Finding:
    harmless = all(one.startswith(_HARMLESS) for one in state.differences)
    detail = f"{state.topic}: {'; '.join(state.differences)}"
    return Finding("topics", "warning" if harmless else "failed", detail, "change the topic, or topics.yaml")


def _rights(admin: AdminClient, table: TopicTable, connection: Connection) -> Iterator[Finding]:
    """Whom the broker takes us for, by what we may do; somebody who is nobody comes short of something."""
    needed = [grant for grant in grants(table, connection.prefix) if grant.resource == "topic"]
    literal = [grant for grant in needed if not grant.prefixed]
    topics = sorted({grant.name for grant in literal})
    asked = admin.describe_topics(
        TopicCollection(topics), include_authorized_operations=True, request_timeout=PATIENCE
    )
    try:
        may = {name: _operations(future) for name, future in asked.items()}
    except (KafkaException, TimeoutError):
        return  # a broker that does not tell has no access control either
    short: dict[str, list[Grant]] = {
        who: [one for one in literal if one.principal == who and one.operation not in may[one.name]]
        for who in PRINCIPALS
    }
    # Who is short of little and has much of it is rather that than somebody who needs little.
    has = {who: sum(one.principal == who for one in literal) - 2 * len(short[who]) for who in PRINCIPALS}
    who = max(PRINCIPALS, key=lambda one: has[one])
    lacking = short[who]
    if not lacking:
        enough = [one for one in PRINCIPALS if not short[one]]
        yield Finding("rights", "ok", f"all that {' or '.join(enough)} needs of topics")
        return
    detail = f"short of what {who} needs: {', '.join(f'{one.operation} {one.name}' for one in lacking)}"
    yield Finding("rights", "failed", detail, "as an administrator: hitl topics acls --apply")


def _operations(future: Future[object]) -> set[str]:
    try:
        found = future.result(PATIENCE)
    except KafkaException as error:
        if error.args[0].code() in _REFUSED:
            return set()
        raise
    return {one.name.lower() for one in getattr(found, "authorized_operations", None) or ()}


def _records(settings: Settings, connection: Connection, topics: list[str]) -> Iterator[Finding]:
    """Whether the newest records are of versions that are known here."""
    codec = open_codec(settings)
    strange: dict[str, str] = {}
    try:
        for record in LogReader(connection, silence=PATIENCE).read_newest(topics):
            try:
                if record.value is not None:
                    codec.decode(record.value)
            except DecodeError as error:
                if error.reason in ("unknown_fingerprint", "unknown_schema_id"):
                    strange[record.topic] = str(error)
    except BrokerUnreachableError:
        return  # not ours to read: see the rights
    for topic, why in strange.items():
        hint = "update this installation first: readers before writers (docs/topics.md)"
        yield Finding("records", "failed", f"{topic}: {why}", hint)
    if not strange:
        yield Finding("records", "ok", "the newest ones are of versions that are known here")


def _groups(admin: AdminClient, connection: Connection) -> Iterator[Finding]:
    """Does somebody work, everywhere, and keep up?"""
    found: dict[str, tuple[int, int]] = {}
    for group, topic in _READERS.items():
        with suppress(KafkaException, TimeoutError):  # not ours to ask
            found[group] = _lag(admin, connection, group, topic)
    at_work = any(members for _, members in found.values())
    wrong = list(_missing(found, connection.prefix, at_work=at_work))
    yield from wrong
    if at_work and not wrong:
        most, group = max((waiting, group) for group, (waiting, _) in found.items())
        detail = f"every topic has its readers; {connection.prefix}{group} has most to read, {most:,} records"
        yield Finding("workers", "ok", detail)


def _missing(found: Mapping[str, tuple[int, int]], prefix: str, *, at_work: bool) -> Iterator[Finding]:
    """Groups that nobody is in, or that are far behind."""
    for group, (waiting, members) in found.items():
        name, topic = prefix + group, _READERS[group]
        # only here is a record that nobody has read certainly one that waits: elsewhere may be markers
        if not members and waiting and topic == Topic.DECISIONS_SUBMITTED:
            yield Finding(
                "workers", "failed", f"{name}: {waiting:,} records wait, nobody reads them", "hitl worker"
            )
        elif not members and at_work:
            yield Finding(
                "workers", "failed", f"{name}: nobody reads {topic}", "hitl worker, with all --agents"
            )
        elif waiting > MANY:
            detail = f"{name}: {waiting:,} records of {topic} wait"
            yield Finding("workers", "failed", detail, "start more workers, each with a slot of its own")


def _lag(admin: AdminClient, connection: Connection, group: str, topic: str) -> tuple[int, int]:
    name, full = connection.prefix + group, connection.topic(topic)
    described = admin.describe_consumer_groups([name], request_timeout=PATIENCE)[name]
    try:
        members = len(described.result(PATIENCE).members)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
            raise
        members = 0
    count = len(admin.list_topics(full, timeout=PATIENCE).topics[full].partitions)
    parts = [TopicPartition(full, number) for number in range(count)]
    last, first = OffsetSpec.latest(), OffsetSpec.earliest()  # type: ignore[no-untyped-call]
    ends = admin.list_offsets(dict.fromkeys(parts, last), request_timeout=PATIENCE)
    starts = admin.list_offsets(dict.fromkeys(parts, first), request_timeout=PATIENCE)
    asked = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(name, parts)], request_timeout=PATIENCE
    )
    read = {one.partition: one.offset for one in asked[name].result(PATIENCE).topic_partitions or ()}
    waiting = 0
    for part in parts:
        begin = starts[part].result(PATIENCE).offset
        waiting += ends[part].result(PATIENCE).offset - max(begin, read.get(part.partition, -1))
    return waiting, members


def _in_force(settings: Settings, policy: CompiledPolicy) -> Iterator[Finding]:
    event, here = activated_policy(settings), policy.version
    if event is None:
        yield Finding("policy in force", "ok", f"version {here}, from the file: nothing was activated")
        return
    version = usable(event).version
    detail = f"version {version}, activated by {event.activated_by}"
    if version == here:
        yield Finding("policy in force", "ok", detail)
    else:
        detail += f"; {settings.policy_path} is {here}, and counts for nothing"
        yield Finding("policy in force", "warning", detail, "hitl policy activate, if the file is right")


def _is_hidden(admin: AdminClient, topic: str) -> bool:
    """A topic that we may not know of is not in the list, there or not."""
    error = admin.list_topics(topic, timeout=PATIENCE).topics[topic].error
    return error is not None and error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


def _unreachable(
    connection: Connection, error: KafkaError, said: list[KafkaError]
) -> ServiceUnreachableError:
    told = next((one for one in said if one.code() in _REASONS), error)
    hint = "check HITL_KAFKA_BOOTSTRAP_SERVERS, HITL_KAFKA_CONFIG and that the broker is up"
    return ServiceUnreachableError(
        f"{connection.bootstrap_servers} does not answer: {told.str()}", hint=_REASONS.get(told.code(), hint)
    )
