"""Review requests: one for each review a route asks for, the same on every repeat, and what is remembered."""

from __future__ import annotations

import json

import pytest

from app.domain.authority import Denial
from app.domain.events import DecisionWithdrawn, InformationGiven, OnDeadline, ReviewKind, ReviewRequested
from app.domain.review import review_id_of
from app.domain.working_time import due
from app.review_queue.values import Enqueued
from app.stream.errors import TransientError
from app.stream.topics import Topic, pool_topic
from tests.unit.agents.parts import (
    CODEC,
    NOW,
    OTHER_TYPE,
    POLICY,
    POLICY_TEXT,
    Store,
    again,
    decision,
    headers,
    incoming,
    of,
    policy_of,
    read,
    reasons,
    relayed,
    review_requests,
    routed,
)
from tests.unit.domain.cases import answered


async def routes(*decisions, policy=POLICY):
    """Routed decisions as the agent reads them."""
    output = await routed(*[incoming(one, n) for n, one in enumerate(decisions)], policy=policy)
    return [again(record, n) for n, record in enumerate(of(output, Topic.DECISIONS_ROUTED))]


async def test_a_review_goes_to_the_queue_and_to_the_topic_of_its_pool():
    store = Store()
    [record] = await routes(decision("exp-1", 0.8))
    output = await review_requests(store)([record])
    [written] = output.outgoing
    event = read(written)
    assert isinstance(event, ReviewRequested)
    route = event.routed.route
    assert (written.topic, written.key) == (pool_topic("expenses"), b"exp-1")
    assert event.routed == CODEC.decode(record.value)
    assert event.request.review_id == review_id_of("expenses", "exp-1", route.review_kinds[0])
    assert (event.request.deadline, event.request.approvals) == (route.deadline, 1)
    assert store.reviews[event.request.review_id].record == written.value
    found = headers(written)
    assert found["ce_id"] == f"ReviewRequested/{event.request.review_id}".encode()
    assert found["hitl_arrival"] == b"1"


async def test_low_confidence_goes_to_the_experts():
    [record] = await routes(decision("exp-1", 0.4))
    output = await review_requests(Store())([record])
    assert [written.topic for written in output.outgoing] == [pool_topic("experts")]


async def test_what_is_automated_is_remembered_but_asks_nobody():
    store = Store()
    output = await review_requests(store)(await routes(decision("exp-1")))
    assert not output.outgoing
    assert list(store.known) == ["exp-1"]


async def test_a_repeat_publishes_what_was_enqueued_the_first_time():
    """By then the decision's own batch may be part of the history: the package would be another one."""
    store = Store()
    records = await routes(decision("exp-1", 0.8))
    first = await review_requests(store)(records)
    [before] = await routes(decision("exp-0"))
    await review_requests(store)([before])
    second = await review_requests(store)(records)
    assert second.outgoing == first.outgoing


async def test_history_shows_the_subjects_other_decisions():
    store = Store()
    await review_requests(store)(await routes(decision("exp-0")))
    output = await review_requests(store)(await routes(decision("exp-1", 0.8)))
    package = json.dumps(json.loads(read(output.outgoing[0]).request.package))
    assert "exp-0" in package


async def test_poison_and_forgotten_types_are_dead_letters():
    both = policy_of(POLICY_TEXT + OTHER_TYPE)
    gone = await routes(decision("gone", 0.5, decision_type="travel.approval"), policy=both)
    [good] = await routes(decision("exp-1", 0.8))
    poison = incoming(b"poison", 5, topic=Topic.DECISIONS_ROUTED)
    deleted = incoming(None, 6, topic=Topic.DECISIONS_ROUTED)
    output = await review_requests(Store())([*gone, poison, good, deleted])
    assert reasons(output) == [
        (0, "review_request", "unknown_type"),
        (5, "review_request", "not_avro"),
        (6, "review_request", "not_avro"),
    ]
    assert [record.key for record in output.outgoing] == [b"exp-1"]


async def test_an_outage_of_the_store_is_transient():
    store = Store()
    store.away = True
    with pytest.raises(TransientError):
        await review_requests(store)(await routes(decision("exp-1", 0.8)))


# --- withdrawals ----------------------------------------------------------------------------------


def withdrawal(decision_id: str = "exp-1", offset: int = 9):
    event = DecisionWithdrawn(decision_id=decision_id, reason="cancelled", withdrawn_by="svc", at=NOW)
    return incoming(event, offset, topic=Topic.DECISIONS_WITHDRAWN)


async def test_a_withdrawal_ends_the_reviews_of_its_decision():
    store = Store()
    records = await routes(decision("exp-1", 0.8), decision("exp-2", 0.8))
    await review_requests(store)(records)
    output = await review_requests(store)([withdrawal()])
    assert not output.outgoing
    assert not output.dead
    assert store.ended == [
        name for name in store.reviews if name == review_id_of("expenses", "exp-1", ReviewKind.REVIEW)
    ]


