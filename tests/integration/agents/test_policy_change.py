"""``policy.activated``: a running worker takes a policy whole, between batches; a broken one never."""

from __future__ import annotations

import itertools
from collections import defaultdict

import pytest

from app.domain.events import DecisionRouted, PolicyActivated
from app.stream.records import Incoming
from app.stream.topics import Topic
from tests.integration.conftest import Deploy
from tests.integration.deployment import CODEC, NOW, Deployment, Given, a_decision, by_key, until
from tests.unit.agents.parts import OTHER_TYPE, POLICY_TEXT, policy_of

pytestmark = pytest.mark.broker

STRICTER = (
    POLICY_TEXT.replace("    evidence:", "    bands: {high: 0.98, low: 0.70}\n    evidence:") + OTHER_TYPE
)
OLD, NEW = policy_of(POLICY_TEXT).version, policy_of(STRICTER).version
MISSPELT = POLICY_TEXT.replace("facts.amount /", "facts.amuont /")


def activate(deployment: Deployment, text: str) -> None:
    """``hitl policy activate``."""
    file = deployment.directory / "next.yaml"
    file.write_text(text, encoding="utf-8")
    done = deployment.hitl("policy", "activate", str(file), "--as", "ann")
    assert done.returncode == 0, done.stderr


def publish_broken(deployment: Deployment) -> None:
    """Past ``hitl policy activate``, which would refuse it: by another version of the code, say."""
    event = PolicyActivated(policy_version="broken", policy=MISSPELT, activated_by="eve", activated_at=NOW)
    deployment.write(Topic.POLICY_ACTIVATED, [Given(CODEC.encode(event), b"policy")])


def versions(record: Incoming) -> tuple[str, str]:
    event = CODEC.decode_as(record.value, DecisionRouted)
    return event.scored.assessment.policy_version, event.route.policy_version


def test_a_running_worker_switches_between_two_batches(deploy: Deploy) -> None:
    deployment = deploy()
    watch = deployment.watch
    worker = deployment.worker("scoring,routing")
    numbers = itertools.count()

    def feed(count: int = 300) -> list[str]:
        names = [f"exp-{next(numbers)}" for _ in range(count)]
        deployment.submit(*(a_decision(name) for name in names))
        return names

    def switched() -> bool:
        feed()
        return any(versions(record)[1] == NEW for record in watch[Topic.DECISIONS_ROUTED])

    feed()
    watch.wait(Topic.DECISIONS_ROUTED, 300)
    activate(deployment, STRICTER)
    until(switched, "the new policy decides")
    feed()
    deployment.caught_up("hitl-decide", Topic.DECISIONS_SUBMITTED)
    routed = watch[Topic.DECISIONS_ROUTED]
    assert len(by_key(routed)) == next(numbers)

    sequence = defaultdict(list)
    for record in routed:
        scored, decided = versions(record)
        assert scored == decided, record.position
        sequence[record.partition].append(decided)
        # ... and what the policy says is what was done: .97 is enough for the one, not for the other.
        action = CODEC.decode_as(record.value, DecisionRouted).route.action
        assert action == ("approve" if decided == OLD else None)
    for partition, seen in sequence.items():
        assert [key for key, _ in itertools.groupby(seen)] in ([OLD, NEW], [NEW]), partition

    publish_broken(deployment)
    until(lambda: worker.says("was refused"), "the broken policy is refused")
    names = feed()
    deployment.caught_up("hitl-decide", Topic.DECISIONS_SUBMITTED)
    later = by_key(watch[Topic.DECISIONS_ROUTED])
    assert {versions(later[name]) for name in names} == {(NEW, NEW)}


def test_a_worker_that_starts_later_begins_with_what_was_activated(deploy: Deploy) -> None:
    """Whatever its own file says. If that can not be used, it does not start: other workers decide by the
    policy before, and two policies at a time would be worse than one worker less."""
    deployment = deploy()
    watch = deployment.watch
    activate(deployment, STRICTER)
    first = deployment.worker("scoring,routing")
    deployment.submit(a_decision("first"), a_decision("trip", decision_type="travel.approval"))
    found = by_key(watch.wait(Topic.DECISIONS_ROUTED, 2))
    assert {versions(record) for record in found.values()} == {(NEW, NEW)}
    assert first.terminate() == 0

    publish_broken(deployment)
    second = deployment.worker("scoring,routing")
    assert second.wait() == 1
    assert second.says("amuont")
    assert second.says("hitl policy activate")

    activate(deployment, STRICTER)
    deployment.worker("scoring,routing")
    deployment.submit(a_decision("after"))
    watch.wait(Topic.DECISIONS_ROUTED, 3)
    assert versions(by_key(watch[Topic.DECISIONS_ROUTED])["after"]) == (NEW, NEW)
