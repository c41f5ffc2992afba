"""What was taught, carried to its end on a real broker: a training set, a rule from a draft, work items;
and two people behind a policy."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import msgspec
import pytest

from app.domain.events import Feedback, ObservationKind, ObservedOutcome, OverrideCategory, PolicyActivated
from app.domain.overrides import feedback_for
from app.stream.topics import Topic
from tests.integration.conftest import Deploy
from tests.integration.deployment import CODEC, Deployment, Given
from tests.unit.agents.parts import POLICY_TEXT
from tests.unit.domain import cases

pytestmark = pytest.mark.broker

PEOPLE = """\
people:
  ana: {title: Ana, pools: [expenses], supervises: [expenses], roles: [admin]}
  ben: {title: Ben, pools: [expenses], roles: [admin]}
  cleo: {title: Cleo, pools: [experts]}
"""
POLICY = POLICY_TEXT + PEOPLE
TWO = POLICY + "governance: {activation: two_people}\n"


def feedback(number: int, category: OverrideCategory | None, text: str, reviewer: str = "ben") -> Feedback:
    story = cases.routed(
        cases.decision(0.8, decision_id=f"exp-{number}", facts='{"amount": 1240, "vip": true}')
    )
    told = cases.answered(
        story, "approve" if category is None else "reject", category=category, reasoning=text,
        reviewer=reviewer, answer_id=f"a-{number}", reason_code="other", decided_at=cases.NOW + number,
    )  # fmt: skip
    [(_, given)] = feedback_for(told, cases.TERMS)
    return msgspec.structs.replace(given, decision_type="expense.approval", proposal=given.proposal)


def taught(deployment: Deployment, *told: Feedback) -> None:
    for one in told:
        record = Given(CODEC.encode(one), one.learning_key.encode(), partition=len(one.decision_id) % 8)
        deployment.write(f"feedback.{one.sink}", [record])


def said(deployment: Deployment, *arguments: str) -> list[dict[str, object]]:
    done = deployment.hitl(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_training_set_holds_every_answer_once_with_later_truths(deploy: Deploy, tmp_path: Path) -> None:
    deployment = deploy(policy=POLICY)
    errors = [feedback(i, OverrideCategory.AI_ERROR, "misread") for i in range(5)]
    taught(
        deployment,
        *errors,
        errors[0],
        feedback(9, None, "fine"),
        feedback(7, OverrideCategory.EDGE_CASE, "odd"),
    )
    truth = ObservedOutcome(
        observation_id="o-1", decision_id="exp-2", kind=ObservationKind.GROUND_TRUTH,
        correct_action="approve", observed_at=cases.NOW, source="audit", note="",
    )  # fmt: skip
    deployment.write(Topic.OUTCOMES_OBSERVED, [Given(CODEC.encode(truth), b"exp-2")])
    out = tmp_path / "set"
    [done] = said(deployment, "export", "training", "--out", str(out))
    assert (done["rows"], done["repeated"]) == (6, 1)
    first = (out / "training.csv").read_bytes()
    rows = list(csv.DictReader(first.decode().splitlines()))
    assert [row["decision_id"] for row in rows] == [f"exp-{i}" for i in (0, 1, 2, 3, 4, 9)]
    assert {row["decision_id"]: row["label"] for row in rows}["exp-2"] == "approve"
    assert rows[0]["fact_amount"] == "1240"
    assert "ben" not in first.decode()
    assert "| label_source | truth | 1 |" in (out / "README.md").read_text()
    assert sorted(path.name for path in out.iterdir()) == ["README.md", "training.csv"]

    again = deployment.hitl("export", "training", "--out", str(out), "--format", "parquet", "--all")
    assert again.returncode == 0, again.stderr
    assert deployment.hitl("export", "training", "--out", str(out)).returncode == 0
    assert (out / "training.csv").read_bytes() == first


def test_a_draft_becomes_a_rule_that_a_second_person_approves(deploy: Deploy) -> None:
    deployment = deploy(policy=POLICY)
    draft = feedback(1, OverrideCategory.EDGE_CASE, "the airline cancelled")
    draft = msgspec.structs.replace(draft, proposal="facts.amount >= 1200.0 && facts.amount <= 1300.0")
    taught(deployment, draft)
    [item] = said(deployment, "learnings", "list", "--sink", "exception_rules", "--as", "ana")
    assert (item["item_id"], item["state"]) == (draft.feedback_id, "open")
    [rule] = said(
        deployment, "rules", "propose", "--from-draft", draft.feedback_id, "--lifetime", "7d", "--as", "ana"
    )
    assert (rule["kind"], rule["state"]) == ("exception", "proposed")
    assert (rule["condition"], rule["reason"]) == (draft.proposal, "the airline cancelled")
    alone = deployment.hitl("rules", "approve", str(rule["rule_id"]), "--as", "ana")
    assert "another person" in alone.stderr
    assert said(deployment, "rules", "approve", str(rule["rule_id"]), "--as", "ben")[0]["state"] == "active"
    [closed] = said(deployment, "learnings", "show", draft.feedback_id, "--as", "ben")
    assert (closed["state"], closed["result"]) == ("closed", f"rule {rule['rule_id']}")
    twice = deployment.hitl("rules", "propose", "--from-draft", draft.feedback_id, "--as", "ana")
    assert twice.returncode == 1
    assert "was closed by ana" in twice.stderr


def test_what_only_trains_the_model_is_counted_where_nothing_needs_anybody(deploy: Deploy) -> None:
    deployment = deploy(policy=POLICY)
    taught(deployment, *(feedback(i, OverrideCategory.AI_ERROR, "misread") for i in range(3)))
    told = deployment.hitl("learnings", "list", "--as", "ana").stdout
    assert told == "nothing waits for anybody; 3 training examples: --sink training_examples\n"
    assert (
        "nothing to learn from"
        in deployment.hitl("learnings", "list", "--sink", "coaching", "--as", "ana").stdout
    )
    assert said(deployment, "learnings", "list", "--as", "ana") == []


def test_work_is_handed_out_and_coaching_stays_private(deploy: Deploy) -> None:
    deployment = deploy(policy=POLICY)
    update = feedback(1, OverrideCategory.POLICY_CHANGE, "section 4.2 changed")
    note = feedback(2, OverrideCategory.HUMAN_ERROR, "an earlier slip", reviewer="ana")
    taught(deployment, update, note)
    assert said(deployment, "learnings", "list", "--as", "cleo") == []
    assert [item["sink"] for item in said(deployment, "learnings", "list", "--as", "ben")] == [
        "policy_updates"
    ]
    assert len(said(deployment, "learnings", "list", "--as", "ana")) == 2
    assert said(deployment, "learnings", "assign", update.feedback_id, "--to", "ben", "--as", "ana")
    done = said(deployment, "learnings", "close", update.feedback_id, "--result", "updated", "--as", "ben")
    assert (done[0]["state"], done[0]["assignee"]) == ("closed", "ben")
    again = deployment.hitl("learnings", "close", update.feedback_id, "--result", "x", "--as", "ana")
    assert again.returncode == 1


def test_a_scan_raises_what_is_new_once(deploy: Deploy) -> None:
    deployment = deploy(policy=POLICY)
    taught(
        deployment,
        *(
            feedback(i, OverrideCategory.EDGE_CASE, "the airline cancelled the trip", f"r{i % 3}")
            for i in range(6)
        ),
    )
    found = said(deployment, "learnings", "scan", "--publish", "--days", "36500", "--as", "ana")
    assert {row["found"] for row in found} == {"new_reason", "new_scenario", "retrain"}
    assert len(deployment.watch.wait(Topic.PATTERNS_DETECTED, 3)) == 3
    assert said(deployment, "learnings", "scan", "--publish", "--days", "36500", "--as", "ana") == []
    assert "for leads" in deployment.hitl("learnings", "scan", "--as", "ben").stderr


def test_nobody_puts_a_policy_in_force_alone(deploy: Deploy, tmp_path: Path) -> None:
    """Whatever one person tries; and another admin's yes is enough."""
    deployment = deploy(policy=TWO)
    file, newer = Path(deployment.env["HITL_POLICY"]), tmp_path / "newer.yaml"
    newer.write_text(TWO.replace("audit_rate: 0", "audit_rate: 0.5"), encoding="utf-8")
    early = deployment.hitl("policy", "activate", str(newer), "--as", "ana")
    assert (early.returncode, "two people" in early.stderr) == (1, True)
    assert said(deployment, "policy", "activate", str(file), "--as", "ana")[0]["result"] == "activated"

    loose = tmp_path / "loose.yaml"
    loose.write_text(POLICY, encoding="utf-8")
    for attempt in (newer, loose):  # giving the rule up needs two as well
        alone = deployment.hitl("policy", "activate", str(attempt), "--as", "ana")
        assert (alone.returncode, "two people" in alone.stderr) == (1, True)
    [proposed] = said(deployment, "policy", "propose", str(newer), "--reason", "audits", "--as", "ana")
    name = str(proposed["proposal_id"])
    own = deployment.hitl("policy", "confirm", name, "--as", "ana")
    assert (own.returncode, "another person" in own.stderr) == (1, True)
    assert "only an admin" in deployment.hitl("policy", "confirm", name, "--as", "cleo").stderr
    [waiting] = said(deployment, "policy", "pending")
    assert waiting["state"] == "waits for another admin"
    assert "audit_rate" in str(waiting["changes"])
    assert len(deployment.watch.wait(Topic.POLICY_ACTIVATED, 1)) == 1

    [other] = said(deployment, "policy", "propose", str(loose), "--reason", "simpler", "--as", "ana")
    assert said(deployment, "policy", "confirm", name, "--as", "ben")[0]["result"] == "activated"
    activated = [
        CODEC.decode_as(r.value, PolicyActivated) for r in deployment.watch.wait(Topic.POLICY_ACTIVATED, 2)
    ]
    assert [(one.proposed_by, one.activated_by) for one in activated] == [("", "ana"), ("ana", "ben")]
    outdated = deployment.hitl("policy", "confirm", str(other["proposal_id"]), "--as", "ben")
    assert (outdated.returncode, "no longer in force" in outdated.stderr) == (1, True)
    assert said(deployment, "policy", "reject", str(other["proposal_id"]), "--reason", "no", "--as", "ben")
    assert said(deployment, "policy", "pending") == []
