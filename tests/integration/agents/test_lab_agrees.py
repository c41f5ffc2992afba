"""What `hitl lab simulate` says is what the stream does: the same decisions, coins and answers, through
agents, topics and store, and every decision is routed, checked and resolved alike - before and after a
certificate lets the AI decide alone, with a new model version in shadow. The same policy in `hitl lab shadow`
agrees, too, and joins no group."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from app.composition.parts import open_desk
from app.desk.desk import ReviewDesk
from app.domain.answers import Verdict
from app.domain.context_package import is_blind
from app.domain.events import (
    Arm,
    DecisionResolved,
    DecisionRouted,
    ReviewKind,
    ReviewRequested,
    ScoreTally,
    ThresholdUpdated,
)
from app.domain.evidence import reviewed_probability
from app.domain.routing import eligible
from app.domain.submission import parse_decision
from app.lab.answers import SECOND_LOOK_SEAT
from app.lab.reviewers import Reviewers, answer, luck
from app.lab.run import secret_of
from app.lab.simulation import STRIDE
from app.stream.topics import Topic, pool_topic
from tests.conftest import create_topics
from tests.integration.deployment import CODEC, NOW, Deployment, by_key, letters, until
from tests.processes import Process

pytestmark = pytest.mark.broker

POLICY = """
name: Agreement
pools:
  people: {title: People}
people:
  ann: {title: Ann, pools: [people]}
  ben: {title: Ben, pools: [people]}
decision_types:
  loan:
    question: Approve?
    pool: people
    risk: low
    alpha: 0.3
    delta: 0.4
    evidence: {floor: 0.1, initial: 0.9, scale: 40}
    learning: {catch_rate: 0.9, planned_labels: 600, confirm_errors: true}
    gold_share: 0
    required_facts: [amount]
    consequence:
      financial: {score: "min(facts.amount / 10000, 1)"}
    rules:
      - {name: large, text: Large loans need an expert, when: facts.amount > 5000, min_level: 4}
    actions: [approve, reject, modify, request_info]
