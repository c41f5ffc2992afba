"""Learning outlives its worker. Under a certificate, killed in the middle, with a second worker beside it and
started again, it has certified, tightened and begun anew the very same - and that is what the domain says."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from functools import cache

import pytest

from app.agents.drift import learning_terms
from app.domain.events import (
    LearningLabel,
    Record,
    ReviewKind,
    ScoreTally,
    ThresholdOrder,
    ThresholdOrdered,
    ThresholdUpdated,
)
from app.domain.learning.bins import bin_of
from app.domain.learning.drift import KeyState
from app.policy.compiled import compile_policy
from app.policy.load import policy_from_text
from app.stream.topics import Topic
from tests.integration.conftest import Deploy
from tests.integration.deployment import CODEC, NOW, Deployment, Given, until
from tests.unit.agents.parts import POLICY_TEXT

pytestmark = pytest.mark.broker

POLICY = POLICY_TEXT.replace(
    "automation: policy_threshold",
    "alpha: 0.2\n    delta: 0.4\n    learning: {catch_rate: 0.9, planned_labels: 600}",
).replace("{floor: 0.005, initial: 0, scale: 1}", "{floor: 0.5, initial: 0.5, scale: 50}")
KEYS = [f"expense.approval|expenses:{version}" for version in range(5)]
CHUNKS, CHUNK = 24, 100
JOINS = 6
"""The chunk before which a second worker comes."""
KILLS = (3, 9, 16)


@cache
def lived() -> tuple[tuple[tuple[Record, str], ...], dict[str, list[ThresholdUpdated]]]:
    """Tallies and labels of several keys on several partitions, each of the epoch that was announced by then,
    and what the domain makes of them. Half-way one key goes wrong, and another one begins anew."""
    terms = learning_terms(compile_policy(policy_from_text(POLICY)).terms["expense.approval"])
    states = {key: KeyState(learning_key=key) for key in KEYS}
    draw = random.Random(5)
    records: list[tuple[Record, str]] = []
    announced: dict[str, list[ThresholdUpdated]] = defaultdict(list)
    for number in range(CHUNKS * CHUNK):
        key = draw.choice(KEYS)
        late = number > CHUNKS * CHUNK // 2
        score = draw.choice([0.91, 0.95, 0.985])
        state = states[key]
        automated = score >= state.in_force.threshold
        event: Record = ScoreTally(
            learning_key=key,
            epoch=state.epoch,
            bins=[bin_of(score), 20, 20 * automated],
            policy_threshold=0.9,
            routed_at=NOW + number,
        )
        if number % 4:
            event = LearningLabel(
                label_id=f"l-{number}",
                decision_id=f"d-{number}",
                learning_key=key,
                decision_type="expense.approval",
                epoch=state.epoch,
                raw=score,
                score=score,
                level=1 if automated else 3,
                automated=automated,
                evidence=True,
                inclusion_probability=0.5,
                source="review",
                kind=ReviewKind.AUDIT if automated else ReviewKind.REVIEW,
                blind=True,
                reviewer=draw.choice(["ann", "ben", "cat"]),
                error=draw.random() < (0.7 if late and key == KEYS[0] else 0.02),
                decided_at=NOW + number,
                labelled_at=NOW + number + 1,
            )
        if number == CHUNKS * CHUNK // 2:  # a person counts one key's evidence anew
            key, state = KEYS[1], states[KEYS[1]]
            event = ThresholdOrdered(
                order_id="o-1",
                learning_key=key,
                order=ThresholdOrder.RESTART,
                actor="lea",
                reason="another kind of cases",
                ordered_at=NOW + number,
            )
        records.append((event, key))
        changes = state.apply(event, terms)
        announced[key] += [change for change in changes if isinstance(change, ThresholdUpdated)]
    return tuple(records), dict(announced)


def records() -> list[Given]:
    """As they are written."""
    return [Given(CODEC.encode(event), key.encode()) for event, key in lived()[0]]


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


def test_kills_and_a_rebalance_change_nothing_that_is_learned(deploy: Deploy) -> None:
    undisturbed, killed = deploy(policy=POLICY), deploy(policy=POLICY)
    undisturbed.write(Topic.LEARNING_CASES, records())
    undisturbed.worker("drift")

    given = iter(records())
    watch = killed.watch
    workers = [killed.worker("drift")]
    for chunk in range(CHUNKS):
        if chunk == JOINS:
            workers.append(killed.worker("drift", slot="1"))
            until(lambda: killed.members("hitl-drift") == 2, "both have partitions")
        if chunk in KILLS:
            seen = len(watch[Topic.LEARNING_STATE])
            killed.write(Topic.LEARNING_CASES, itertools.islice(given, CHUNK // 2))
            until(lambda n=seen: len(watch[Topic.LEARNING_STATE]) > n, "it learns")
            killed.write(Topic.LEARNING_CASES, itertools.islice(given, CHUNK - CHUNK // 2))
            for slot, worker in enumerate(workers):
                worker.kill()
                workers[slot] = killed.worker("drift", slot=str(slot))
        else:
            killed.write(Topic.LEARNING_CASES, itertools.islice(given, CHUNK))

    expected_states, expected_thresholds = learned(undisturbed)
    states, thresholds = learned(killed)
    assert states.keys() == {key.encode() for key in KEYS}
    assert states == expected_states
    assert thresholds == expected_thresholds == lived()[1]
    for key, updates in thresholds.items():
        assert [update.version for update in updates] == list(range(1, len(updates) + 1)), key
        # There was something to learn: people first, then a certificate, in an epoch that counts.
        assert updates[0].certified is None
        assert any(update.certified is not None and update.threshold < 1 for update in updates), key
    wrong, anew, *right = (thresholds[key] for key in KEYS)
    assert wrong[-1].threshold > max(updates[-1].threshold for updates in right)
    assert anew[-1].epoch > max(updates[-1].epoch for updates in right)
    assert anew[-1].certified is not None
