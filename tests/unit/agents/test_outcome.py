"""Outcomes: answers resolve and teach once each; later truths find their decision or wait for it."""

from __future__ import annotations

import json

import pytest

from app.domain.events import (
    DecidedBy,
    DecisionResolved,
    Feedback,
    LearningLabel,
    ObservationKind,
    ObservedOutcome,
    OverrideCategory,
    ReviewDecided,
    ReviewDefaulted,
    ReviewKind,
    ReviewLifecycle,
    SafeDefault,
)
from app.domain.evidence_chain import SEAL_HEADER, seal, seal_key
from app.domain.review import review_id_of
from app.stream.errors import TransientError
from app.stream.topics import Topic, pool_topic
from tests.unit.agents.parts import (
    CODEC,
    NOW,
    OTHER_TYPE,
    POLICY,
    POLICY_TEXT,
    SECRET,
    Store,
    decision,
    headers,
    incoming,
    of,
    outcomes,
    policy_of,
    read,
    reasons,
    relayed,
    replaced,
    replayed,
    routed,
)
from tests.unit.domain.cases import answered

KEY = b"expense.approval|expenses:3"


async def story(decision_id="exp-1", probability=0.8, policy=POLICY, **changes):
    output = await routed(incoming(decision(decision_id, probability, **changes)), policy=policy)
    return read(of(output, Topic.DECISIONS_ROUTED)[0])


async def told(decision_id="exp-1", action="approve", offset=0, *, policy=POLICY, fields=None, **changes):
    """An answer as the agent reads it."""
    event = answered(await story(decision_id, policy=policy, **(fields or {})), action, **changes)
    return relayed(event, offset)


def observed(decision_id="exp-1", offset=0, kind=ObservationKind.CONFIRMED_CORRECT, headers=(), **changes):
    given = {"observation_id": f"o-{decision_id}", "correct_action": None, "observed_at": NOW + 9}
    event = ObservedOutcome(
        **{**given, "decision_id": decision_id, "kind": kind, "source": "ledger", "note": "", **changes}
    )
    return incoming(event, offset, topic=Topic.OUTCOMES_OBSERVED, headers=headers)


def topics(output):
    return sorted(record.topic for record in output.outgoing)


# --- answers --------------------------------------------------------------------------------------


async def test_an_agreement_resolves_reinforces_and_labels():
    store = Store()
    output = await outcomes(store)([await told("exp-1", "approve")])
    assert topics(output) == ["decisions.resolved", "feedback.training_examples", "learning.cases"]
    [resolved] = of(output, Topic.DECISIONS_RESOLVED)
    event = read(resolved)
    assert isinstance(event, DecisionResolved)
    assert event.routed == await story("exp-1")
    assert (event.resolution.decided_by, event.resolution.reviewer) == (DecidedBy.HUMAN, "ann")
    assert (event.resolution.action, event.resolution.agreed) == ("approve", True)
    assert resolved.key == b"exp-1"
    assert headers(resolved)["ce_id"] == b"DecisionResolved/exp-1"
    assert headers(resolved)["hitl_level"] == b"%d" % event.routed.route.level
    assert store.fates["exp-1"].action == "approve"


@pytest.mark.parametrize(
    ("category", "sink"),
    [
        (OverrideCategory.AI_ERROR, Topic.FEEDBACK_TRAINING_EXAMPLES),
        (OverrideCategory.EDGE_CASE, Topic.FEEDBACK_EXCEPTION_RULES),
        (OverrideCategory.POLICY_CHANGE, Topic.FEEDBACK_POLICY_UPDATES),
        (OverrideCategory.HUMAN_ERROR, Topic.FEEDBACK_COACHING),
        (None, Topic.FEEDBACK_TRAINING_EXAMPLES),
    ],
)
async def test_an_override_teaches_by_its_category(category, sink):
    output = await outcomes(Store())([await told(action="reject", category=category, reason_code="other")])
    [feedback] = of(output, sink)
    event = read(feedback)
    assert isinstance(event, Feedback)
    assert (feedback.key, event.learning_key.encode()) == (KEY, KEY)
    assert event.category is (category or OverrideCategory.AI_ERROR)
    assert headers(feedback)["ce_id"] == f"Feedback/{event.feedback_id}".encode()
    [label] = of(output, Topic.LEARNING_CASES)
    found = read(label)
    assert isinstance(found, LearningLabel)
    assert (label.key, found.error, found.reviewer) == (KEY, True, "ann")


