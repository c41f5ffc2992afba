"""Gold in the agents: an item comes beside a decision where one is due; its answer goes nowhere."""

from __future__ import annotations

import json

from app.agents.gold import GoldItems
from app.agents.outcome import Outcomes
from app.agents.review_request import ReviewRequests
from app.domain.events import DecisionResolved, ReviewKind, ReviewRequested
from app.domain.gold import GoldItem, item_of, truth_of
from app.domain.resolution import resolve_answer
from app.stream.topics import Topic, pool_topic
from tests.unit.agents.parts import (
    CODEC,
    POLICY,
    POLICY_TEXT,
    SEALED,
    SECRET,
    Store,
    again,
    decision,
    incoming,
    of,
    policy_of,
    read,
    relayed,
    replaced,
    routed,
)
from tests.unit.domain.cases import answered

ALWAYS = policy_of(POLICY_TEXT.replace("gold_share: 0", "gold_share: 1"))


class Ring:
    """The store's rings, as lists."""

    def __init__(self, *items: GoldItem) -> None:
        self.items = list(items)

    def next(self, types):
        found = []
        for name in types:
            item = next((one for one in self.items if one.decision_type == name), None)
            if item:
                self.items.remove(item)
                self.items.append(item)
            found.append(item)
        return found


async def routes(*decisions, policy=ALWAYS):
    output = await routed(*[incoming(one, n) for n, one in enumerate(decisions)], policy=policy)
    return [again(record, n) for n, record in enumerate(of(output, Topic.DECISIONS_ROUTED))]


async def item(decision_id="old-311", truth="reject"):
    [record] = await routes(decision(decision_id, 0.8), policy=POLICY)
    return item_of(CODEC.decode(record.value), record.value, truth, "ground_truth")


def requests(store, ring, policy=ALWAYS):
    gold = GoldItems(CODEC, ring, SECRET)
    return ReviewRequests(CODEC, lambda: policy, store, store, gold, inform=store.inform)


async def test_an_item_comes_beside_a_decision_where_one_is_due():
    store = Store()
    output = await requests(store, Ring(await item()))(await routes(decision("exp-20417", 0.8)))
    real, gold = [read(record) for record in of(output, pool_topic("expenses"))]
    assert (real.request.kind, gold.request.kind) == (ReviewKind.REVIEW, ReviewKind.GOLD)
    assert isinstance(gold, ReviewRequested)
    assert truth_of(gold.routed) == "reject"
    assert gold.request.deadline == real.request.deadline
    assert gold.request.requested_at == real.request.requested_at
    assert list(store.known) == ["exp-20417"], "it is no decision: no history, no later truth"


async def test_the_past_decision_is_not_among_those_that_its_package_shows():
    """Neither in its subject's history nor among its type's precedents: there stands what became of it."""
    store = Store()
    past = [CODEC.decode(one.value) for one in await routes(*(decision(f"old-{n}", 0.8) for n in (311, 312)))]
    store.remember(past)
    store.resolved(
        [DecisionResolved(routed=one, resolution=resolve_answer(*parts_of(answered(one)))) for one in past]
    )
    output = await requests(store, Ring(await item("old-311")))(await routes(decision("exp-20417", 0.8)))
    real, gold = of(output, pool_topic("expenses"))
    assert shown(real) == {"subject": {"old-311", "old-312"}, "precedents": {"old-311", "old-312"}}
    assert shown(gold) == {"subject": {"old-312"}, "precedents": {"old-312"}}
    assert b"old-311" not in gold.value, "nor anywhere else in the record"


def parts_of(decided):
    return decided.requested, decided.answer


def shown(record):
    """The ids of the decisions that a package shows beside its own."""
    context = json.loads(read(record).request.package)["historical_context"]
    return {place: {past["decision_id"] for past in pasts} for place, pasts in context.items()}


async def test_tried_again_it_is_the_same_review_and_record():
    store, ring = Store(), Ring(await item("old-1"), await item("old-2", "approve"))
    records = await routes(decision("exp-20417", 0.8))
    first = await requests(store, ring)(records)
    second = await requests(store, ring)(records)
    assert [one.value for one in first.outgoing] == [one.value for one in second.outgoing]
    assert len(store.reviews) == 2


async def test_nothing_comes_where_none_is_due_none_is_there_or_it_no_longer_fits():
    for ring, policy in (
        (Ring(await item()), POLICY),
        (Ring(), ALWAYS),
        (Ring(await item(truth="no_such_action")), ALWAYS),
        (Ring(replaced(await item(), record=b"\xc3\x01 not a record")), ALWAYS),
    ):
        store = Store()
        output = await requests(store, ring, policy)(await routes(decision("exp-9", 0.8), policy=policy))
        assert len(output.outgoing) == len(store.reviews) == 1
        assert not output.dead


async def test_an_automated_decision_has_none_beside_it():
    store = Store()
    assert not (await requests(store, Ring(await item()))(await routes(decision("exp-9")))).outgoing


async def test_its_answer_is_no_resolution_and_no_feedback_and_says_whether_a_known_error_was_caught():
    store = Store()
    output = await requests(store, Ring(await item()))(await routes(decision("exp-20417", 0.8)))
    gold = next(one for one in map(read, output.outgoing) if one.request.kind is ReviewKind.GOLD)
    for action in ("approve", "reject"):
        decided = answered(gold.routed, action, tags=["train_on_this"], answer_id=f"a-{action}")
        decided = replaced(decided, requested=gold)
        agent = Outcomes(CODEC, lambda: ALWAYS, store, store, SEALED)
        found = await agent([relayed(decided)])
        (label,) = map(read, found.outgoing)
        assert (label.kind, label.evidence, label.error) == (ReviewKind.GOLD, False, action == "reject")
        assert label.learning_key == gold.routed.route.learning_key
        assert found.dead == []
    assert store.fates == {}
