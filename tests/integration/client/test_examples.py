"""The examples as a reader runs them, and what other people's tools make of our records."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event

from app.client import Decisions, DecisionWithdrawnError
from app.domain.events import DecisionResolved, DecisionSubmitted
from app.stream.topics import Topic, pool_topic
from tests.conftest import unavailable
from tests.integration.client.conftest import Installation
from tests.integration.deployment import CODEC
from tests.processes import ROOT, until

pytestmark = pytest.mark.broker

MODIFY: dict[str, object] = {
    "action": "modify",
    "changes": {"amount": 90.0},
    "reason_code": "other",
    "category": "ai_error",
    "note": "the receipt says 90",
}


def decision(name: str) -> dict[str, object]:
    return {
        "decision_id": name,
        "decision_type": "expense.approval",
        "occurred_at": "2026-11-02T09:30:00Z",
        "subject": f"emp-{name}",
        "recommendation": {"action": "approve", "probability": 0.4},
        "facts": {"amount": 10.0, "currency": "EUR", "category": "meals", "tenure_days": 40},
        "model": {"name": "expenses", "version": "3"},
    }


@pytest.fixture(scope="module")
def java_jars() -> Path:
    """What examples/java/pom.xml names, fetched as its first line says."""
    if shutil.which("javac") is None or shutil.which("mvn") is None:
        unavailable("the consumer in Java: no JDK 17 with Maven")
    folder = Path.home() / ".cache" / "hitl-stream" / "java-example"
    if not list(folder.glob("avro-*.jar")):
        command = ["mvn", "-q", "-B", "-f", "examples/java/pom.xml", "dependency:copy-dependencies"]
        done = subprocess.run(
            [*command, f"-DoutputDirectory={folder}"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout
    return folder


def said(process: subprocess.Popen[str]) -> str:
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text
    return text


def resolved(installation: Installation, name: str) -> DecisionResolved:
    watch = installation.deployment.watch

    def found() -> list[DecisionResolved]:
        return [
            CODEC.decode_as(record.value, DecisionResolved)
            for record in watch[Topic.DECISIONS_RESOLVED]
            if record.key == name.encode()
        ]

    until(found, f"{name} is resolved")
    [one] = found()
    return one


def test_a_producer_hands_in_and_acts_on_the_answer(installation, answering):
    answering["exp-1001"] = MODIFY
    text = said(installation.run("examples/producer.py", "exp-1001"))
    assert "exp-1001 is resolved" in text and "to pay: 90\n" in text
    event = resolved(installation, "exp-1001")
    assert event.resolution.action == "modify" and event.routed.scored.decision.submitted_by == "svc-expenses"
    again = said(installation.run("examples/producer.py", "exp-1001"))
    assert "modify by" in again
    submitted = [
        CODEC.decode_as(record.value, DecisionSubmitted).decision_id
        for record in installation.deployment.watch[Topic.DECISIONS_SUBMITTED]
    ]
    assert submitted.count("exp-1001") == 1
    with Decisions(installation.url, installation.token) as decisions:
        told = decisions.resolution("exp-1001")
    assert told.resolution_id == event.resolution.resolution_id
    assert (told.action, told.decided_by) == (event.resolution.action, event.resolution.decided_by)
    assert (told.reviewer, told.reasoning) == (event.resolution.reviewer, event.resolution.reasoning)


def test_many_at_once(installation, answering):
    assert said(installation.run("examples/producer_async.py", "batch-1", "5")) == "{'approve': 5}\n"


def test_an_agent_waits_for_a_persons_yes(installation, answering):
    answering["reimburse-trip-1"] = {"action": "reject", "reason_code": "other", "note": "no"} | {
        "category": "edge_case"
    }
    text = said(installation.run("examples/langgraph_approval.py", "trip-1"))
    assert "the graph waits at ('act',)" in text and "not done: reject by" in text
    assert "paid 1240.5 EUR for trip-2" in said(installation.run("examples/langgraph_approval.py", "trip-2"))


def test_a_withdrawal_reaches_the_reviewers(installation):
    with Decisions(installation.url, installation.token) as decisions:
        decisions.submit(decision("gone-1"))
        until(lambda: decisions.progress("gone-1").status == "open", "it waits for a person")
        decisions.withdraw("gone-1", "cancelled")
        with pytest.raises(DecisionWithdrawnError, match="svc-expenses: cancelled"):
            decisions.resolution("gone-1", timeout=180)


TOLD = (
    Topic.DECISIONS_SCORED,
    Topic.DECISIONS_ROUTED,
    Topic.DECISIONS_RESOLVED,
    Topic.REVIEWS_OUTCOMES,
    Topic.REVIEWS_LIFECYCLE,
    pool_topic("finance"),
)


def test_others_read_our_records_as_cloudevents(installation, answering):
    """The SDK of the CloudEvents project, on records as Kafka has them: binary mode."""
    with Decisions(installation.url, installation.token) as decisions:
        decisions.decide(decision("cloud-1"), timeout=300)
    watch = installation.deployment.watch
    for topic in TOLD:
        until(lambda topic=topic: watch[topic], f"records of {topic}")
        for record in watch[topic]:
            event = from_kafka_event(KafkaMessage(dict(record.headers), record.key, record.value))
            name = type(CODEC.decode(record.value)).__name__
            assert event.get_specversion() == "1.0" and event.get_source() == "/hitl"
            assert event.get_type() == f"hitl.events.{name}" and event.get_id().startswith(f"{name}/")
            assert event.get_datacontenttype() == "application/avro" and event.get_data() == record.value
            assert datetime(2020, 1, 1, tzinfo=UTC) < event.get_time()


def test_java_reads_every_final_answer_with_the_committed_schemas(installation, answering, java_jars):
    with Decisions(installation.url, installation.token) as decisions:
        answer = decisions.decide(decision("java-1"), timeout=300)
    there = len(installation.deployment.watch.wait(Topic.DECISIONS_RESOLVED, 1))
    deployment = installation.deployment
    done = subprocess.run(
        [
            *("java", "-cp", f"{java_jars}/*", "examples/java/ResolvedConsumer.java"),
            deployment.settings.kafka_bootstrap_servers,
            "schemas/history",
            deployment.connection.topic(Topic.DECISIONS_RESOLVED),
            str(there),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("java-1 "))
    assert f"expense.approval approve by human, resolution {answer.resolution_id}" in line
    assert '"currency":"EUR"' in line