"""
HITL = (sys.executable, "-m", "app")
SEED = 11
PEOPLE = Reviewers(sensitivity=0.9, anchoring=0.3, false_override=0.03, gold_rate=0.0)
TOLD = "sensitivity: 0.9\nanchoring: 0.3\nfalse_override: 0.03\ngold_rate: 0\n"
COUNT = 2 * STRIDE + 130
COMPARED = (
    "level", "automated", "audited", "inclusion_probability", "blind", "threshold", "confidence",
    "final_action", "decided_by", "evidence", "evidence_probability", "learning_key", "epoch",
)  # fmt: skip


def decisions() -> list[dict]:
    """An AI that is about as often right as it says, and its next version, in shadow, that always is."""
    chance = random.Random(3)
    found = []
    for number in range(COUNT):
        p = round(chance.uniform(0.7, 0.999), 4)
        found.append(
            {
                "decision_id": f"loan-{number:04d}",
                "decision_type": "loan",
                "occurred_at": datetime.fromtimestamp((NOW - 3_600_000 + number) / 1000, UTC).isoformat(),
                "subject": f"s-{number % 50}",
                "submitted_by": "svc-loans",
                "recommendation": {"action": "approve", "probability": p},
                "alternatives": [{"action": "reject", "probability": round(1 - p, 4)}],
                "facts": {"amount": chance.choice([50, 100, 400, 9000])},
                "signals": {"similarity": p, "consensus": 1.0, "rule_clarity": p},
                "model": {"name": "loans", "version": "1"},
                "truth": {"action": (truth := "approve" if chance.random() < p else "reject")},
                "shadows": [
                    {
                        "model": {"name": "loans", "version": "2"},
                        "recommendation": {"action": truth, "probability": 0.98},
                        "signals": {"similarity": 0.95, "consensus": 1.0, "rule_clarity": 0.95},
                    }
                ],
            }
        )
    return found


@pytest.fixture
def deployment(kafka: str, store_url: str, tmp_path: Path, topic_prefix: str) -> Iterator[Deployment]:
    """Answers and submissions keep their order: one partition each."""
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "secret").write_bytes(secret_of(SEED))
    made = Deployment(kafka, store_url, topic_prefix, tmp_path, tmp_path / "policy.yaml")
    made.env["HITL_SECRET_FILE"] = str(tmp_path / "secret")
    ordered = (Topic.DECISIONS_SUBMITTED, Topic.REVIEWS_OUTCOMES)
    create_topics(kafka, *(topic_prefix + topic for topic in ordered), partitions=1)
    try:
        made.apply_topics()
        until(made.led, "every topic can be read")
        yield made
    finally:
        made.close()


def submit_at_once(deployment: Deployment, stride: list[dict]) -> None:
    """As one batch of the log, so that workers read it as one."""
    producer = Producer(
        {"bootstrap.servers": deployment.settings.kafka_bootstrap_servers or "", "linger.ms": 120_000}
    )
    topic = deployment.connection.topic(Topic.DECISIONS_SUBMITTED)
    # Known before: else the client hands them to their partition one by one when it hears of it, and what is
    # there by then goes out.
    assert producer.list_topics(topic, timeout=120).topics[topic].error is None
    for one in stride:
        event = parse_decision(json.dumps(one).encode())
        producer.produce(topic, CODEC.encode(event), one["decision_id"].encode())  # type: ignore[arg-type]
    assert producer.flush(180) == 0


def simulated(deployment: Deployment, found: list[dict]) -> dict[str, dict]:
    """What the lab says about each decision."""
    at = deployment.directory
    (at / "d.jsonl").write_text("".join(json.dumps(one) + "\n" for one in found), encoding="utf-8")
    (at / "people.yaml").write_text(TOLD, encoding="utf-8")
    done = deployment.hitl(
        "lab", "simulate", "--policy", str(at / "policy.yaml"), "--decisions", str(at / "d.jsonl"),
        "--reviewers", str(at / "people.yaml"), "--seed", str(SEED), "--out", str(at / "out.jsonl"),
        "--report", str(at / "lab.json"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, (at / "out.jsonl").read_text(encoding="utf-8").splitlines())
    return {line["decision_id"]: line for line in lines}


def answer_all(
    deployment: Deployment, desk: ReviewDesk, stride: list[dict], before: int, answered: int
) -> int:
    """People answer everything that is asked about these decisions, in their order; how many answers there
    are by now. ``before`` decisions came earlier."""
    watch = deployment.watch
    records = watch.wait(Topic.DECISIONS_ROUTED, before + len(stride))[before:]
    events = [CODEC.decode_as(record.value, DecisionRouted) for record in records]
    routes = {event.scored.decision.decision_id: event for event in events}
    assert routes.keys() == {one["decision_id"] for one in stride}
    asked = sum(len(event.route.review_kinds) for event in routes.values())
    requests = watch.wait(pool_topic("people"), answered + asked)[answered:]
    wanted = [CODEC.decode_as(record.value, ReviewRequested) for record in requests]
    reviews = {(e.routed.scored.decision.decision_id, e.request.kind): e for e in wanted}
    answered += asked
    for one in stride:
        name = one["decision_id"]
        route = routes[name].route
        for kind in route.review_kinds:
            event = reviews[name, kind]
            said = answer_one(deployment, desk, event, one)
            found = said != event.routed.scored.decision.recommendation.action
            if found and route.evidence and route.arm is Arm.BLIND and eligible(event.routed):
                # Before anybody answers the next one, as in the lab.
                answered += 1
                asked_again = watch.wait(pool_topic("people"), answered)[answered - 1]
                confirmation = CODEC.decode_as(asked_again.value, ReviewRequested)
                assert confirmation.request.kind is ReviewKind.SECOND_LOOK
                assert confirmation.routed == event.routed
                answer_one(deployment, desk, confirmation, one)
    return answered


def answer_one(deployment: Deployment, desk: ReviewDesk, event: ReviewRequested, one: dict) -> str:
    """A person answers a review; the answer."""
    directory, terms = deployment.policy.directory, deployment.policy.terms["loan"]
    second = event.request.kind is ReviewKind.SECOND_LOOK
    chance = luck(secret_of(SEED), one["decision_id"], SECOND_LOOK_SEAT if second else 0)
    decision, unseen = event.routed.scored.decision, event.request.blind
    said = answer(PEOPLE, decision, one["truth"]["action"], terms, chance.verdict, blind=unseen)
    who = directory.people["ben" if second else "ann"]
    lease = desk.claim(who, event.request.review_id)
    if unseen:
        desk.reveal(who, event.request.review_id, lease.review.epoch, said)
    verdict = Verdict(action=said, reasoning="looked at it", reason_code="other")
    desk.decide(who, event.request.review_id, lease.review.epoch, lease.review.digest, verdict)
    return said


def learned(deployment: Deployment, answers: int) -> None:
    """Every answer is learned from, and whoever routes next will have heard of it."""
    deployment.watch.wait(Topic.REVIEWS_OUTCOMES, answers)
    deployment.caught_up("hitl-outcome", Topic.REVIEWS_OUTCOMES)
    deployment.caught_up("hitl-drift", Topic.LEARNING_CASES)


def became_of(deployment: Deployment) -> dict[str, dict]:
    """What the stream did with each decision, as the lab writes it."""
    watch = deployment.watch
    resolved = by_key(watch.wait(Topic.DECISIONS_RESOLVED, COUNT))
    assert len(resolved) == COUNT
    found = {}
    for name, record in resolved.items():
        event = CODEC.decode_as(record.value, DecisionResolved)
        routed, route = event.routed, event.routed.route
        looked = [kind for kind in route.review_kinds if kind is not ReviewKind.SECOND_LOOK]
        found[name] = {
            "level": route.level,
            "automated": route.level <= 2,
            "audited": route.level <= 2 and bool(route.review_kinds),
            "inclusion_probability": reviewed_probability(route),
            "blind": any(is_blind(routed, kind) for kind in looked),
            "threshold": route.threshold,
            "confidence": route.score,
            "final_action": event.resolution.action,
            "decided_by": event.resolution.decided_by.value,
            "evidence": route.evidence,
            "evidence_probability": route.evidence_probability,
            "learning_key": route.learning_key,
            "epoch": route.epoch,
        }
    return found


def test_the_stream_decides_what_the_lab_says(deployment: Deployment) -> None:
    found = decisions()
    expected = simulated(deployment, found)
    deployment.worker("outcome,review_request", slot="people")
    deployment.worker("drift", slot="drift")
    decider = deployment.worker("scoring,routing", slot="decider")
    until(lambda: deployment.members("hitl-decide") == 1, "the decider reads")
    shadow_log = deployment.directory / "shadow.log"
    shadow = Process(
        [*HITL, "lab", "shadow", "--max", str(COUNT), "--report", str(deployment.directory / "shadow.json")],
        deployment.env,
        shadow_log,
    ).start()
    try:
        until(lambda: shadow.says("from here on") or not shadow.running, "the shadow listens")
        desk = open_desk(CODEC, lambda: deployment.policy, deployment.queue)
        answers = 0
        for start in range(0, COUNT, STRIDE):
            stride = found[start : start + STRIDE]
            if start:  # one that starts knows everything that was announced
                decider.terminate()
                decider = deployment.worker("scoring,routing", slot="decider")
            submit_at_once(deployment, stride)
            answers = answer_all(deployment, desk, stride, start, answers)
            learned(deployment, answers)
        assert shadow.wait() == 0, shadow_log.read_text(encoding="utf-8")
    finally:
        shadow.kill()

    tallies = [
        event
        for record in deployment.watch[Topic.LEARNING_CASES]
        if isinstance(event := CODEC.decode(record.value), ScoreTally)
    ]
    assert len(tallies) == 2 * -(-COUNT // STRIDE), "a stride came as several batches"
    done = became_of(deployment)
    different = {
        name: {field: (line[field], expected[name][field]) for field in COMPARED}
        for name, line in done.items()
        if any(line[field] != expected[name][field] for field in COMPARED)
    }
    assert not different, f"{len(different)} of {COUNT}: {list(different.items())[:3]}"

    # The scenario is about something: people decided first, then a certificate, then automation with checks.
    first, last = found[0]["decision_id"], found[-1]["decision_id"]
    assert expected[first]["threshold"] == 1.0
    assert expected[last]["threshold"] < 1.0
    assert sum(line["automated"] for line in done.values()) > 50
    assert any(line["audited"] for line in done.values())
    assert any(line["final_action"] == "reject" for line in done.values())
    updates = [
        CODEC.decode_as(record.value, ThresholdUpdated)
        for record in deployment.watch[Topic.THRESHOLDS_UPDATED]
    ]
    last_of = {update.learning_key: update for update in updates}
    expected_keys = json.loads((deployment.directory / "lab.json").read_text(encoding="utf-8"))["thresholds"]
    assert {
        key: (each.version, each.epoch, each.certified, each.cap, each.labels, each.errors)
        for key, each in last_of.items()
    } == {
        each["key"]: tuple(
            each[name] for name in ("version", "epoch", "certified", "cap", "labels", "errors")
        )
        for each in expected_keys
    }
    assert last_of.keys() == {"loan|loans:1", "loan|loans:2"}
    assert all(update.certified is not None for update in last_of.values())
    assert not letters(deployment.watch[Topic.DEADLETTER])

    replayed = deployment.hitl(
        "lab", "replay", "--seed", str(SEED), "--report", str(deployment.directory / "replay.json")
    )
    assert replayed.returncode == 0, replayed.stderr
    for name in ("shadow", "replay"):
        report = json.loads((deployment.directory / f"{name}.json").read_text(encoding="utf-8"))
        assert (report["decisions"], report["same_level"], report["unannounced"]) == (COUNT, 1.0, 0), name
        assert report["levels"] == report["levels_logged"], name
        assert report["rejected"]["total"] == 0, name
    # The replay has heard every answer: the truth lies within what it says.
    truth = {one["decision_id"]: one["truth"]["action"] for one in found}
    alone = [name for name, line in done.items() if line["automated"]]
    wrong = sum(done[name]["final_action"] != truth[name] for name in alone) / len(alone)
    low, high = report["automated_error_interval"]
    assert low <= wrong <= high
    groups = AdminClient({"bootstrap.servers": deployment.settings.kafka_bootstrap_servers})
    known = {group.group_id for group in groups.list_consumer_groups().result().valid}
    ours = {name for name in known if name.startswith(deployment.connection.prefix)}
    assert not [name for name in ours if "follower" in name or "broadcast" in name]
