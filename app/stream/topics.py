"""The table of topics (``topics.yaml``): read, applied to a broker, compared with one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import msgspec
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # public, but not marked as exported
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from app.settings import PROJECT
from app.stream.errors import BrokerUnreachableError, TopicTableError

TABLE = PROJECT / "topics.yaml"

BROKER_DEFAULT = -1
"""Replication factor that leaves the choice to the broker (``default.replication.factor``)."""

_HOUR = 3_600_000  # ms
_SEGMENT = 60_000  # ms: what is compacted soon must first be in a segment that is closed


class Topic(StrEnum):
    """Logical names of the topics; a test holds them equal to ``topics.yaml``, which says why each is."""

    DECISIONS_SUBMITTED = "decisions.submitted"
    DECISIONS_SCORED = "decisions.scored"
    DECISIONS_ROUTED = "decisions.routed"
    DECISIONS_RESOLVED = "decisions.resolved"
    DECISIONS_WITHDRAWN = "decisions.withdrawn"
    REVIEWS_REQUESTED = "reviews.requested"
    """One topic for each pool: see ``pool_topic``."""
    REVIEWS_OUTCOMES = "reviews.outcomes"
    REVIEWS_INFORMATION = "reviews.information"
    REVIEWS_LIFECYCLE = "reviews.lifecycle"
    OUTCOMES_OBSERVED = "outcomes.observed"
    FEEDBACK_TRAINING_EXAMPLES = "feedback.training_examples"
    FEEDBACK_EXCEPTION_RULES = "feedback.exception_rules"
    FEEDBACK_POLICY_UPDATES = "feedback.policy_updates"
    FEEDBACK_COACHING = "feedback.coaching"
    LEARNING_CASES = "learning.cases"
    LEARNING_STATE = "learning.state"
    THRESHOLDS_UPDATED = "thresholds.updated"
    CALIBRATION_UPDATED = "calibration.updated"
    PATTERNS_DETECTED = "patterns.detected"
    LEARNINGS_CHANGED = "learnings.changed"
    SESSIONS_RECORDED = "sessions.recorded"
    POLICY_PROPOSED = "policy.proposed"
    POLICY_ACTIVATED = "policy.activated"
    RULES_CHANGED = "rules.changed"
    PRIVACY_KEYS = "privacy.keys"
    DEADLETTER = "deadletter"


def pool_topic(pool: str) -> str:
    """Logical name of a pool's review requests.

    >>> pool_topic("finance")
    'reviews.requested.finance'
    """
    return f"{Topic.REVIEWS_REQUESTED}.{pool}"


def physical(name: str, prefix: str) -> str:
    """The broker's name of a logical topic.

    >>> physical("deadletter", "acme.")
    'acme.deadletter'
    """
    return prefix + name


def logical(name: str, prefix: str) -> str:
    """The logical name of a broker's topic.

    >>> logical("acme.deadletter", "acme.")
    'deadletter'
    """
    return name.removeprefix(prefix)


class TopicSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of the table. ``retention_hours`` belongs to ``delete``, and only to it."""

    why: str
    key: str
    schemas: list[str]
    partitions: int
    written_by: list[str]
    read_by: list[str]
    cleanup: Literal["delete", "compact"] = "delete"
    retention_hours: int | None = None
    per_pool: bool = False
    max_message_bytes: int | None = None
    """Largest record batch that the broker takes here; its default unless set."""
    forget_within_hours: int | None = None
    """With ``compact``: a record that a later one of its key replaced leaves the disk within this time."""
    segment_mib: int | None = None
    """With ``compact``: replaced records leave the disk once so many MiB were written behind them; by default
    1 GiB or a week, which whoever restores from the topic reads first."""

    def __post_init__(self) -> None:
        if self.partitions < 1:
            raise ValueError("`partitions` must be 1 or more")
        if (self.cleanup == "delete") != (self.retention_hours is not None):
            raise ValueError("give `retention_hours`, or `cleanup: compact`, and not both")
        if self.retention_hours is not None and self.retention_hours < 1:
            raise ValueError("`retention_hours` must be 1 or more")
        if self.cleanup != "compact" and (self.forget_within_hours, self.segment_mib) != (None, None):
            raise ValueError("`forget_within_hours` and `segment_mib` belong to `cleanup: compact`")
        if self.segment_mib is not None and self.segment_mib < 1:
            raise ValueError("`segment_mib` must be 1 or more")

    def config(self) -> dict[str, str]:
        """The broker's settings for this topic."""
        retention = -1 if self.retention_hours is None else self.retention_hours * _HOUR
        config = {"cleanup.policy": self.cleanup, "retention.ms": str(retention)}
        if self.max_message_bytes is not None:
            config["max.message.bytes"] = str(self.max_message_bytes)
        if self.forget_within_hours is not None:
            config |= {
                "max.compaction.lag.ms": str(self.forget_within_hours * _HOUR),
                "min.cleanable.dirty.ratio": "0.01",
                "segment.ms": str(_SEGMENT),
            }
        if self.segment_mib is not None:
            config |= {
                "segment.bytes": str(self.segment_mib << 20),
                "min.cleanable.dirty.ratio": "0.1",
            }
        return config


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    topics: dict[str, TopicSpec]


class TopicState(msgspec.Struct, frozen=True):
    """A topic of the table on the broker. ``differences`` are in words, table first."""

    topic: str
    spec: TopicSpec
    state: Literal["created", "same", "different", "missing"]
    differences: list[str] = msgspec.field(default_factory=list)


