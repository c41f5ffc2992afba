"""deploy/secure.yml for real: TLS, SCRAM and access control at Kafka, TLS and users at the store. One
decision goes from its producer to its consumer, each with no more rights than the documentation says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
import redis
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)
from typer.testing import CliRunner

from app.cli import app
from app.commands import doctor_broker
from app.composition.parts import connection_of
from app.settings import load_settings
from app.stream.access import PRINCIPALS, allow, grants
from app.stream.broadcast import Broadcast
from app.stream.topics import Topic, TopicTable
from tests.conftest import unavailable
from tests.integration.composed import SECURE, Composed, composed
from tests.kafka_broker import KafkaUnavailableError
from tests.processes import until

pytestmark = pytest.mark.broker

DECISION = {
    "decision_id": "exp-1",
    "decision_type": "expense.approval",
    "occurred_at": "2026-03-02T09:30:00Z",
    "subject": "emp-17",
    "recommendation": {"action": "approve", "probability": 0.93, "rationale": "matches policy 4.2"},
    "facts": {"amount": 6000},
    "model": {"name": "expenses", "version": "3"},
}


@pytest.fixture(scope="module")
def secure() -> Iterator[Composed]:
    """Broker and store as in the compose files, with what their one-shot services make."""
    with composed(SECURE) as system:
        broker = system.broker()
        try:
            broker.start()
            admin = system.env("topics", "admin")
            script = system.services["topics"]["entrypoint"][2]
            script = script.replace("/opt/hitl", "{root}").replace(
                "/run/hitl", str(system.secret("admin", ""))
            )
            for line in script.split("; "):
                words = line.replace("{root}", str(system.root)).split()
                done = system.run(
                    *(words[1:] if words[0] == "python" else ["-m", "app", *words[1:]]), env=admin
                )
                assert done.returncode == 0, done.stderr
            with system.store():
                yield system
        except KafkaUnavailableError as error:
            unavailable(str(error))
        finally:
            broker.stop()


def client(system: Composed, principal: str, **more: object) -> dict[str, object]:
    """How a principal signs in at the broker."""
    lines = system.secret(principal, "kafka.properties").read_text().splitlines()
    found = dict(line.split("=", 1) for line in lines)
    return {**found, "bootstrap.servers": system.address("kafka:9092"), "log_level": 0, **more}


def refusal(system: Composed, principal: str, topic: str, what: str) -> int | None:
    """The broker's error when a principal reads or writes a topic; ``None`` when it may."""
    if what == "write":
        found: list[KafkaError | None] = []
        producer = Producer(client(system, principal))  # type: ignore[arg-type]
        producer.produce(topic, b"x", on_delivery=lambda error, _: found.append(error))
        assert producer.flush(180) == 0
        return found[0].code() if found[0] else None
    config = {"group.id": "consumer-x", "enable.partition.eof": True}
    consumer = Consumer(client(system, principal, **config))  # type: ignore[arg-type]
    try:
        known = consumer.list_topics(topic, timeout=120).topics[topic]
        if known.error is not None:
            return int(known.error.code())
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(180)
        assert message is not None
        error = message.error()
        return None if error is None or error.code() == KafkaError._PARTITION_EOF else error.code()
    finally:
        consumer.close()


def test_a_decision_goes_from_its_producer_to_its_consumer(secure: Composed) -> None:
    port = secure.address("worker:9464").rpartition(":")[2]
    worker, console = secure.env("worker", HITL_METRICS_PORT=port), secure.env("console")
    secure.start("-m", "app", "worker", "--slot", "a", env=worker, name="worker")
    submitted = secure.run(
        "-m", "app", "submit", "-", env=worker_as(secure, "producer"), given=json.dumps(DECISION)
    )
    assert (submitted.returncode, submitted.stdout) == (0, "1 sent, 0 rejected\n"), submitted.stderr
    waiting: list[str] = []

    def came() -> bool:
        listed = secure.run("-m", "app", "review", "list", "--as", "ann", "--json", env=console)
        assert listed.returncode == 0, listed.stderr
        waiting[:] = [json.loads(line)["review_id"] for line in listed.stdout.splitlines()]
        return bool(waiting)

    until(came, "the review is in the queue")
    answer = ("--action", "reject", "--reasoning", "no receipt", "--reason-code", "other", "--as", "ann")
    for verb in (("claim", "--pool", "reviewers", "--as", "ann"), ("decide", waiting[0], *answer)):
        done = secure.run("-m", "app", "review", *verb, env=console)
        assert done.returncode == 0, done.stderr
    consumer = Consumer(
        client(secure, "consumer", **{"group.id": "consumer-expenses", "auto.offset.reset": "earliest"})  # type: ignore[arg-type]
    )
    consumer.subscribe(["decisions.resolved"])
    read: list[bytes | str | None] = []

    def resolved() -> bool:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            read.append(message.key())
        return bool(read)

    until(resolved, "the decision is resolved")
    consumer.close()
    assert read == [b"exp-1"]

    def all_read() -> bool:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as page:
            return "\nhitl_feedback_oldest_pending_seconds{" in page.read().decode()

    until(all_read, "the worker has read every topic that its metrics are made of")


