"""Drift: what it writes, what counts and when, and how state outlives a worker."""

from __future__ import annotations

import itertools

import msgspec
import pytest

from app.agents.drift import Drift
from app.domain.events import LearningLabel, ReviewKind, ScoreTally, ThresholdUpdated
from app.domain.learning.bins import bin_of
from app.domain.learning.drift import KeyState
from app.domain.learning.records import LearningRecordError
from app.stream.topics import Topic
from tests.unit.agents.parts import (
    CODEC,
    NOW,
    OTHER_TYPE,
    POLICY,
    POLICY_TEXT,
    decision,
    headers,
    incoming,
    of,
    policy_of,
    read,
    reasons,
)

KEY = "expense.approval|expenses:3"
TOPIC = Topic.LEARNING_CASES
_numbers = itertools.count()


def tally(automated=10, key=KEY, **changes):
    given = {"epoch": 0, "bins": [bin_of(0.95), automated, automated], "policy_threshold": 0.9}
    return ScoreTally(**{"learning_key": key, "routed_at": NOW, **given, **changes})


def label(key=KEY, error=False, **changes):
    number = next(_numbers)
    given = {
        "label_id": f"l-{number}",
        "decision_id": f"d-{number}",
        "learning_key": key,
        "decision_type": "expense.approval",
        "epoch": 0,
        "raw": 0.95,
        "score": 0.95,
        "level": 1,
        "automated": True,
        "evidence": True,
        "inclusion_probability": 0.5,
        "source": "review",
        "kind": ReviewKind.AUDIT,
        "blind": True,
        "reviewer": "ann",
        "error": error,
        "decided_at": NOW,
        "labelled_at": NOW + 1,
    }
    return LearningLabel(**{**given, **changes})


def records(*events, partition=0, start=0):
    return [incoming(event, start + n, topic=TOPIC, partition=partition) for n, event in enumerate(events)]


def drift(saved=None, policy=POLICY):
    """``saved`` is what ``learning.state`` holds: partition -> key -> value."""
    agent = Drift(CODEC, lambda: policy, lambda _topic, partition: dict((saved or {}).get(partition, {})))
    agent.assigned([(TOPIC, 0), (TOPIC, 1)])
    return agent


def state_of(output, key=KEY):
    return [r.value for r in of(output, Topic.LEARNING_STATE) if r.key == key.encode()][-1]


def test_the_first_look_publishes_the_threshold_and_the_state():
    output = drift()(records(tally(), label(), label(error=True), partition=1))
    assert [record.topic for record in output.outgoing] == [Topic.THRESHOLDS_UPDATED, Topic.LEARNING_STATE]
    update, state = output.outgoing
    event = read(update)
    assert isinstance(event, ThresholdUpdated)
    assert (update.key, event.learning_key, event.version) == (KEY.encode(), KEY, 1)
    assert headers(update)["ce_id"] == f"ThresholdUpdated/{KEY}#1".encode()
    assert (state.key, state.partition) == (KEY.encode(), 1)
    assert KeyState.from_bytes(state.value).evidence.labels[bin_of(0.95)] == 2


def test_every_key_has_its_own_state():
    other = "expense.approval|expenses:4"
    output = drift()(records(tally(), tally(key=other), label(), label(key=other)))
    states = of(output, Topic.LEARNING_STATE)
    assert [record.key for record in states] == [KEY.encode(), other.encode()]
    assert {r.key for r in of(output, Topic.THRESHOLDS_UPDATED)} == {KEY.encode(), other.encode()}


def test_what_is_written_is_the_state_after_the_batch_not_before():
    agent = drift()
    agent(records(label()))
    agent.committed()
    second = agent(records(label(), start=1))
    assert KeyState.from_bytes(state_of(second)).evidence.labels[bin_of(0.95)] == 2


def test_an_aborted_batch_counts_for_nothing():
    agent, undisturbed = drift(), drift()
    first, second = records(tally(), label()), records(label(), label(error=True), start=2)
    for each in (agent, undisturbed):
        each(first)
        each.committed()
    agent(second)
    agent.aborted()
    assert agent(second) == undisturbed(second)


