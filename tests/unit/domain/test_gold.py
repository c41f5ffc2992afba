"""Items with known truth: like any decision for the reviewer, and of no consequence for anything else."""

from __future__ import annotations

import msgspec
import pytest

from app.domain.context_package import build, is_blind
from app.domain.events import Arm, Reason, ReviewKind
from app.domain.gold import beside, caught, disguised, due, item_of, truth_of
from app.domain.labels import label_for
from app.domain.overrides import feedback_for
from app.domain.resolution import resolve_answer
from tests.unit.domain import cases

SECRET = b"a fixed secret of tests"


def real(decision_id="exp-20417", **changes):
    story = cases.routed(cases.decision(0.8, decision_id=decision_id, **changes))
    reasons = [*story.route.reasons, Reason(step="arm", code="gold", text="due", limit=0.02)]
    return msgspec.structs.replace(story, route=msgspec.structs.replace(story.route, reasons=reasons))


def past(decision_id="exp-00311", **changes):
    return cases.routed(
        cases.decision(0.8, decision_id=decision_id, occurred_at=cases.NOW - cases.DAY, **changes)
    )


def known(truth="reject"):
    return beside(past(subject="emp-9", links=["https://example.org/exp-00311"]), truth, real(), SECRET)


def test_it_is_due_where_routing_drew_it():
    assert due(real())
    assert not due(past())


def test_it_has_the_truth_where_no_package_shows_it():
    gold = known("reject")
    assert (truth_of(gold), truth_of(real())) == ("reject", None)
    assert gold.route.arm is Arm.GOLD
    assert gold.route.arm_probability == 0.02
    package = build(gold, cases.TERMS, [], [], kind=ReviewKind.GOLD)
    for tell in ("gold", "truth", "exp-00311", "example.org"):
        assert tell not in package.text.lower()
    assert "'reject'" not in package.text


def test_its_recommendation_is_withheld_where_the_real_ones_is():
    for arm, unseen in ((Arm.SHOWN, False), (Arm.BLIND, True), (Arm.SECOND_LOOK, True)):
        shown = real()
        gold = beside(
            past(),
            "reject",
            msgspec.structs.replace(shown, route=msgspec.structs.replace(shown.route, arm=arm)),
            SECRET,
        )
        assert is_blind(gold, ReviewKind.GOLD) is unseen
        package = msgspec.json.decode(build(gold, cases.TERMS, [], [], kind=ReviewKind.GOLD).text)
        assert (package.get("ai_recommendation") is None) is unseen


def test_what_was_drawn_for_the_original_stays_with_the_original():
    original = real("exp-00311")
    gold = beside(original, "reject", real(), SECRET)
    assert [reason.code for reason in gold.route.reasons if reason.step == "arm"] == ["truth"]
    assert not due(gold)


def test_its_package_has_the_same_parts_as_any_decision_of_level_4():
    gold, plain = known(), cases.routed(cases.decision(0.4, decision_id="exp-5"))
    assert plain.route.level == 4
    one = msgspec.json.decode(build(gold, cases.TERMS, [], [], kind=ReviewKind.GOLD).text)
    other = msgspec.json.decode(build(plain, cases.TERMS, [], [], kind=ReviewKind.DECIDE).text)
    assert one.keys() == other.keys()
    assert one["task"] == other["task"]
    assert one["involvement"] == other["involvement"]
    assert one["decision_required"].keys() == other["decision_required"].keys()


def test_a_batch_that_is_tried_again_has_the_same_item_id_whatever_item_is_next():
    first = beside(past("exp-1"), "reject", real(), SECRET).scored.decision.decision_id
    again = beside(past("exp-2"), "approve", real(), SECRET).scored.decision.decision_id
    assert first == again != real().scored.decision.decision_id


@pytest.mark.parametrize("like", ["exp-20417", "7", "no digits", "6f0c1f7e-0f3d-4b1e-9a44-3f1f3c1d9c55"])
def test_its_id_looks_like_the_ones_around_it(like):
    found = disguised(SECRET, like)
    assert found != like
    assert disguised(SECRET, like) == found
    if like[0] != "n":
        assert [c.isdigit() for c in found if not c.isalpha()][: len(like)]
        assert len(found) in (len(like), len(like) + 1)


def answered(action, truth="reject", **changes):
    return cases.answered(known(truth), action, kind=ReviewKind.GOLD, **changes)


def test_whoever_answers_the_truth_has_caught_it():
    assert caught(answered("reject")) is True
    assert caught(answered("approve")) is False
    assert caught(answered("escalate")) is None
    assert caught(cases.answered(real(), "reject")) is None


@pytest.mark.parametrize("action", ["approve", "reject"])
def test_an_answer_to_it_resolves_and_teaches_nothing(action):
    decided = answered(action, tags=["train_on_this", "teaching_example"])
    assert resolve_answer(decided.requested, decided.answer) is None
    assert label_for(decided) is None
    assert feedback_for(decided, cases.TERMS) == []


def test_an_item_keeps_what_it_was_made_of():
    item = item_of(past(), b"record", "reject", "ground_truth")
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(item), type=type(item))
    assert again == item
    assert item.item_id == item_of(past(), b"other", "approve", "x").item_id
