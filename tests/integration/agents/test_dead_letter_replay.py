"""A replayed letter is the record it was: taken once when what was wrong is mended, else refused again."""

from __future__ import annotations

import pytest

from app.composition.parts import sealer, seals_of
from app.domain.events import DecisionRouted, LearningLabel, ObservationKind, ObservedOutcome, ScoreTally
from app.stream.letter_box import LetterBox
from app.stream.records import Incoming
from app.stream.topics import Topic
from tests.integration.conftest import Deploy
from tests.integration.deployment import (
    CODEC,
    NOW,
    Deployment,
    Given,
    a_decision,
    header,
    letters,
    until,
)
from tests.unit.agents.parts import OTHER_TYPE, POLICY_TEXT

pytestmark = pytest.mark.broker


def replay(deployment: Deployment) -> int:
    """Everything that is open, as ``hitl dlq replay --all``; how many letters it sent back."""
    settings = deployment.settings
    box = LetterBox(deployment.connection, lambda: NOW, sealer(settings), seals_of(settings))
    return len(box.replay(lambda _letter: True).closed)


def of(records: list[Incoming], name: str) -> list[Incoming]:
    return [record for record in records if record.key == name.encode()]


def source(letter: Incoming) -> str:
    """Where the record of a letter was read when it failed."""
    topic, partition, offset = (
        header(letter, f"dlq_source_{part}") for part in ("topic", "partition", "offset")
    )
    return f"{topic}[{partition}]@{offset}"


def test_a_decision_of_an_unknown_type_is_routed_once_its_type_is_activated(deploy: Deploy) -> None:
    deployment = deploy()
    watch = deployment.watch
    deployment.worker("scoring,routing")
    deployment.submit(a_decision("trip", decision_type="travel.approval"), a_decision("known"))
    [letter] = letters(watch.wait(Topic.DEADLETTER, 1))
    assert header(letter, "dlq_reason") == "unknown_type"

    assert replay(deployment) == 1  # too early: it fails again
    until(lambda: len(letters(watch[Topic.DEADLETTER])) == 2, "the second letter")
    second = letters(watch[Topic.DEADLETTER])[1]
    assert (header(second, "dlq_attempts"), header(second, "hitl_origin")) == ("2", source(letter))

    newer = deployment.directory / "newer.yaml"
    newer.write_text(POLICY_TEXT + OTHER_TYPE)
    assert deployment.hitl("policy", "activate", str(newer)).returncode == 0
    deployment.submit(a_decision("proof", decision_type="travel.approval"))
    until(
        lambda: of(watch[Topic.DECISIONS_ROUTED], "proof") or len(letters(watch[Topic.DEADLETTER])) > 2,
        "the worker reads decisions after the activation",
    )
    # Whether or not the proof came too early: one replay of all that is open, and everything is routed.
    done = deployment.hitl("dlq", "replay", "--all", "--json")
    assert (done.returncode, len(done.stdout.splitlines()) >= 1) == (0, True), done.stderr
    watch.wait(Topic.DECISIONS_ROUTED, 3)
    [routed] = of(watch[Topic.DECISIONS_ROUTED], "trip")
    assert header(routed, "hitl_position") == source(letter)
    assert replay(deployment) == 0
    deployment.caught_up("hitl-decide", Topic.DECISIONS_SUBMITTED)
    assert len(watch[Topic.DECISIONS_ROUTED]) == 3


def test_what_failed_after_it_was_claimed_is_no_duplicate_of_itself(deploy: Deploy) -> None:
    deployment = deploy()
    watch = deployment.watch
    buggy = deployment.worker("scoring,routing", module="tests.integration.agents.buggy_worker")
    deployment.submit(a_decision("before"), a_decision("bug-1"), a_decision("after"))
    watch.wait(Topic.DECISIONS_ROUTED, 2)
    [letter] = letters(watch.wait(Topic.DEADLETTER, 1))
    assert (header(letter, "dlq_stage"), header(letter, "dlq_reason")) == ("routing", "ZeroDivisionError")
    assert buggy.terminate() == 0

    deployment.worker("scoring,routing")
    assert replay(deployment) == 1
    watch.wait(Topic.DECISIONS_ROUTED, 3)
    [routed] = of(watch[Topic.DECISIONS_ROUTED], "bug-1")
    assert header(routed, "hitl_position") == source(letter)
    [scored] = of(watch[Topic.DECISIONS_SCORED], "bug-1")
    assert header(scored, "hitl_position") == source(letter)

    deployment.submit(a_decision("bug-1"))  # a real repeat is one, and is told where the first one stands
    until(lambda: len(letters(watch[Topic.DEADLETTER])) == 2, "the repeat")
    repeat = letters(watch[Topic.DEADLETTER])[1]
    assert header(repeat, "dlq_reason") == "duplicate"
    assert source(letter) in (header(repeat, "dlq_message") or "")
    assert len(of(watch[Topic.DECISIONS_RESOLVED], "bug-1")) == 1


def test_a_duplicate_stays_one_however_often_it_is_replayed(deploy: Deploy) -> None:
    deployment = deploy()
    watch = deployment.watch
    deployment.worker("scoring,routing")
    deployment.submit(a_decision("twice"), a_decision("twice", 0.8))
    for attempt in (1, 2, 3):
        until(lambda n=attempt: len(letters(watch[Topic.DEADLETTER])) == n, f"letter {attempt}")
        letter = letters(watch[Topic.DEADLETTER])[-1]
        assert (header(letter, "dlq_reason"), header(letter, "dlq_attempts")) == ("duplicate", str(attempt))
        if attempt < 3:
            assert replay(deployment) == 1
    assert header(letter, "hitl_origin") == source(letters(watch[Topic.DEADLETTER])[0])
    assert len(of(watch[Topic.DECISIONS_ROUTED], "twice")) == 1


def test_a_truth_that_came_before_its_decision_counts_once_after_a_replay(deploy: Deploy) -> None:
    deployment = deploy()
    watch = deployment.watch
    deployment.worker("scoring,routing,review_request,outcome")
    truth = ObservedOutcome(
        observation_id="o-1",
        decision_id="early",
        kind=ObservationKind.GROUND_TRUTH,
        correct_action="reject",
        observed_at=NOW,
        source="ledger",
        note="",
    )
    deployment.write(Topic.OUTCOMES_OBSERVED, [Given(CODEC.encode(truth), b"early")])
    [letter] = letters(watch.wait(Topic.DEADLETTER, 1))
    assert header(letter, "dlq_reason") == "unknown_decision"

    deployment.submit(a_decision("early"))
    until(lambda: deployment.queue.cases.briefs(["early"])[0], "the decision is remembered")
    assert replay(deployment) == 1
    until(lambda: labels(watch[Topic.LEARNING_CASES]), "its label")
    # The same truth told again, by its producer this time, changes nothing.
    deployment.write(Topic.OUTCOMES_OBSERVED, [Given(CODEC.encode(truth), b"early")])
    deployment.caught_up("hitl-outcome", Topic.OUTCOMES_OBSERVED)
    [label] = labels(watch[Topic.LEARNING_CASES])
    assert (label.decision_id, label.error, label.source) == ("early", True, "observation")
    [routed] = of(watch[Topic.DECISIONS_ROUTED], "early")
    assert CODEC.decode_as(routed.value, DecisionRouted).route.learning_key == label.learning_key


def labels(records: list[Incoming]) -> list[LearningLabel]:
    events = [CODEC.decode(record.value) for record in records]
    assert all(isinstance(event, LearningLabel | ScoreTally) for event in events)
    return [event for event in events if isinstance(event, LearningLabel)]