async def test_an_audit_teaches_but_resolves_nothing():
    output = await outcomes(Store())([await told(kind=ReviewKind.AUDIT, action="reject")])
    assert topics(output) == ["feedback.training_examples", "learning.cases"]


async def test_an_answer_that_hands_on_neither_resolves_nor_teaches_and_is_no_silent_end():
    """The desk takes none any more; one in the log left its decision without anybody to decide it."""
    output = await outcomes(Store())([await told(action="request_info")])
    assert (output.outgoing, reasons(output)) == ([], [(0, "outcome", "decides_nothing")])
    assert "was answered with 'request_info', which decides nothing" in output.dead[0].message
    audit = await outcomes(Store())([await told(kind=ReviewKind.AUDIT, action="request_info")])
    assert (audit.outgoing, audit.dead) == ([], []), "nobody waits for an audit"


async def test_a_second_delivery_of_the_same_answer_is_dropped():
    """The outbox delivers at least once. Dropped is not dead-lettered: nothing is wrong."""
    store = Store()
    first = await told(offset=3)
    output = await outcomes(store)([first, await told(offset=4)])
    assert len(of(output, Topic.DECISIONS_RESOLVED)) == 1
    later = await outcomes(store)([await told(offset=5)])
    assert (later.outgoing, later.dead, output.dead) == ([], [], [])
    assert await outcomes(store)([first]) == await outcomes(store)([first])
    assert len((await outcomes(store)([first])).outgoing) == 3  # the same record read again counts


async def test_another_answer_of_the_same_decision_is_no_second_delivery():
    store = Store()
    second_look = await told(offset=1, answer_id="a-2", reviewer="bob", kind=ReviewKind.SECOND_LOOK)
    output = await outcomes(store)([await told(), second_look])
    assert len(of(output, Topic.LEARNING_CASES)) == 2
    assert len(of(output, Topic.DECISIONS_RESOLVED)) == 1


async def test_an_answer_whose_type_left_the_policy_is_a_dead_letter_and_can_be_replayed():
    both = policy_of(POLICY_TEXT + OTHER_TYPE)
    store = Store()
    record = await told(policy=both, fields={"decision_type": "travel.approval"})
    output = await outcomes(store)([record, await told("exp-2", offset=1, answer_id="a-2")])
    assert reasons(output) == [(0, "outcome", "unknown_type")]
    assert [r.key for r in of(output, Topic.DECISIONS_RESOLVED)] == [b"exp-2"]
    after = await outcomes(store, both)([replayed(replaced(record, offset=99), "reviews.outcomes[0]@0")])
    assert [r.key for r in of(after, Topic.DECISIONS_RESOLVED)] == [b"exp-1"]


# --- later truths ---------------------------------------------------------------------------------


async def test_a_truth_is_joined_to_its_decision():
    store = Store()
    store.remember([await story("exp-1", 0.97)])
    wrong = observed(kind=ObservationKind.GROUND_TRUTH, correct_action="reject")
    output = await outcomes(store)([wrong])
    [record] = output.outgoing
    label = read(record)
    assert (record.topic, record.key) == (Topic.LEARNING_CASES, KEY)
    assert (label.decision_id, label.error, label.automated) == ("exp-1", True, True)
    assert (label.source, label.evidence) == ("observation", False)
    assert store.truths["exp-1"].correct_action == "reject"


