"""Nobody answers, or nobody needs the answer any more: through the whole loop, with two workers' clocks."""

from __future__ import annotations

import json

import pytest

from app.domain.events import DecidedBy, DecisionResolved, LearningLabel, ReviewLifecycle
from app.domain.sla import EVENTS
from app.stream.topics import Topic, pool_topic
from tests.integration.conftest import Deploy
from tests.integration.deployment import CODEC, Deployment, a_decision, by_key, until
from tests.unit.agents.parts import POLICY_TEXT

pytestmark = pytest.mark.broker

SHORT = (
    POLICY_TEXT.replace("    evidence:", "    risk: low\n    on_deadline: safe_default\n    evidence:")
    .replace(
        "    actions:",
        "    rules:\n      - {name: slow, text: No hurry, when: facts.amount == 41, sla_class: patient}\n"
        "    safe_default: reject\n    actions:",
    )
    .replace("{floor: 0.005, initial: 0, scale: 1}", "{floor: 1}")  # all are in the evidence sample
    + "sla_classes:\n  standard: {duration: 20s}\n  patient: {duration: 24h}\n"
)


def steps(deployment: Deployment, name: str) -> list[str]:
    """What happened to the review of a decision, in order, each step once however often it was delivered."""
    found = {}
    for record in deployment.watch[Topic.REVIEWS_LIFECYCLE]:
        event = CODEC.decode_as(record.value, ReviewLifecycle)
        if event.decision_id == name:
            found[json.loads(event.state)["step"]] = event.event
    return [found[step] for step in sorted(found)]


def labels(deployment: Deployment) -> dict[str, tuple[str, bool]]:
    """Decision -> source and error of what is learned about it."""
    told = [CODEC.decode(record.value) for record in deployment.watch[Topic.LEARNING_CASES]]
    return {
        event.decision_id: (event.source, event.error) for event in told if isinstance(event, LearningLabel)
    }


def test_silence_takes_the_safe_default_a_withdrawal_ends_without_one_and_both_count_as_errors(
    deploy: Deploy,
) -> None:
    deployment = deploy(policy=SHORT)
    watch = deployment.watch
    for slot in "01":
        deployment.worker(slot=slot)
    withdrawn = a_decision("gone", 0.8, facts='{"amount": 41}')  # whenever that is, it is not late
    deployment.submit(a_decision("late", 0.8), withdrawn, a_decision("ran", 0.99))
    watch.wait(pool_topic("expenses"), 3)
    for name in ("ran", "gone"):
        done = deployment.hitl("withdraw", name, "--reason", "cancelled", "--as", "svc")
        assert done.returncode == 0, done.stderr
    until(lambda: steps(deployment, "gone")[-1:] == ["withdrawn"], "the withdrawal arrives")

    watch.wait(Topic.DECISIONS_RESOLVED, 1)
    until(lambda: steps(deployment, "late")[-1:] == ["deadline_rule"], "the ladder is in the log")
    offered = EVENTS[2]  # this pool has no backups
    assert steps(deployment, "late") == [event for event in EVENTS.values() if event != offered]
    until(lambda: "sla_missed" in steps(deployment, "ran"), "the check of what ran alone goes on")
    assert "withdrawn" not in steps(deployment, "ran")
    late = by_key(watch[Topic.DECISIONS_RESOLVED])["late"]
    resolution = CODEC.decode_as(late.value, DecisionResolved).resolution
    assert (late.key, resolution.action) == (b"late", "reject")
    assert (resolution.decided_by, resolution.reviewer) == (DecidedBy.DEADLINE_RULE, None)
    deployment.caught_up("hitl-outcome", Topic.REVIEWS_OUTCOMES)
    assert not watch[Topic.FEEDBACK_TRAINING_EXAMPLES]
    until(lambda: set(labels(deployment)) == {"late", "gone", "ran"}, "what nobody judged")
    assert labels(deployment) == {
        "late": ("missed_sla", True),
        "gone": ("withdrawn", True),
        "ran": ("missed_sla", True),
    }
    assert not watch[Topic.DEADLETTER]

    status = json.loads(deployment.hitl("status", "gone", "--json").stdout)
    assert (status["state"], status["withdrawn_by"]) == ("withdrawn", "svc")
    until(lambda: deployment.queue.queue.stats()[0].unpublished == 0, "the outbox is empty")
    verified = deployment.hitl("queue", "verify")
    assert verified.returncode == 0, verified.stdout