def worker_as(system: Composed, principal: str) -> dict[str, str]:
    """The environment of a program outside that signs in as a principal; it knows no store."""
    env = system.env("worker")
    return {
        **{name: value for name, value in env.items() if not name.startswith(("HITL_REDIS", "HITL_SECRET"))},
        "HITL_KAFKA_CONFIG": str(system.secret(principal, "kafka.properties")),
        "HITL_KAFKA_BOOTSTRAP_SERVERS": system.address("kafka:9092"),
    }


def test_the_doctor_finds_nothing_wrong_with_it(secure: Composed) -> None:
    done = secure.run("-m", "app", "doctor", "--json", env=secure.env("worker"))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stdout
    assert {row["state"] for row in rows if row["check"] in ("broker", "topics", "store", "secret")} == {"ok"}


def test_who_may_not_read_a_topic_is_told_who_may(secure: Composed) -> None:
    """The whole story of a decision is the administrator's: among its topics are the dead letters."""
    found = {
        principal: secure.run("-m", "app", "status", "nobody-s", env=secure.env(service, principal))
        for service, principal in (("console", "console"), ("topics", "admin"))
    }
    assert found["console"].returncode == 3
    assert "does not let this principal read it" in found["console"].stderr
    assert "hitl topics acls" in found["console"].stderr
    assert "nobody-s" in found["admin"].stdout + found["admin"].stderr
    assert found["admin"].returncode == 1