async def test_a_truth_in_the_batch_of_its_answer_sees_the_answer():
    store = Store()
    store.remember([await story("exp-1")])
    output = await outcomes(store)([await told(action="reject"), observed(offset=1)])
    from_truth = [read(record) for record in of(output, Topic.LEARNING_CASES)][1]
    assert from_truth.error  # the rejection was confirmed, so the recommendation to approve was wrong


async def test_a_truth_about_an_unknown_decision_waits_as_a_dead_letter():
    store = Store()
    output = await outcomes(store)([observed("exp-1"), await told("exp-2", offset=1)])
    assert reasons(output) == [(0, "outcome", "unknown_decision")]
    assert "exp-1" in output.dead[0].message
    assert of(output, Topic.DECISIONS_RESOLVED)
    assert "exp-1" not in store.truths

    store.remember([await story("exp-1", 0.97)])
    after = await outcomes(store)([replayed(observed("exp-1", 9), "outcomes.observed[0]@0")])
    assert len(of(after, Topic.LEARNING_CASES)) == 1
    assert not after.dead


async def test_the_same_truth_told_twice_counts_once():
    store = Store()
    store.remember([await story("exp-1", 0.97)])
    output = await outcomes(store)([observed(offset=0), observed(offset=1)])
    assert len(output.outgoing) == 1
    assert not (await outcomes(store)([observed(offset=2)])).outgoing


async def test_a_truth_that_says_nothing_about_the_recommendation_gives_no_label():
    store = Store()
    store.remember([await story("exp-1")])  # waits for a person: nothing was done yet
    output = await outcomes(store)([observed(kind=ObservationKind.DOWNSTREAM_ERROR)])
    assert (output.outgoing, output.dead) == ([], [])
    assert "exp-1" in store.truths


# --- what can go wrong ----------------------------------------------------------------------------


async def test_poison_is_a_dead_letter_of_its_own():
    routed_story = await story()
    records = [
        incoming(b"poison", 0, topic=Topic.REVIEWS_OUTCOMES),
        incoming(None, 1, topic=Topic.OUTCOMES_OBSERVED),
        incoming(routed_story, 2, topic=Topic.REVIEWS_OUTCOMES),
        await told(offset=3),
    ]
    output = await outcomes(Store())(records)
    assert reasons(output) == [
        (0, "outcome", "not_avro"),
        (1, "outcome", "not_avro"),
        (2, "outcome", "wrong_type"),
    ]
    assert len(of(output, Topic.DECISIONS_RESOLVED)) == 1


@pytest.mark.parametrize("what", ["answer", "truth"])
async def test_an_outage_of_the_store_is_transient(what):
    store = Store()
    store.away = True
    record = await told() if what == "answer" else observed()
    with pytest.raises(TransientError, match="does not serve"):
        await outcomes(store)([record])


async def test_an_answer_read_again_gives_the_same_bytes():
    store = Store()
    record = await told(action="reject")
    assert isinstance(CODEC.decode(record.value), ReviewDecided)
    assert await outcomes(store)([record]) == await outcomes(store)([record])


# --- seals ----------------------------------------------------------------------------------------


def unsealed(record):
    return replaced(record, headers=[])


def sealed_with(record, secret):
    mark = seal(seal_key(secret), record.topic, record.key, record.value)
    return replaced(record, headers=[(SEAL_HEADER, mark.encode())])


@pytest.mark.parametrize(
    "forge",
    [
        unsealed,
        lambda record: sealed_with(record, b"a secret of my own"),
        lambda record: replaced(record, headers=[(SEAL_HEADER, b"\xff\xfe")]),
        lambda record: replaced(record, key=b"exp-2"),
        lambda record: replaced(record, topic=Topic.OUTCOMES_OBSERVED),
    ],
    ids=["no seal", "another secret", "no text", "another key", "another topic"],
)
async def test_what_nobody_of_ours_sealed_resolves_and_teaches_nothing(forge):
    store = Store()
    genuine = await told(offset=4)
    output = await outcomes(store)([forge(genuine)])
    assert reasons(output) == [(4, "outcome", "unsealed_answer")]
    [alarm] = output.outgoing
    assert alarm.topic == Topic.PATTERNS_DETECTED
    assert (read(alarm).pattern, read(alarm).count) == ("unsealed_answer", 1)
    assert store.fates == {}
    after = await outcomes(store)([genuine])  # and a forged one is not in the way of the true one
    assert len(of(after, Topic.DECISIONS_RESOLVED)) == 1


