"""Real services for tests that need them: found, started, or refused loudly."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic
from hypothesis import HealthCheck, settings
from testcontainers.community.kafka import KafkaContainer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.kafka_broker import KafkaBroker, KafkaUnavailableError
from tests.no_skips import on_ci, pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401 - hooks
from tests.processes import until

MakeTopics = Callable[..., None]
settings.register_profile(
    "unhurried",  # an example that takes long says something of the machine, and nothing of what is tested
    settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("unhurried")


def unavailable(what: str) -> None:
    """Skip loudly where services are missing; fail on CI, where a guarantee must not go unproved."""
    if on_ci():
        pytest.fail(f"CI must not skip: {what}", pytrace=False)
    pytest.skip(f"NOT PROVED HERE: {what}")


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap address of a real Apache Kafka, shared by the session: use a prefix of your own.

    HITL_TEST_KAFKA, else a container where Docker runs, else a local broker where Java runs.
    """
    given = os.environ.get("HITL_TEST_KAFKA")
    if given:
        yield given
        return
    if _docker_runs():
        with KafkaContainer("confluentinc/cp-kafka:8.0.0").with_kraft() as container:
            yield container.get_bootstrap_server()
        return
    # Never restarted: when it stands still for a while, nobody else is to find that it is gone.
    broker = KafkaBroker({"broker.session.timeout.ms": "120000"})
    try:
        yield broker.start()
    except KafkaUnavailableError as error:
        unavailable(f"no HITL_TEST_KAFKA, no Docker, and {error}")
    finally:
        broker.stop()


@pytest.fixture
def own_broker() -> Iterator[KafkaBroker]:
    """A broker of this test's own, to kill and restart. Needs Java (a container has other ports)."""
    broker = KafkaBroker()
    try:
        broker.start()
        yield broker
    except KafkaUnavailableError as error:
        unavailable(str(error))
    finally:
        broker.stop()


@pytest.fixture
def topic_prefix() -> str:
    """A fresh prefix for topics, groups and transactional ids, so that tests share one broker."""
    return f"t{uuid.uuid4().hex[:10]}."


@pytest.fixture
def make_topics(kafka: str) -> MakeTopics:
    """``make_topics("a", "b", partitions=4, **config)``: create topics by their full names."""

    def make(*names: str, partitions: int = 4, **config: str) -> None:
        create_topics(kafka, *names, partitions=partitions, config=config)

    return make


def create_topics(
    bootstrap: str, *names: str, partitions: int = 4, config: dict[str, str] | None = None
) -> None:
    """Create topics and wait until they exist. Underscores in config names stand for dots."""
    given = {name.replace("_", "."): value for name, value in (config or {}).items()}
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topics = [NewTopic(name, partitions, 1, config=given) for name in names]
    missing = list(topics)

    def made() -> bool:
        """A broker that stood still for a moment is none for its controller, until it is heard of again."""
        asked = admin.create_topics(missing, operation_timeout=120, request_timeout=120)
        for topic in list(missing):
            try:
                asked[topic.topic].result(180)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.INVALID_REPLICATION_FACTOR:
                    raise
            else:
                missing.remove(topic)
        return not missing

    until(made, f"the topics {', '.join(names)}")


def _docker_runs() -> bool:
    try:
        docker.from_env(timeout=20).ping()
    except Exception:  # any failure means the same: no usable engine
        return False
    return True
