"""What only many answers show: said once, with the same id, and only when there is enough of it."""

from __future__ import annotations

import random

import msgspec
import pytest

from app.domain.events import Arm, OverrideCategory, ReviewKind
from app.domain.learning.pattern_terms import ScanTerms
from app.domain.learning.patterns import Pattern
from app.domain.learning.scan import Scan
from app.domain.overrides import feedback_for
from tests.unit.domain.cases import NOW, TERMS, answered, decision, routed

RULES = ScanTerms()
CODES = frozenset({"agrees", "facts_misread", "special_case"})


def answer(
    number, reviewer, action="approve", code="agrees", kind=ReviewKind.REVIEW, arm=Arm.SECOND_LOOK, **more
):
    story = routed(decision(0.8, decision_id=f"d-{number}"))
    story = msgspec.structs.replace(story, route=msgspec.structs.replace(story.route, arm=arm))
    name = f"{number}-{reviewer}-{kind}"
    return answered(
        story,
        action,
        kind=kind,
        reviewer=reviewer,
        reason_code=code,
        answer_id=name,
        decided_at=NOW + number,
        **more,
    )


def scan_of(answers):
    scan = Scan(TERMS.decision_type, CODES)
    for one in answers:
        scan.add(one)
        for _, feedback in feedback_for(one, TERMS):
            scan.add(feedback)
    return scan


def edge_cases(count=8):
    return [
        answer(i, f"r{i % 3}", "reject", "special_case", arm=Arm.SHOWN, category=OverrideCategory.EDGE_CASE,
               reasoning="the airline cancelled the trip")
        for i in range(count)
    ]  # fmt: skip


def pairs(count, differ, seed=1):
    chance = random.Random(seed)
    found = []
    for i in range(100, 100 + count):
        other = "facts_misread" if chance.random() < differ else "agrees"
        found += [answer(i, "ann"), answer(i, "ben", code=other, kind=ReviewKind.SECOND_LOOK)]
    return found


def test_a_new_scenario_is_a_pattern_and_a_reason_to_retrain():
    found = scan_of(edge_cases()).patterns(NOW, RULES)
    assert [one.pattern for one in found] == [Pattern.NEW_SCENARIO, Pattern.RETRAIN]
    assert "8 answers by 3 people" in found[0].text
    assert "has not learned" in found[1].text
    assert found[0].learning_key == TERMS.decision_type


def test_what_is_found_again_has_the_same_id():
    first = scan_of(edge_cases()).patterns(NOW, RULES)
    again = scan_of([*edge_cases()[::-1], *edge_cases()]).patterns(NOW + 1, RULES)
    assert [one.pattern_id for one in first] == [one.pattern_id for one in again]
    assert [one.count for one in first] == [one.count for one in again]


def test_a_text_under_other_is_a_new_reason():
    told = [
        answer(i, f"r{i % 2}", "reject", "other", arm=Arm.SHOWN, reasoning="vendor is not approved")
        for i in range(6)
    ]
    [found] = [one for one in scan_of(told).patterns(NOW, RULES) if one.pattern == Pattern.NEW_REASON]
    assert "vendor is not approved" in found.text
    assert "reason code" in found.action


def test_the_same_decision_for_different_reasons_is_inconsistent():
    [found] = scan_of(pairs(40, differ=0.8)).patterns(NOW, RULES)
    assert found.pattern == Pattern.INCONSISTENT_REASONS
    assert found.value > found.limit
    assert "decided expense.approval alike" in found.text or TERMS.decision_type in found.text


@pytest.mark.parametrize(("count", "differ"), [(40, 0.1), (15, 0.9)])
def test_few_differences_and_few_pairs_say_nothing(count, differ):
    assert scan_of(pairs(count, differ)).patterns(NOW, RULES) == []


def test_two_answers_of_one_person_are_no_pair():
    told = [answer(i, "ann", code=code, kind=kind) for i in range(30) for code, kind in
            (("agrees", ReviewKind.REVIEW), ("special_case", ReviewKind.SECOND_LOOK))]  # fmt: skip
    assert scan_of(told).patterns(NOW, RULES) == []


def test_gold_measures_people_and_is_no_part_of_the_picture():
    told = [answer(i, "ann", kind=ReviewKind.GOLD) for i in range(30)]
    assert scan_of(told).spread() == []


def test_spread_and_accuracy_come_from_the_pairs():
    scan = scan_of(pairs(40, differ=0.5))
    [spread] = scan.spread()
    assert (spread.answers, spread.pairs, spread.floor) == (80, 40, 0.0)
    assert spread.cell.startswith("confidence 0.")