async def test_a_changed_answer_counts_for_nothing():
    store = Store()
    genuine, other = await told(action="approve"), await told(action="reject")
    output = await outcomes(store)([replaced(other, headers=genuine.headers)])
    assert [letter.reason for letter in output.dead] == ["unsealed_answer"]


async def test_a_default_needs_a_seal_as_well():
    output = await outcomes(Store())([unsealed(await defaulted())])
    assert not of(output, Topic.DECISIONS_RESOLVED)


async def test_what_was_sealed_with_the_secret_before_still_counts():
    output = await outcomes(Store())([sealed_with(await told(), b"the secret before")])
    assert len(of(output, Topic.DECISIONS_RESOLVED)) == 1


# --- the deadline rule ------------------------------------------------------------------------------


async def defaulted(action="reject", offset=0, kind=ReviewKind.REVIEW, **fields):
    event = answered(await story(**fields), kind=kind)
    default = SafeDefault(
        default_id="x-1", review_id="expenses.1", action=action, deadline=NOW, taken_at=NOW + 5
    )
    return relayed(ReviewDefaulted(requested=event.requested, default=default), offset)


async def test_a_safe_default_resolves_and_is_nobodys_answer():
    store = Store()
    output = await outcomes(store)([await defaulted()])
    assert topics(output) == ["decisions.resolved"]  # no label, no feedback: nobody said no
    resolution = read(output.outgoing[0]).resolution
    assert (resolution.action, resolution.decided_by) == ("reject", DecidedBy.DEADLINE_RULE)
    assert (resolution.reviewer, resolution.agreed, resolution.category) == (None, None, None)
    assert resolution.resolved_at == NOW + 5
    assert store.fates["exp-1"].agreed is None
    assert headers(output.outgoing[0])["ce_id"] == b"DecisionResolved/exp-1"


async def test_a_second_delivery_of_a_default_is_dropped():
    store = Store()
    await outcomes(store)([await defaulted()])
    assert not (await outcomes(store)([await defaulted(offset=1)])).outgoing


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "approve"},
        {"facts": '{"amount": 9000}'},  # high consequence
        {"kind": ReviewKind.AUDIT},
    ],
)
async def test_silence_that_may_not_decide_is_a_dead_letter(changes):
    output = await outcomes(Store())([await defaulted(**changes)])
    assert not output.outgoing
    assert reasons(output) == [(0, "outcome", "unsafe_default")]


# --- checks that nobody answered in time ------------------------------------------------------------


def missed(decision_id="exp-1", kind="review", event="sla_missed", offset=0):
    state = {
        "review_id": f"expenses.{decision_id}",
        "decision_id": decision_id,
        "kind": kind,
        "sla_class": "standard",
        "consequence_class": "low",
        "requested_at": NOW,
        "digest": "",
        "urgency": 0,
        "arrival": 0,
    }
    record = ReviewLifecycle(
        event_id=f"e-{decision_id}-{event}",
        review_id=f"expenses.{decision_id}",
        decision_id=decision_id,
        pool="expenses",
        event=event,
        actor="sla",
        at=NOW + 86_400_000,
        lease_epoch=0,
        state=json.dumps(state),
        detail="{}",
    )
    given = incoming(record, offset, topic=Topic.REVIEWS_LIFECYCLE)
    mark = seal(seal_key(SECRET), given.topic, given.key, given.value)
    return replaced(given, headers=[*given.headers, (SEAL_HEADER, mark.encode())])


