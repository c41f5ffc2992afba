"""hitl erase on real services: after it nobody finds the person, and everything else still holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from app.composition.parts import open_codec
from app.domain.answers import Verdict
from app.domain.events import DecisionResolved, LearningLabel, OverrideCategory, ReviewLifecycle
from app.domain.review import Reviewer
from app.stream.topics import Topic, TopicTable
from tests.integration.commands.test_verbs import line
from tests.integration.conftest import Deploy
from tests.integration.deployment import Deployment, header, until
from tests.unit.agents.parts import POLICY_TEXT

pytestmark = pytest.mark.broker

CANARY = "Zebulon Quirk"
ANN = Reviewer(name="ann", pools=frozenset({"expenses"}))
POLICY = POLICY_TEXT.replace("name: test\n", "name: test\nprivacy: {encrypt: true}\n")


def test_a_person_is_erased_everywhere_and_nothing_else(deploy: Deploy, kafka: str) -> None:
    deployment = deploy(policy=POLICY)
    compact_soon(kafka, deployment)
    worker = deployment.worker()
    hers = {"subject": CANARY, "facts": {"amount": 40, "name": CANARY}}
    first = [line(name, 0.8, **hers) for name in ("z-review", "z-open")] + [line("z-auto", **hers)]
    submit(deployment, "z", [*first, line("other", 0.8)])
    submit(deployment, "repeated", first[:1])
    watch = deployment.watch
    until(lambda: set(reviews(deployment)) == {"z-review", "z-open", "other"}, "three reviews")
    asked_and_answered(deployment, "z-review", f"{CANARY} says otherwise")
    asked_and_answered(deployment, "other", "looked at it")
    watch.wait(Topic.DECISIONS_RESOLVED, 3)
    watch.wait(Topic.FEEDBACK_TRAINING_EXAMPLES, 2)
    until(lambda: labels(deployment), "labels")
    duplicate = watch.wait(Topic.DEADLETTER, 1)[0]
    assert header(duplicate, "dlq_reason") == "duplicate"

    # Encrypted from the first topic of ours on; readable for everybody who has the keys.
    readable = {Topic.DECISIONS_SUBMITTED, Topic.PRIVACY_KEYS}
    assert {topic for topic, found in raw(kafka, deployment) if CANARY.encode() in found} == readable
    pack = deployment.directory / "pack.json"
    assert deployment.hitl("evidence", "z-review", "--out", str(pack)).returncode == 0
    assert CANARY in pack.read_text(encoding="utf-8")
    assert deployment.hitl("evidence", "verify", "z-review").returncode == 0
    assert CANARY in exported(deployment, "before")

    # --- what would be done, and why not yet ----------------------------------------------------------
    would = deployment.hitl("erase", CANARY, "--json")
    assert would.returncode == 0, would.stderr
    found = json.loads(would.stdout)
    assert (found["applied"], found["decisions"], found["remains"]) == (False, 3, [])
    no = deployment.hitl("erase", CANARY, "--apply", "--why", "request 1")
    assert no.returncode == 1
    assert "1 reviews are not over (decisions z-open)" in no.stderr
    assert deployment.hitl("erase", CANARY, "--apply").returncode == 2

    # --- done -----------------------------------------------------------------------------------------
    assert deployment.hitl("withdraw", "z-open").returncode == 0
    until(lambda: "withdrawn" in steps(deployment, "z-open"), "the end of the open review")
    until(lambda: erase(deployment, "--wait", "60")[0] == 0, "the erasure")
    assert {topic for topic, found in raw(kafka, deployment) if CANARY.encode() in found} == set()
    assert CANARY.encode() not in dump(deployment)
    assert CANARY not in exported(deployment, "after")
    code, again = erase(deployment)
    assert (code, again["decisions"], again["keys_erased"], again["on_disk"]) == (0, 0, 0, 0)

    # --- evidence holds, and says what happened -------------------------------------------------------
    done = deployment.hitl("evidence", "verify", "z-review")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "by ann: request 1" in done.stdout
    assert "holds" in done.stdout
    assert deployment.hitl("evidence", "z-review").returncode == 1
    assert deployment.hitl("evidence", "verify", str(pack)).returncode == 0
    assert deployment.hitl("evidence", "verify", "other").returncode == 0

    # --- everybody else goes on, and the person may come back -----------------------------------------
    submit(deployment, "back", [line("z-again", 0.8, **hers), line("other-2", 0.8)])
    until(lambda: {"z-again", "other-2"} <= set(reviews(deployment)), "the next reviews")
    assert worker.running
    assert len(labels(deployment)) == 2
    codec = open_codec(deployment.settings)
    resolved = {(r.key or b"").decode(): r.value for r in watch[Topic.DECISIONS_RESOLVED]}
    assert codec.decode_as(resolved["other"], DecisionResolved).resolution.reviewer == "ann"


def erase(deployment: Deployment, *more: str):
    command = ("erase", CANARY, "--apply", "--why", "request 1", "--as", "ann", "--json", *more)
    done = deployment.hitl(*command)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def submit(deployment: Deployment, name: str, lines: list[str]) -> None:
    file = deployment.directory / f"{name}.jsonl"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert deployment.hitl("submit", str(file)).returncode == 0


def reviews(deployment: Deployment) -> dict[str, str]:
    return {one.decision_id: one.review_id for one in deployment.queue.queue.list("expenses", limit=500)}


def asked_and_answered(deployment: Deployment, name: str, words: str) -> None:
    queue, review_id = deployment.queue.queue, reviews(deployment)[name]
    lease = queue.claim(review_id, ANN)
    queue.request_info(review_id, ANN, lease.review.epoch, words)
    queue.answer_info(review_id, ANN, words)
    lease = queue.claim(review_id, ANN)
    verdict = Verdict(
        action="reject",
        reasoning=words,
        note=words,
        reason_code="misread",
        category=OverrideCategory.AI_ERROR,
    )
    queue.decide(review_id, ANN, lease.review.epoch, lease.review.digest, verdict)


def labels(deployment: Deployment) -> list[str]:
    codec = open_codec(deployment.settings)
    events = [codec.decode(record.value) for record in deployment.watch[Topic.LEARNING_CASES]]
    return [event.decision_id for event in events if isinstance(event, LearningLabel)]


def steps(deployment: Deployment, name: str) -> list[str]:
    codec = open_codec(deployment.settings)
    mine = [r for r in deployment.watch[Topic.REVIEWS_LIFECYCLE] if r.key == name.encode()]
    return [codec.decode_as(record.value, ReviewLifecycle).event for record in mine]


def exported(deployment: Deployment, name: str) -> str:
    out = deployment.directory / name
    done = deployment.hitl("export", "training", "--out", str(out), "--format", "csv")
    assert done.returncode == 0, done.stderr
    return "".join(file.read_text(encoding="utf-8") for file in Path(out).iterdir() if file.is_file())


def dump(deployment: Deployment) -> bytes:
    """Every key of the store under our prefix, with its value as the server writes it to disk."""
    assert deployment.settings.redis_url is not None
    client = redis.Redis.from_url(deployment.settings.redis_url)
    client.config_set("rdbcompression", "no")
    names = list(client.scan_iter(match=f"{deployment.connection.prefix}*"))
    assert names
    return b"".join(name + (client.dump(name) or b"") for name in names)


def raw(kafka: str, deployment: Deployment) -> Iterator[tuple[str, bytes]]:
    """Every topic's bytes as any client can get them, also of aborted transactions and replaced records."""
    for name in map(str, TopicTable.load().named(deployment.policy.pool_names)):
        topic = deployment.connection.topic(name)
        consumer = Consumer({
            "bootstrap.servers": kafka, "group.id": "raw", "isolation.level": "read_uncommitted",
            "enable.partition.eof": True, "auto.offset.reset": "earliest",
        })  # fmt: skip
        numbers = consumer.list_topics(topic, timeout=60).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in numbers])
        found, ended = bytearray(), set()
        while len(ended) < len(numbers):
            for message in consumer.consume(1000, 0.2):
                if message.error() is not None:
                    ended.add(message.partition())
                    continue
                found += (message.key() or b"") + (message.value() or b"")
                found += b"".join((value or b"") for _, value in message.headers() or [])
        consumer.close()
        yield name, bytes(found)


def compact_soon(kafka: str, deployment: Deployment) -> None:
    """What takes an hour takes moments here: small segments, and a cleaner that does not rest."""
    admin = AdminClient({"bootstrap.servers": kafka})
    broker = str(next(iter(admin.list_topics(timeout=60).brokers)))
    wanted = [
        (ResourceType.BROKER, broker, {"log.cleaner.backoff.ms": "200"}),
        (ResourceType.TOPIC, deployment.connection.topic(Topic.PRIVACY_KEYS), {"segment.ms": "500"}),
    ]
    for kind, name, settings in wanted:
        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            for key, value in settings.items()
        ]
        resource = ConfigResource(kind, name, incremental_configs=entries)
        for future in admin.incremental_alter_configs([resource]).values():
            future.result(180)
