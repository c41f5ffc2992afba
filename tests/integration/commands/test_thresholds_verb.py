"""hitl thresholds on real services: evidence certifies, people steer, and each step is announced."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from app.domain.events import LearningLabel, ReviewKind, ScoreTally, ThresholdUpdated
from app.domain.learning.bins import bin_of
from app.stream.topics import Topic
from tests.integration.conftest import deployed
from tests.integration.deployment import CODEC, NOW, Deployment, Given, until
from tests.unit.agents.parts import POLICY_TEXT

pytestmark = pytest.mark.broker

KEY = "expense.approval|expenses:3"
POLICY = POLICY_TEXT.replace(
    "    automation: policy_threshold\n    evidence: {floor: 0.005, initial: 0, scale: 1}\n",
    "    risk: low\n    learning: {catch_rate: 1}\n",
)
ENOUGH = 99
"""Labels without an error that certify 5 % at delta 9 %."""


@pytest.fixture(scope="module")
def deployment(kafka: str, store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(kafka, store_url, tmp_path_factory.mktemp("thresholds"), POLICY) as made:
        made.worker("drift")
        yield made


def tally() -> ScoreTally:
    return ScoreTally(
        learning_key=KEY,
        epoch=0,
        bins=[bin_of(0.93), 25, 0, bin_of(0.96), 25, 0],
        policy_threshold=0.9,
        routed_at=NOW,
    )


def label(number: int, score: float) -> LearningLabel:
    return LearningLabel(
        label_id=f"l-{number}",
        decision_id=f"d-{number}",
        learning_key=KEY,
        decision_type="expense.approval",
        epoch=1,
        raw=score,
        score=score,
        level=3,
        automated=False,
        evidence=True,
        inclusion_probability=1.0,
        source="review",
        kind=ReviewKind.REVIEW,
        blind=True,
        reviewer="ann",
        error=False,
        decided_at=NOW + number,
        labelled_at=NOW + number,
    )


def last(deployment: Deployment) -> ThresholdUpdated | None:
    found = [CODEC.decode_as(r.value, ThresholdUpdated) for r in deployment.watch[Topic.THRESHOLDS_UPDATED]]
    return found[-1] if found else None


def announced(deployment: Deployment, test) -> ThresholdUpdated:
    until(lambda: (now := last(deployment)) is not None and test(now), "the announcement")
    now = last(deployment)
    assert now is not None
    return now


def test_evidence_certifies_and_people_steer(deployment: Deployment) -> None:
    labels = [label(n, 0.96) for n in range(ENOUGH + 1)] + [label(ENOUGH + n, 0.93) for n in range(1, 150)]
    told = [tally(), *labels]
    deployment.write(Topic.LEARNING_CASES, [Given(CODEC.encode(event), KEY.encode()) for event in told])
    certified = announced(deployment, lambda now: now.certified == 0.93)
    assert certified.reason.startswith("Automation widened from 0.96 to 0.93: ")

    [row] = [json.loads(text) for text in deployment.hitl("thresholds", "list", "--json").stdout.splitlines()]
    assert (row["learning_key"], row["threshold"], row["errors"]) == (KEY, 0.93, 0)
    assert shown(deployment)["reason"] == certified.reason
    rests_on(deployment)
    unannounced(deployment, certified)

    assert deployment.hitl("thresholds", "rollback", KEY, "--reason", "complaints").returncode == 0
    back = announced(deployment, lambda now: now.frozen)
    assert (back.certified, back.previous, bool(back.actor)) == (0.96, 0.93, True)
    assert f"Rolled back and frozen by {back.actor}: complaints." in back.reason

    assert deployment.hitl("thresholds", "unfreeze", KEY, "--reason", "settled").returncode == 0
    assert announced(deployment, lambda now: not now.frozen).certified == 0.93

    nothing = deployment.hitl("thresholds", "confirm", KEY)
    assert nothing.returncode == 2
    assert "waits for a yes" in nothing.stderr
    unknown = deployment.hitl("thresholds", "freeze", "expense.approval|expenses:4", "--reason", "x")
    assert unknown.returncode == 2
    assert f"did you mean {KEY}?" in unknown.stderr


def rests_on(deployment: Deployment) -> None:
    """Labels by score, cumulated from the highest down, and what was not counted."""
    again = [Given(CODEC.encode(label(1, 0.96)), KEY.encode())]
    deployment.write(Topic.LEARNING_CASES, again)
    until(lambda: evidence(deployment)["not_counted"], "the repeated label")
    found = evidence(deployment)
    assert found["not_counted"] == {"duplicates": 1}
    of_all = {region["score_from"]: region for region in found["regions"]}
    assert of_all[0.96] == {"score_from": 0.96, "labels": ENOUGH + 1, "errors": 0, "share": 0.5}
    assert of_all[0.93] == {"score_from": 0.93, "labels": ENOUGH + 150, "errors": 0, "share": 1.0}
    assert (found["decisions"], found["restarts"]) == (50, 0)
    assert 0 < found["brier"] < found["log_loss"] < 1
    text = deployment.hitl("thresholds", "evidence", KEY).stdout
    assert "not counted: 1 labels seen before" in text
    assert "0.93" in text
    unknown = deployment.hitl("thresholds", "evidence", "x")
    assert (unknown.returncode, "hitl thresholds list" in unknown.stderr) == (2, True)


def unannounced(deployment: Deployment, certified: ThresholdUpdated) -> None:
    """Checks that change nothing are announced by nobody, and shown all the same."""
    more = [Given(CODEC.encode(label(ENOUGH + 149 + n, 0.96)), KEY.encode()) for n in range(1, 6)]
    deployment.write(Topic.LEARNING_CASES, more)
    until(lambda: shown(deployment)["checks_by_now"] == ENOUGH + 155, "the checks in the state")
    assert last(deployment) == certified
    assert shown(deployment)["labels"] == certified.labels


def shown(deployment: Deployment):
    return json.loads(deployment.hitl("thresholds", "show", KEY, "--json").stdout)


def evidence(deployment: Deployment):
    return json.loads(deployment.hitl("thresholds", "evidence", KEY, "--json").stdout)
