"""hitl queue broken on real services: what the relay put aside is seen, and comes back encrypted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.composition.parts import open_codec
from app.domain.answers import Verdict
from app.domain.events import ReviewLifecycle
from app.domain.review import Reviewer
from app.review_queue import keys as names
from app.stream.topics import Topic
from tests.integration.commands.test_verbs import line
from tests.integration.conftest import Deploy
from tests.integration.deployment import Deployment, until
from tests.unit.agents.parts import POLICY_TEXT

pytestmark = pytest.mark.broker

ANN = Reviewer(name="ann", pools=frozenset({"expenses"}))
POLICY = POLICY_TEXT.replace("name: test\n", "name: test\nprivacy: {encrypt: true}\n")
WORDS = "is it hers?"


def test_what_was_put_aside_is_seen_and_comes_back_under_its_key(deploy: Deploy) -> None:
    deployment = deploy(policy=POLICY)
    worker = deployment.worker()
    file = deployment.directory / "one.jsonl"
    file.write_text(line("b-1", 0.8) + "\n", encoding="utf-8")
    assert deployment.hitl("submit", str(file)).returncode == 0
    parts, queue = deployment.queue, deployment.queue.queue
    until(lambda: queue.list("expenses"), "the review")
    worker.terminate()  # nobody relays
    review_id = queue.list("expenses")[0].review_id
    lease = queue.claim(review_id, ANN)
    queue.request_info(review_id, ANN, lease.review.epoch, WORDS)
    request = parts.keys.pool("expenses", names.REQUEST, review_id.partition(".")[2])
    kept = parts.client.execute_command("GET", request)
    parts.client.execute_command("DEL", request)

    worker = deployment.worker()
    until(lambda: told(deployment, "stats")[0]["broken"] == 2, "both are put aside")
    found = told(deployment, "broken", "list")
    assert [(step["decision_id"], step["event"], step["request_gone"]) for step in found] == [
        ("b-1", "claimed", True),
        ("b-1", "paused", True),
    ]
    assert found[0]["why"] == "RequestGoneError"
    assert deployment.hitl("queue", "broken", "put-back").returncode == 2  # which?
    unknown = deployment.hitl("queue", "broken", "put-back", "expenses/1-1")
    assert (unknown.returncode, "somebody may have put it back" in unknown.stderr) == (2, True)

    done = deployment.hitl("queue", "broken", "put-back", "--all", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"put_back": 2, "left": 0}), done.stderr
    assert parts.client.execute_command("GET", request) == kept
    assert parts.client.execute_command("TTL", request) == -1  # somebody has to decide it yet
    until(lambda: {"claimed", "paused"} <= set(steps(deployment)), "the log has them")
    assert told(deployment, "broken", "list") == []
    assert not any(WORDS.encode() in (r.value or b"") for r in deployment.watch[Topic.REVIEWS_LIFECYCLE])

    queue.inform(review_id, "svc", "yes", queue.get(review_id).review.epoch)
    lease = queue.claim(review_id, ANN)
    verdict = Verdict(action="approve", reasoning="hers")
    queue.decide(review_id, ANN, lease.review.epoch, lease.review.digest, verdict)
    until(lambda: deployment.watch[Topic.DECISIONS_RESOLVED], "the decision goes on")
    assert worker.running


def told(deployment: Deployment, *verb: str) -> list[dict[str, Any]]:
    done = deployment.hitl("queue", *verb, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(row) for row in done.stdout.splitlines()]


def steps(deployment: Deployment) -> list[str]:
    codec = open_codec(deployment.settings)
    events = [codec.decode(record.value) for record in deployment.watch[Topic.REVIEWS_LIFECYCLE]]
    return [event.event for event in events if isinstance(event, ReviewLifecycle)]
