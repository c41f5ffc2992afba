"""The command line goes by the policy that was activated, as workers and the console do."""

from __future__ import annotations

import json

import pytest

from app.domain.events import PolicyActivated
from app.stream.topics import Topic
from tests.integration.conftest import Deploy
from tests.integration.deployment import CODEC, NOW, Deployment, Given, a_decision, until
from tests.unit.agents.parts import OTHER_TYPE, POLICY_TEXT

pytestmark = pytest.mark.broker

BOTH = "people: {ann: {title: Ann, pools: [expenses]}, bob: {title: Bob, pools: [expenses]}}\n"
BOB_ONLY = "people: {ann: {title: Ann, pools: [experts]}, bob: {title: Bob, pools: [expenses]}}\n"
NOWHERE = "127.0.0.1:9"


def activate(deployment: Deployment, text: str) -> None:
    file = deployment.directory / "next.yaml"
    file.write_text(text, encoding="utf-8")
    done = deployment.hitl("policy", "activate", str(file), "--as", "root")
    assert done.returncode == 0, done.stderr


def test_an_authority_that_was_taken_away_is_gone_for_the_command_line(deploy: Deploy) -> None:
    deployment = deploy(POLICY_TEXT + BOTH)  # ... and this stays what the file says, to the end
    deployment.worker()
    deployment.submit(a_decision("exp-1", 0.8), a_decision("exp-2", 0.8))
    queue = deployment.queue.queue
    until(lambda: len(queue.list("expenses")) == 2, "two reviews")

    claimed = deployment.hitl("review", "claim", "--as", "ann", "--json")
    assert claimed.returncode == 0, claimed.stderr
    review = json.loads(claimed.stdout)["review_id"]
    said = f"no policy was activated: going by the policy file {deployment.settings.policy_path}"
    assert said in claimed.stderr

    activate(deployment, POLICY_TEXT + OTHER_TYPE + BOB_ONLY)
    answer = ("review", "decide", review, "--action", "approve", "--reasoning", "it fits")
    refused = deployment.hitl(*answer, "--as", "ann")
    assert (refused.returncode, refused.stdout) == (1, ""), refused.stderr
    assert "expenses" in refused.stderr
    assert deployment.hitl("review", "claim", "--pool", "expenses", "--as", "ann").returncode == 1
    assert deployment.hitl("review", "list", "--as", "ann", "--json").stdout == ""
    other = deployment.hitl("review", "claim", "--as", "bob", "--json")
    assert other.returncode == 0
    assert other.stderr == ""

    # A type that only the activated policy has is taken.
    file = deployment.directory / "trip.jsonl"
    trip = {"decision_id": "trip", "decision_type": "travel.approval", "subject": "emp-1", "facts": {}}
    trip |= {"recommendation": {"action": "approve", "probability": 0.9}, "model": {"name": "m"}}
    file.write_text(json.dumps(trip | {"occurred_at": "2026-03-02T09:30:00Z"}) + "\n", encoding="utf-8")
    sent = deployment.hitl("submit", str(file), "--json")
    assert "unknown_type" not in sent.stdout + sent.stderr

    # Without the broker nobody can know what is in force: looking goes by the file, acting waits.
    looking = deployment.hitl("queue", "stats", "--json", HITL_KAFKA_BOOTSTRAP_SERVERS=NOWHERE)
    assert looking.returncode == 0
    assert f"{NOWHERE} does not answer: going by the policy file" in looking.stderr
    acting = deployment.hitl(*answer, "--as", "ann", HITL_KAFKA_BOOTSTRAP_SERVERS=NOWHERE)
    assert acting.returncode == 3
    assert NOWHERE in acting.stderr


def test_what_was_activated_last_counts_however_many_there_were(deploy: Deploy) -> None:
    deployment = deploy(POLICY_TEXT + BOTH)
    events = [
        PolicyActivated(policy_version=f"v{n}", policy=text, activated_by="root", activated_at=NOW)
        for n, text in enumerate([*[POLICY_TEXT + BOTH] * 40, POLICY_TEXT + BOB_ONLY])
    ]
    deployment.write(Topic.POLICY_ACTIVATED, [Given(CODEC.encode(one), b"policy") for one in events])
    # Behind it a record under another key, which is nobody's policy.
    deployment.write(Topic.POLICY_ACTIVATED, [Given(CODEC.encode(events[0]), b"a stranger's key")])
    assert deployment.hitl("review", "claim", "--pool", "expenses", "--as", "ann").returncode == 1
    assert deployment.hitl("review", "claim", "--pool", "expenses", "--as", "bob").returncode == 0

    broken = PolicyActivated(policy_version="v", policy="name: [", activated_by="eve", activated_at=NOW)
    deployment.write(Topic.POLICY_ACTIVATED, [Given(CODEC.encode(broken), b"policy")])
    unusable = deployment.hitl("review", "claim", "--pool", "expenses", "--as", "bob")
    assert unusable.returncode == 1
    assert "activated by eve" in unusable.stderr