def test_a_pending_batch_counts_only_once_it_is_committed():
    """A worker dies between its answer and the commit: the next one begins with what was committed."""
    first, second = records(tally(), label()), records(label(error=True), start=2)
    agent = drift()
    committed = agent(first)
    agent.committed()
    lost = agent(second)  # never committed
    heir = drift({0: {KEY.encode(): state_of(committed)}})
    assert heir(second) == lost


@pytest.mark.parametrize("size", [1, 7, 64])
def test_cuts_into_batches_and_restarts_change_nothing(size):
    told = records(*(tally(40) if n % 5 == 0 else label(error=n % 9 == 0) for n in range(300)))
    whole = drift()(told)
    saved, updates = {}, []
    for start in range(0, len(told), size):
        agent = drift({0: saved})
        output = agent(told[start : start + size])
        saved[KEY.encode()] = state_of(output)
        updates += of(output, Topic.THRESHOLDS_UPDATED)
    assert saved[KEY.encode()] == state_of(whole)
    assert [r.value for r in updates] == [r.value for r in of(whole, Topic.THRESHOLDS_UPDATED)]


def test_parts_of_a_bisected_batch_build_on_one_another():
    """The source asks again, in halves, when one record breaks us; all answers go into one transaction."""
    agent, whole = drift(), drift()
    told = records(tally(), label(), label(), label(error=True))
    output = whole(told)
    agent(told[:2])
    second = agent(told[2:])
    assert state_of(second) == state_of(output)


def test_a_batch_that_breaks_us_has_changed_nothing():
    """Not even the keys that were learned before the one that broke."""
    agent, undisturbed = drift(), drift()
    good = records(tally(), label())
    bad = records(tally(key="expense.approval|expenses:4", bins=[1, 2]), start=2)
    with pytest.raises(LearningRecordError):
        agent(good + bad)
    assert agent(good) == undisturbed(good)
    more = records(label(error=True), start=3)
    with pytest.raises(LearningRecordError):
        agent(more + bad)
    assert agent(more) == undisturbed(more)


def test_revoked_partitions_are_forgotten_and_read_back():
    saved = {}
    agent = Drift(CODEC, lambda: POLICY, lambda _topic, partition: dict(saved.get(partition, {})))
    agent.assigned([(TOPIC, 0)])
    agent(records(label()))
    agent.committed()
    agent(records(label(), start=1))
    agent.revoked([(TOPIC, 0)])
    elsewhere = drift()(records(label(), label(), label()))
    saved[0] = {KEY.encode(): state_of(elsewhere)}
    agent.assigned([(TOPIC, 0)])
    output = agent(records(label(), start=3))
    assert KeyState.from_bytes(state_of(output)).evidence.labels[bin_of(0.95)] == 4


def test_partitions_keep_apart():
    agent = drift()
    agent(records(label(), partition=0) + records(label(), partition=1))
    agent.committed()
    agent.revoked([(TOPIC, 0)])
    output = agent(records(label(), partition=1, start=1))
    assert KeyState.from_bytes(state_of(output)).evidence.labels[bin_of(0.95)] == 2


def test_what_it_can_not_learn_from_is_a_dead_letter():
    both = policy_of(POLICY_TEXT + OTHER_TYPE)
    gone = tally(key="travel.approval|m:1")
    output = drift()(
        [
            *records(b"poison", None, decision(), gone),
            *records(label(), start=4),
        ]
    )
    assert reasons(output) == [
        (0, "drift", "not_avro"),
        (1, "drift", "not_avro"),
        (2, "drift", "wrong_type"),
        (3, "drift", "unknown_type"),
    ]
    assert len(of(output, Topic.LEARNING_STATE)) == 1
    assert not drift(policy=both)(records(gone)).dead


def test_the_policy_of_the_moment_says_what_error_is_tolerated():
    strict = policy_of(POLICY_TEXT.replace("    evidence:", "    alpha: 0.01\n    evidence:"))
    told = records(tally(), *(label() for _ in range(40)))
    [usual] = [read(r) for r in of(drift()(told), Topic.THRESHOLDS_UPDATED)][-1:]
    [harder] = [read(r) for r in of(drift(policy=strict)(told), Topic.THRESHOLDS_UPDATED)][-1:]
    assert harder.labels_needed > usual.labels_needed
    assert msgspec.structs.replace(harder, labels_needed=0, reason="") == msgspec.structs.replace(
        usual, labels_needed=0, reason=""
    )