@pytest.mark.parametrize("together", [True, False])
async def test_a_withdrawal_that_is_read_before_its_decision_ends_the_review_when_it_comes(together):
    store = Store()
    [record] = await routes(decision("exp-1", 0.8))
    for batch in [[withdrawal(), record]] if together else [[withdrawal()], [record]]:
        output = await review_requests(store)(batch)
    assert [written.topic for written in output.outgoing] == [pool_topic("expenses")]
    assert store.ended == list(store.reviews)


@pytest.mark.parametrize("early", [False, True])
async def test_a_withdrawal_does_not_end_the_check_of_what_ran_alone(early):
    """Whoever hears of an error could else take its check away."""
    audited = policy_of(POLICY_TEXT.replace("audit_rate: 0", "audit_rate: 1"))
    store = Store()
    records = await routes(decision("exp-1"), policy=audited)
    for batch in [[withdrawal()], records] if early else [records, [withdrawal()]]:
        await review_requests(store, audited)(batch)
    assert list(store.reviews) == [review_id_of("expenses", "exp-1", ReviewKind.AUDIT)]
    assert store.ended == []


async def test_a_withdrawal_does_not_end_the_second_look_at_what_ran_alone():
    audited = policy_of(POLICY_TEXT.replace("audit_rate: 0", "audit_rate: 1"))
    store = Store()
    [record] = await routes(decision("exp-1"), policy=audited)
    await review_requests(store, audited)([record, withdrawal()])
    decided = answered(CODEC.decode(record.value), "reject", kind=ReviewKind.AUDIT)
    output = await review_requests(store, audited).confirm([(relayed(decided), decided)])
    assert len(output.outgoing) == 1
    assert store.ended == []


async def test_a_withdrawal_does_not_end_an_item_with_known_truth_of_the_same_id():
    store = Store()
    gold = review_id_of("expenses", "exp-1", ReviewKind.GOLD)
    store.reviews[gold] = Enqueued(gold, 1, b"", False)
    await review_requests(store)([withdrawal()])
    assert store.ended == []


async def test_a_decision_that_is_not_remembered_any_more_is_looked_for_in_every_pool():
    store = Store()
    await review_requests(store)(await routes(decision("exp-1", 0.4)))  # went to the experts
    store.known.clear()
    await review_requests(store)([withdrawal()])
    assert store.ended == list(store.reviews)


async def test_another_event_on_its_topics_is_a_dead_letter():
    [record] = await routes(decision("exp-1", 0.8))
    other = incoming(CODEC.decode(record.value).scored, 3, topic=Topic.DECISIONS_ROUTED)
    assert reasons(await review_requests(Store())([other])) == [(3, "review_request", "wrong_type")]


# --- what the queue is told about time ------------------------------------------------------------

OFFICE = """\
calendars:
  office: {zone: Europe/Berlin, hours: {monday: "09:00-17:00", tuesday: "09:00-17:00"}}
sla_classes:
  standard: {duration: 8h, calendar: office, at_risk: 0.5}
"""


async def test_deadline_and_steps_are_in_working_time():
    text = POLICY_TEXT.replace("{title: Expenses}", "{title: Expenses, backup_pools: [experts]}") + OFFICE
    policy = policy_of(text)
    store = Store()
    [record] = await routes(decision("exp-1", 0.8), policy=policy)
    output = await review_requests(store, policy)([record])
    request = read(output.outgoing[0]).request
    calendar = policy.calendars["standard"]
    assert request.deadline == due(calendar, request.requested_at, 8 * 3_600_000)
    shares = (0.5, 0.625, 0.75, 0.875)
    assert request.ladder == [due(calendar, request.requested_at, round(s * 8 * 3_600_000)) for s in shares]
    assert (request.on_deadline, request.safe_default) == (OnDeadline.ESCALATE, None)


async def test_a_pool_without_backups_offers_nothing_to_them():
    [record] = await routes(decision("exp-1", 0.8))
    request = read((await review_requests(Store())([record])).outgoing[0]).request
    assert request.ladder[2] == 0
    assert all(request.ladder[i] for i in (0, 1, 3))


# --- information ----------------------------------------------------------------------------------


def information(offset: int = 9):
    event = InformationGiven(
        review_id="expenses.x",
        decision_id="exp-1",
        lease_epoch=1,
        information="Apollo",
        given_by="svc",
        given_at=NOW,
    )
    return incoming(event, offset, topic=Topic.REVIEWS_INFORMATION)


async def test_information_is_passed_on():
    store = Store()
    output = await review_requests(store)([information()])
    assert [event.information for event in store.informed] == ["Apollo"]
    assert not output.dead
    assert not output.outgoing


async def test_information_that_is_not_taken_is_a_dead_letter_that_says_why():
    store = Store()
    store.denial = Denial("not_waiting", "nobody asked", "look again")
    output = await review_requests(store)([information()])
    assert reasons(output) == [(9, "review_request", "not_waiting")]
    assert "nobody asked (look again)" in output.dead[0].message


async def test_information_waits_out_an_outage_of_the_store():
    store = Store()
    store.away = True
    with pytest.raises(TransientError):
        await review_requests(store)([information()])
    assert not store.informed