async def test_a_blind_check_that_misses_its_sla_is_an_error_once():
    sampled = policy_of(POLICY_TEXT.replace("{floor: 0.005, initial: 0, scale: 1}", "{floor: 1, initial: 0}"))
    store = Store()
    store.remember([await story("exp-1", policy=sampled), await story("exp-7")])
    agent = outcomes(store)
    output = await agent([missed("exp-1"), missed("exp-1", offset=1), missed("exp-7", offset=2)])
    (record,) = output.outgoing
    label = read(record)
    assert (record.topic, label.decision_id, label.source) == ("learning.cases", "exp-1", "missed_sla")
    assert (label.error, label.evidence, label.reviewer, label.kind) == (True, True, "", ReviewKind.REVIEW)
    assert not (await agent([missed("exp-1", kind="second_look", offset=3)])).outgoing


async def test_a_blind_check_that_ends_unanswered_is_an_error_as_well():
    """Or withdrawing would be a way to keep an error from counting."""
    sampled = policy_of(POLICY_TEXT.replace("{floor: 0.005, initial: 0, scale: 1}", "{floor: 1, initial: 0}"))
    store = Store()
    store.remember([await story("exp-1", policy=sampled), await story("exp-7")])
    agent = outcomes(store)
    ended = [
        missed("exp-1", event="withdrawn", offset=1),
        missed("exp-1", event="withdrawn", offset=2),
        missed("exp-7", event="withdrawn", offset=3),
        missed("exp-1", kind="second_look", event="withdrawn", offset=4),
    ]
    (record,) = (await agent(ended[:3])).outgoing
    label = read(record)
    assert (label.decision_id, label.source, label.error, label.evidence) == (
        "exp-1",
        "withdrawn",
        True,
        True,
    )
    assert not (await agent(ended[3:])).outgoing


async def test_other_steps_of_a_review_say_nothing_here_and_a_forged_one_is_a_dead_letter():
    store = Store()
    store.remember([await story("exp-1")])
    output = await outcomes(store)([missed(event="sla_at_risk"), missed(event="claimed", offset=1)])
    assert (output.outgoing, output.dead) == ([], [])
    forged = replaced(missed(offset=2), headers=[])
    assert reasons(await outcomes(store)([forged])) == [(2, "outcome", "unsealed_answer")]


# --- second opinions ------------------------------------------------------------------------------

CONFIRMING = policy_of(
    POLICY_TEXT.replace("evidence: {floor: 0.005, initial: 0, scale: 1}", "evidence: {floor: 1}").replace(
        "gold_share: 0", "gold_share: 0.02"
    )
)


async def test_a_blind_finding_is_asked_again_of_another_person_once():
    store = Store()
    agent = outcomes(store, CONFIRMING)
    finding = await told("exp-1", "reject", policy=CONFIRMING, fields={"probability": 0.8})
    output = await agent([finding])
    [asked] = of(output, pool_topic("expenses"))
    event = read(asked)
    request = event.request
    assert (request.kind, request.blind, request.approvals) == (ReviewKind.SECOND_LOOK, True, 1)
    assert request.review_id == review_id_of("expenses", "exp-1", ReviewKind.SECOND_LOOK)
    answered_at = CODEC.decode(finding.value).answer.decided_at
    assert (request.requested_at, request.deadline) == (answered_at, answered_at + 24 * 3_600_000)
    assert "recommendation" not in json.loads(request.package)
    assert [type(each).__name__ for each in output.events] == ["ReviewDecided", "ReviewRequested"]
    assert (await agent([finding])).outgoing == output.outgoing, "a retried batch publishes the same"
    later = replaced(finding, offset=7)
    assert not (await agent([later])).outgoing, "the outbox delivered it twice"


@pytest.mark.parametrize(
    ("action", "policy"),
    [("approve", CONFIRMING), ("reject", POLICY), ("request_info", CONFIRMING)],
)
async def test_nobody_is_asked_again_without_a_finding_or_where_the_policy_does_not_ask(action, policy):
    store = Store()
    output = await outcomes(store, policy)([await told(action=action, policy=policy)])
    assert not of(output, pool_topic("expenses"))
    assert not store.reviews