def asked(system: Composed, **changes: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The doctor's exit code and what failed, by check, for a worker with these changes."""
    env = {name: value for name, value in system.env("worker", **changes).items() if name.startswith("HITL_")}
    done = CliRunner().invoke(app, ["doctor", "--json"], env=env)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return done.exit_code, {row["check"]: row for row in rows if row["state"] == "failed"}


def changed(system: Composed, file: Path, old: str, new: str) -> str:
    """A copy of the worker's properties with something else in it."""
    text = system.secret("worker", "kafka.properties").read_text(encoding="utf-8")
    file.write_text(re.sub(old, new, text, flags=re.MULTILINE), encoding="utf-8")
    file.chmod(0o400)
    return str(file)


@pytest.mark.parametrize(
    ("old", "new", "do"),
    [
        ("^sasl.password=.*", "sasl.password=guessed", "check user and password in HITL_KAFKA_CONFIG"),
        ("^ssl.ca.location=.*", "", "check ssl.ca.location and security.protocol in HITL_KAFKA_CONFIG"),
    ],
)
def test_the_doctor_says_why_the_broker_does_not_let_us_in(
    secure: Composed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, do: str
) -> None:
    monkeypatch.setattr(doctor_broker, "PATIENCE", 3.0)
    config = changed(secure, tmp_path / "kafka.properties", old, new)
    said: list[str] = []

    def why() -> bool:  # on a busy machine the reason may come after the patience is over
        code, failed = asked(secure, HITL_KAFKA_CONFIG=config)
        said.append(str(failed))
        assert (code, failed.keys()) == (3, {"broker"}), failed
        return failed["broker"]["do"] == do

    until(why, do)
    assert "guessed" not in str(said)


@contextmanager
def without(system: Composed, topic: Topic, operation: AclOperation) -> Iterator[None]:
    """A right of the worker is taken away; all rights are there again at the end."""
    lines = system.secret("admin", "kafka.properties").read_text().splitlines()
    config = {
        **dict(line.split("=", 1) for line in lines),
        "bootstrap.servers": system.address("kafka:19093"),
    }
    admin = AdminClient(config)
    right = (ResourceType.TOPIC, topic.value, ResourcePatternType.LITERAL, "User:worker", "*")
    taken = AclBindingFilter(*right, operation, AclPermissionType.ALLOW)
    for future in admin.delete_acls([taken]).values():
        assert len(future.result(180)) == 1
    try:
        yield
    finally:
        allow(admin, grants(TopicTable.load()), {name: f"User:{name}" for name in PRINCIPALS})


def test_a_worker_that_may_not_hear_thresholds_any_more_knows_it(secure: Composed) -> None:
    connection = connection_of(load_settings(secure.env("worker")))
    broadcast = Broadcast(connection, Topic.THRESHOLDS_UPDATED, lambda _: None)
    broadcast.start()
    try:
        with without(secure, Topic.THRESHOLDS_UPDATED, AclOperation.READ):
            until(lambda: broadcast.deaf_for() > 0, "it is refused")
        until(lambda: broadcast.deaf_for() == 0.0, "it is let in again")
    finally:
        broadcast.stop()


def test_the_doctor_names_the_right_that_is_missing(secure: Composed) -> None:
    found: list[dict[str, dict[str, str]]] = []

    def named() -> bool:  # brokers hear of a change a moment later
        code, failed = asked(secure)
        found[:] = [failed]
        return code == 1 and "rights" in failed

    with without(secure, Topic.DECISIONS_ROUTED, AclOperation.WRITE):
        until(named, "the doctor sees it")
    assert found[0]["rights"]["detail"] == "short of what worker needs: write decisions.routed"
    assert found[0]["rights"]["do"] == "as an administrator: hitl topics acls --apply"


@pytest.mark.parametrize(
    ("principal", "topic", "what"),
    [
        ("producer", "decisions.resolved", "read"),
        ("producer", "decisions.resolved", "write"),
        ("producer", "reviews.outcomes", "write"),
        ("consumer", "decisions.submitted", "write"),
        ("consumer", "decisions.submitted", "read"),
        ("consumer", "privacy.keys", "read"),
        ("console", "reviews.outcomes", "write"),
        ("console", "policy.activated", "write"),
        ("worker", "decisions.submitted", "write"),
        ("worker", "policy.activated", "write"),
    ],
)
def test_what_a_principal_has_no_right_to_is_refused(
    secure: Composed, principal: str, topic: str, what: str
) -> None:
    assert refusal(secure, principal, topic, what) == KafkaError.TOPIC_AUTHORIZATION_FAILED


@pytest.mark.parametrize("principal", PRINCIPALS)
def test_nobody_makes_a_topic(secure: Composed, principal: str) -> None:
    admin = AdminClient(client(secure, principal))  # type: ignore[arg-type]
    [made] = admin.create_topics([NewTopic(f"of-{principal}", 1, 1)]).values()
    with pytest.raises(KafkaException) as refused:
        made.result(180)
    assert refused.value.args[0].code() in (
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    )


def test_nobody_signs_in_without_password_or_without_tls(secure: Composed) -> None:
    known = client(secure, "producer")
    wrong = {**known, "sasl.password": "guessed"}
    bare = {"bootstrap.servers": known["bootstrap.servers"], "log_level": 0}
    strange = {name: value for name, value in known.items() if name != "ssl.ca.location"}
    certificate_only = {
        **bare, "security.protocol": "SSL", "ssl.ca.location": known["ssl.ca.location"],
        "bootstrap.servers": secure.address("kafka:19093"),
    }  # fmt: skip
    for config in (wrong, bare, strange, certificate_only):
        with pytest.raises(KafkaException):
            AdminClient(config).list_topics(timeout=3)  # type: ignore[arg-type]


def test_the_store_lets_in_who_it_knows_over_tls_only(secure: Composed) -> None:
    settings = load_settings(secure.env("worker"))
    assert settings.redis_url is not None
    ours = redis.Redis.from_url(settings.redis_url)
    assert ours.execute_command("PING")
    for forbidden in (
        ("CONFIG", "GET", "*"),
        ("FLUSHALL",),
        ("KEYS", "*"),
        ("ACL", "LIST"),
        ("GET", "other"),
    ):
        with pytest.raises(redis.exceptions.NoPermissionError):
            ours.execute_command(*forbidden)
    address = secure.address("valkey:6379")
    ca = secure.secret("worker", "ca.pem")
    with pytest.raises(redis.ConnectionError):
        redis.Redis.from_url(f"redis://{address}").ping()
    with pytest.raises(redis.ConnectionError, match="certificate"):
        redis.Redis.from_url(f"rediss://{address}").ping()
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(f"rediss://worker:guessed@{address}?ssl_ca_certs={ca}").ping()
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(f"rediss://{address}?ssl_ca_certs={ca}").ping()
