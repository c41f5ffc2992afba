"""Learning outlives its worker: killed in the middle and started again, it has learned the very same."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict

import pytest

from app.domain.events import LearningLabel, Record, ReviewKind, ScoreTally, ThresholdUpdated
from app.domain.learning.bins import bin_of
from app.stream.topics import Topic
from tests.integration.conftest import Deploy
from tests.integration.deployment import CODEC, NOW, Deployment, Given, until

pytestmark = pytest.mark.broker

KEYS = [f"expense.approval|expenses:{version}" for version in range(5)]
CHUNKS, CHUNK = 24, 100
KILLS = (3, 9, 16)


def records() -> list[Given]:
    """Tallies and labels of several keys on several partitions; one key goes wrong half-way."""
    draw = random.Random(5)
    given = []
    for number in range(CHUNKS * CHUNK):
        key = draw.choice(KEYS)
        late = number > CHUNKS * CHUNK // 2
        score = draw.choice([0.91, 0.95, 0.985])
        event: Record = ScoreTally(
            learning_key=key,
            epoch=0,
            bins=[bin_of(score), 20, 20],
            policy_threshold=0.9,
            routed_at=NOW + number,
        )
        if number % 4:
            event = LearningLabel(
                label_id=f"l-{number}",
                decision_id=f"d-{number}",
                learning_key=key,
                decision_type="expense.approval",
                epoch=0,
                raw=score,
                score=score,
                level=1,
                automated=True,
                evidence=True,
                inclusion_probability=0.5,
                source="review",
                kind=ReviewKind.AUDIT,
                blind=True,
                reviewer=draw.choice(["ann", "ben", "cat"]),
                error=draw.random() < (0.2 if late and key == KEYS[0] else 0.005),
                decided_at=NOW + number,
                labelled_at=NOW + number + 1,
            )
        given.append(Given(CODEC.encode(event), key.encode()))
    return given


def learned(deployment: Deployment) -> tuple[dict[bytes, bytes], dict[str, list[ThresholdUpdated]]]:
    """The last state of each key, and the sequence of its thresholds."""
    deployment.caught_up("hitl-drift", Topic.LEARNING_CASES)
    deployment.watch.ends(Topic.THRESHOLDS_UPDATED)
    deployment.watch.ends(Topic.LEARNING_STATE)
    states = {record.key or b"": record.value or b"" for record in deployment.watch[Topic.LEARNING_STATE]}
    thresholds = defaultdict(list)
    for record in deployment.watch[Topic.THRESHOLDS_UPDATED]:
        event = CODEC.decode_as(record.value, ThresholdUpdated)
        thresholds[event.learning_key].append(event)
    return states, dict(thresholds)


def test_kills_in_the_middle_change_nothing_that_is_learned(deploy: Deploy) -> None:
    undisturbed, killed = deploy(), deploy()
    undisturbed.write(Topic.LEARNING_CASES, records())
    undisturbed.worker("drift")

    given = iter(records())
    watch = killed.watch
    worker = killed.worker("drift")
    for chunk in range(CHUNKS):
        if chunk in KILLS:
            seen = len(watch[Topic.LEARNING_STATE])
            killed.write(Topic.LEARNING_CASES, itertools.islice(given, CHUNK // 2))
            until(lambda n=seen: len(watch[Topic.LEARNING_STATE]) > n, "it learns")
            killed.write(Topic.LEARNING_CASES, itertools.islice(given, CHUNK - CHUNK // 2))
            worker.kill()
            worker = killed.worker("drift")
        else:
            killed.write(Topic.LEARNING_CASES, itertools.islice(given, CHUNK))

    expected_states, expected_thresholds = learned(undisturbed)
    states, thresholds = learned(killed)
    assert states.keys() == {key.encode() for key in KEYS}
    assert states == expected_states
    assert thresholds == expected_thresholds
    for key, updates in thresholds.items():
        assert [update.version for update in updates] == list(range(1, len(updates) + 1)), key
    assert max(update.threshold for update in thresholds[KEYS[0]]) > 0.9  # there was something to learn
