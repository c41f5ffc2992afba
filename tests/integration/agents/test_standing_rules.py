"""One rule on real brokers: proposed, approved, it lets decisions run; revoked or found wrong it does not."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator

import msgspec
import pytest

from app.domain.answers import Verdict
from app.domain.events import DecisionResolved, DecisionRouted, RuleChange, RuleChanged
from app.domain.review import Reviewer
from app.domain.standing_rules import AUTO_APPROVED
from app.stream.topics import Topic, pool_topic
from tests.integration.conftest import Deploy
from tests.integration.deployment import CODEC, Deployment, Given, a_decision, by_key, until
from tests.unit.agents.parts import POLICY_TEXT

pytestmark = pytest.mark.broker

PEOPLE = """\
people:
  ana: {title: Ana, pools: [expenses]}
  ben: {title: Ben, pools: [expenses]}
  cleo: {title: Cleo, pools: [experts]}
"""
POLICY = POLICY_TEXT.replace("audit_rate: 0", "audit_rate: 0.001") + PEOPLE
CHECKED = POLICY_TEXT.replace("audit_rate: 0", "audit_rate: 1") + PEOPLE
CLEO = Reviewer(name="cleo", pools=frozenset({"expenses"}))
CONDITION = "facts.amount < 1000"


def hitl(deployment: Deployment, *arguments: str) -> dict[str, object]:
    """One verb of ``hitl rules``; its JSON."""
    done = deployment.hitl("rules", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def proposed(deployment: Deployment) -> str:
    row = hitl(
        deployment, "propose", "expense.approval", "--when", CONDITION, "--action", "approve",
        "--reason", "tram tickets", "--lifetime", "1d", "--as", "ana",
    )  # fmt: skip
    return str(row["rule_id"])


def routed(deployment: Deployment) -> dict[str, DecisionRouted]:
    return {
        name: CODEC.decode_as(record.value, DecisionRouted)
        for name, record in by_key(deployment.watch[Topic.DECISIONS_ROUTED]).items()
    }


def feed(deployment: Deployment, names: Iterator[str], count: int = 20) -> list[str]:
    """Decisions that a person would have to approve: the score is not enough."""
    fed = list(itertools.islice(names, count))
    deployment.submit(*(a_decision(name, 0.8) for name in fed))
    deployment.caught_up("hitl-decide", Topic.DECISIONS_SUBMITTED)
    until(lambda: set(fed) <= routed(deployment).keys(), "all are routed")
    return fed


def levels(deployment: Deployment, names: list[str]) -> set[int]:
    found = routed(deployment)
    return {found[name].route.level for name in names}


def fed_until(deployment: Deployment, names: Iterator[str], level: int) -> list[str]:
    """Feed until what was fed last is routed at ``level`` throughout; the last batch."""
    last: list[str] = []

    def reached() -> bool:
        last[:] = feed(deployment, names)
        return levels(deployment, last) == {level}

    until(reached, f"decisions are routed at level {level}")
    return last


def test_proposed_approved_used_revoked(deploy: Deploy) -> None:
    deployment = deploy(policy=POLICY)
    worker = deployment.worker()
    names = (f"exp-{n}" for n in itertools.count())
    rule_id = proposed(deployment)
    assert levels(deployment, feed(deployment, names)) == {3}, "a proposal does nothing"
    alone = deployment.hitl("rules", "approve", rule_id, "--as", "ana")
    assert alone.returncode == 1
    assert "another person" in alone.stderr

    assert hitl(deployment, "approve", rule_id, "--as", "ben")["state"] == "active"
    ran = fed_until(deployment, names, 2)
    story = routed(deployment)[ran[0]]
    [reason] = [one for one in story.route.reasons if one.step == AUTO_APPROVED]
    assert reason.code == rule_id
    assert reason.text.startswith(f"auto-approve rule {rule_id}, proposed by ana, approved by ben, until ")
    assert (story.route.action, story.route.evidence) == ("approve", False)
    until(
        lambda: set(ran) <= by_key(deployment.watch[Topic.DECISIONS_RESOLVED]).keys(), "the AI decided them"
    )

    told = deployment.hitl("evidence", ran[0]).stdout
    for part in (f"Rule {rule_id} was proposed by ana", f"Rule {rule_id} was approved by ben", reason.text):
        assert part in told
    assert deployment.hitl("evidence", "verify", ran[0]).returncode == 0

    # What nobody can read or compile stops nothing, and a worker that starts later knows the rule.
    [approved] = [
        CODEC.decode_as(record.value, RuleChanged)
        for record in deployment.watch[Topic.RULES_CHANGED]
        if record.key == f"{rule_id}/approved".encode()
    ]
    broken = CODEC.encode(_replaced(approved, rule=_replaced(approved.rule, rule_id="r-0", condition="1 +")))
    deployment.write(Topic.RULES_CHANGED, [Given(b"poison", b"r-1/approved"), Given(broken, b"r-0/approved")])
    assert worker.terminate() == 0
    deployment.worker()
    assert levels(deployment, feed(deployment, names)) == {2}

    ended = hitl(deployment, "revoke", rule_id, "--reason", "prices changed", "--as", "ana")
    assert ended["state"] == "revoked"
    fed_until(deployment, names, 3)
    by_rule = {
        name
        for name, one in routed(deployment).items()
        if any(reason.step == AUTO_APPROVED for reason in one.route.reasons)
    }
    until(
        lambda: hitl(deployment, "show", rule_id, "--as", "ben")["uses"] == len(by_rule),
        "each use is counted",
    )


def _replaced(event, **changes):  # type: ignore[no-untyped-def]
    return msgspec.structs.replace(event, **changes)


def test_a_rule_whose_spot_checks_go_wrong_ends_by_itself(deploy: Deploy) -> None:
    deployment = deploy(policy=CHECKED)
    queue = deployment.queue.queue
    deployment.worker()
    names = (f"exp-{n}" for n in itertools.count())
    rule_id = proposed(deployment)
    hitl(deployment, "approve", rule_id, "--as", "ben")
    ran = set(fed_until(deployment, names, 2))
    deployment.caught_up("hitl-review-request", Topic.DECISIONS_ROUTED)
    until(lambda: ran <= by_key(deployment.watch[pool_topic("expenses")]).keys(), "all are checked")
    until(lambda: _reject(queue, ran) >= 1, "a spot check is answered")

    def suspended() -> list[RuleChanged]:
        events = [
            CODEC.decode_as(record.value, RuleChanged) for record in deployment.watch[Topic.RULES_CHANGED]
        ]
        return [event for event in events if event.change is RuleChange.SUSPENDED]

    until(suspended, "the rule is suspended")
    event = suspended()[0]
    assert (event.rule.rule_id, event.actor) == (rule_id, "hitl")
    assert "spot checks were overridden" in event.reason
    fed_until(deployment, names, 3)
    assert hitl(deployment, "show", rule_id, "--as", "ben")["state"] == "suspended"
    resolved = by_key(deployment.watch[Topic.DECISIONS_RESOLVED])
    assert CODEC.decode_as(resolved[min(ran)].value, DecisionResolved).resolution.action == "approve"


def _reject(queue, ran):  # type: ignore[no-untyped-def]
    """Answer spot checks of the rule's decisions with the other action; how many."""
    answered = 0
    while answered < 2 and (lease := queue.claim_next("expenses", CLEO)) is not None:
        if lease.review.decision_id not in ran:
            continue
        verdict = Verdict(action="reject", reasoning="not a ticket", reason_code="misread")
        queue.decide(lease.review.review_id, CLEO, lease.review.epoch, lease.review.digest, verdict)
        answered += 1
    return answered