class TopicTable:
    """``topics.yaml`` as values: ``specs`` by logical name, in the order of the file."""

    def __init__(self, specs: Mapping[str, TopicSpec]) -> None:
        self.specs = dict(specs)

    @classmethod
    def load(cls, path: Path = TABLE) -> TopicTable:
        """Read the table. Raises ``TopicTableError`` naming the file and the field that is wrong."""
        try:
            rows = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
            return cls(msgspec.convert(rows, _File).topics)
        except (OSError, YAMLError, msgspec.ValidationError) as error:
            raise TopicTableError(f"{path}: {error}", hint="compare with the comment at its top") from error

    def named(self, pools: Iterable[str]) -> dict[str, TopicSpec]:
        """Every topic that should exist, by logical name: one for each pool where a row says so."""
        pools = list(pools)
        return {
            topic: spec
            for name, spec in self.specs.items()
            for topic in ([f"{name}.{pool}" for pool in pools] if spec.per_pool else [name])
        }

    def compare(
        self, admin: AdminClient, pools: Iterable[str], prefix: str, *, timeout: float = 10.0
    ) -> list[TopicState]:
        """Each topic of the table as the broker has it. Raises ``BrokerUnreachableError``."""
        wanted = {physical(name, prefix): spec for name, spec in self.named(pools).items()}
        found = _partitions(admin, timeout)
        configs = _configs(admin, [name for name in wanted if name in found], timeout)
        states = []
        for name, spec in wanted.items():
            if name not in found:
                states.append(TopicState(logical(name, prefix), spec, "missing"))
                continue
            differences = _differences(spec, found[name], configs[name])
            state: Literal["same", "different"] = "different" if differences else "same"
            states.append(TopicState(logical(name, prefix), spec, state, differences))
        return states

    def apply(
        self,
        admin: AdminClient,
        pools: Iterable[str],
        prefix: str,
        *,
        replication_factor: int = BROKER_DEFAULT,
        timeout: float = 30.0,
    ) -> list[TopicState]:
        """Create the topics that are missing, wait until the broker shows them, and report each.

        Nothing that exists is changed: more partitions would move keys, and less retention delete.

        Raises ``BrokerUnreachableError``, and ``TopicTableError`` when the broker refuses a topic.
        """
        states = self.compare(admin, pools, prefix, timeout=timeout)
        new = [
            NewTopic(
                physical(each.topic, prefix),
                each.spec.partitions,
                replication_factor,
                config=each.spec.config(),
            )
            for each in states
            if each.state == "missing"
        ]
        if new:
            for name, future in admin.create_topics(
                new, operation_timeout=timeout, request_timeout=timeout
            ).items():
                _created(name, future.result, timeout)
            _wait_until_shown(admin, {topic.topic for topic in new}, timeout)
        return [
            TopicState(each.topic, each.spec, "created") if each.state == "missing" else each
            for each in states
        ]


def _partitions(admin: AdminClient, timeout: float) -> dict[str, int]:
    """Partition count of each topic on the broker."""
    try:
        found = admin.list_topics(timeout=timeout).topics
    except KafkaException as error:
        raise _unreachable(error) from error
    return {name: len(topic.partitions) for name, topic in found.items() if topic.error is None}


def _configs(admin: AdminClient, names: list[str], timeout: float) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    answers = admin.describe_configs(resources, request_timeout=timeout)
    try:
        return {
            resource.name: {key: entry.value for key, entry in answer.result(timeout).items()}
            for resource, answer in answers.items()
        }
    except (TimeoutError, KafkaException) as error:  # of two clocks with one limit: whichever is first
        if isinstance(error, KafkaException) and error.args[0].code() != KafkaError._TIMED_OUT:
            raise _unreachable(error) from error
        raise BrokerUnreachableError(
            f"the broker lists its topics, but did not tell their settings in {timeout:g} s",
            hint="is it the one of `hitl up`? it never tells, and takes no new topics: stop it, and start it "
            "anew with HITL_POLICY. Any other: hitl doctor",
        ) from error


def _differences(spec: TopicSpec, partitions: int, config: Mapping[str, str]) -> list[str]:
    wanted: dict[str, Any] = {"partitions": spec.partitions, **spec.config()}
    found: dict[str, Any] = {"partitions": partitions, **config}
    if spec.cleanup == "compact":
        del wanted["retention.ms"]  # without effect on a compacted topic
    return [
        f"{name} is {found.get(name)}, the table says {value}"
        for name, value in wanted.items()
        if found.get(name) != value
    ]


def _created(name: str, result: Callable[[float], object], timeout: float) -> None:
    try:
        result(timeout)
    except TimeoutError as error:
        raise _unreachable(error) from error
    except KafkaException as error:
        reason: KafkaError = error.args[0]
        if reason.code() == KafkaError.TOPIC_ALREADY_EXISTS:  # another one was quicker
            return
        if reason.code() in (KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError.REQUEST_TIMED_OUT):
            raise _unreachable(error) from error
        raise TopicTableError(
            f"topic {name} was not created: {reason.str()}",
            hint="check the broker's permissions and its number of replicas",
        ) from error


def _wait_until_shown(admin: AdminClient, names: set[str], timeout: float) -> None:
    """The controller has created them; brokers hear of it a moment later, and clients from brokers."""
    deadline = time.monotonic() + timeout
    while not names <= _partitions(admin, timeout).keys():
        if time.monotonic() > deadline:
            raise BrokerUnreachableError(
                f"topics were created, but the broker does not show them after {timeout:g} s",
                hint="look again: hitl topics list",
            )
        time.sleep(0.05)


def _unreachable(error: Exception) -> BrokerUnreachableError:
    reason = error.args[0].str() if isinstance(error, KafkaException) else "no answer in time"
    return BrokerUnreachableError(
        f"the broker does not answer: {reason}",
        hint="check HITL_KAFKA_BOOTSTRAP_SERVERS and that the broker is up: hitl doctor",
    )
