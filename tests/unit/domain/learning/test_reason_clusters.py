"""Free texts that recur become proposals: enough of them, by enough people, and no others."""

from __future__ import annotations

import random
from itertools import chain

import msgspec
import pytest

from app.domain.events import OverrideCategory
from app.domain.learning.reason_clusters import clusters_of, new_codes, new_scenarios
from app.domain.overrides import feedback_for
from tests.unit.domain.cases import TERMS, answered, decision, routed

TEMPLATES = {
    "receipt": [
        "receipt is missing",
        "missing receipt",
        "the receipt is not attached, missing",
        "no receipt: missing",
    ],
    "vendor": [
        "vendor is not on the approved list",
        "vendor not approved",
        "unapproved vendor, not on the list",
    ],
    "duplicate": [
        "duplicate of last month's claim",
        "claim is a duplicate",
        "same claim as last month, duplicate",
    ],
}


def feedback(number, text, reviewer, code="other", category=OverrideCategory.AI_ERROR, facts='{"amount": 1}'):
    told = answered(
        routed(decision(0.8, decision_id=f"d-{number}", facts=facts)),
        "reject", reasoning=text, reviewer=reviewer, reason_code=code, category=category,
        answer_id=f"a-{number}",
    )  # fmt: skip
    return feedback_for(told, TERMS)[0][1]


@pytest.fixture(scope="module")
def answers():
    chance = random.Random(3)
    made = []
    for topic, size in (("receipt", 12), ("vendor", 8), ("duplicate", 6)):
        made += [feedback(len(made) + i, chance.choice(TEMPLATES[topic]), f"r{i % 3}") for i in range(size)]
    made += [feedback(900, "weather was odd", "r0"), feedback(901, "", "r1")]
    chance.shuffle(made)
    return made


def test_texts_about_the_same_thing_come_together():
    group_of = {text: i for i, group in enumerate(clusters_of(chain(*TEMPLATES.values()))) for text in group}
    for texts in TEMPLATES.values():
        assert len({group_of[text] for text in texts}) <= 2
    for one in TEMPLATES["receipt"]:
        assert group_of[one] not in {group_of[other] for other in TEMPLATES["vendor"]}


def test_what_recurs_is_proposed_with_counts_and_examples(answers):
    found = new_codes(answers, frozenset({"agrees"}), 5, 2)
    assert len(found) >= 2
    assert sum(cluster.count for cluster in found) >= 20
    first = found[0]
    assert "receipt" in first.text
    assert first.people == 3
    assert first.category == "ai_error"
    assert all(name.startswith("d-") for name in first.examples)
    assert len({cluster.code for cluster in found}) == len(found)


def test_the_order_of_events_changes_nothing(answers):
    assert new_codes(answers, frozenset(), 5, 2) == new_codes(answers[::-1], frozenset(), 5, 2)


def test_one_persons_habit_is_no_proposal():
    same = [feedback(i, "vendor not approved", "ann") for i in range(20)]
    assert new_codes(same, frozenset(), 5, 2) == []
    assert new_codes(same[:4], frozenset(), 5, 1) == []


def test_an_answer_that_taught_two_sinks_counts_once():
    one = feedback(1, "vendor not approved", "ann")
    twice = [one, msgspec.structs.replace(one, feedback_id="other", sink="coaching")]
    assert new_codes(twice, frozenset(), 2, 1) == []


def test_reasons_that_have_a_code_are_not_proposed_again():
    coded = [feedback(i, "vendor not approved", f"r{i}", code="facts_misread") for i in range(9)]
    assert new_codes(coded, frozenset({"facts_misread"}), 5, 2) == []


def test_a_scenario_has_the_facts_that_its_cases_share():
    edge = []
    for i in range(8):
        facts = f'{{"category": "travel", "refund": true, "amount": {i}, "city": "c{i}"}}'
        text, category = "trip was cancelled by the airline", OverrideCategory.EDGE_CASE
        edge.append(feedback(i, text, f"r{i % 3}", "special_case", category, facts))
    [scenario] = new_scenarios(edge, 5, 2)
    assert scenario.condition == (
        'has(facts.category) && facts.category == "travel" && has(facts.refund) && facts.refund == true'
    )
    assert new_scenarios([msgspec.structs.replace(one, category=None) for one in edge], 5, 2) == []
