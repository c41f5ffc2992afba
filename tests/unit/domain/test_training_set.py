"""A training set's rows: weights, splits, truths, people's names."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest

from app.domain.overrides import feedback_for
from app.domain.training_card import Tally, card, described
from app.domain.training_set import COLUMNS, Plan, row_of, split_of, weight_of, with_truth
from tests.unit.domain.cases import TERMS, answered, decision, routed

PLAN = Plan(secret=b"secret")
REVIEWED = routed(decision(0.8, facts='{"amount": 40, "vip": true, "note": null}'))


def feedback(**changes):
    [(_, told)] = feedback_for(answered(REVIEWED, "reject"), TERMS)
    return msgspec.structs.replace(told, **changes)


def test_a_row_has_every_column_and_the_facts():
    values = row_of(feedback(), PLAN).values
    assert set(values) == {*COLUMNS, "fact_amount", "fact_vip", "fact_note"}
    assert (values["ai_action"], values["human_action"], values["label"], values["ai_right"]) == (
        "approve",
        "reject",
        "reject",
        False,
    )
    assert (values["fact_amount"], values["fact_vip"], values["fact_note"]) == (40.0, True, None)
    assert (values["inclusion_probability"], values["weight"]) == (1.0, 1.0)


def test_no_name_of_a_reviewer_leaves():
    told = feedback(reviewer="ann.miller")
    assert "ann.miller" not in str(row_of(told, PLAN))
    assert row_of(told, PLAN).values["reviewer"] != row_of(told, Plan(secret=b"other")).values["reviewer"]


def test_an_answer_that_taught_two_sinks_is_one_answer_and_training_comes_first():
    one, other = row_of(feedback(), PLAN), row_of(feedback(sink="coaching", feedback_id="f2"), PLAN)
    assert one.order[:2] == other.order[:2]
    assert one.order < other.order


def test_facts_that_can_not_be_read_leave_the_answer():
    values = row_of(feedback(facts="{"), PLAN).values
    assert values["label"] == "reject"
    assert not [name for name in values if name.startswith("fact_")]


def test_a_later_truth_has_the_last_word():
    values = row_of(feedback(), PLAN).values
    told = with_truth(values, "approve")
    assert (told["label"], told["label_source"], told["ai_right"], told["human_action"]) == (
        "approve",
        "truth",
        True,
        "reject",
    )


def test_weights_undo_the_sampling():
    """Horvitz-Thompson: 3 % of easy cases and all hard ones are seen; weighted, the error rate is right."""
    chance = random.Random(5)
    total = wrong = 0.0
    for _ in range(100_000):
        hard = chance.random() < 0.2
        seen = 1.0 if hard else 0.03
        error = chance.random() < (0.3 if hard else 0.02)
        if chance.random() < seen:
            weight = weight_of(seen, 100)
            total += weight
            wrong += weight * error
    assert wrong / total == pytest.approx(0.2 * 0.3 + 0.8 * 0.02, abs=0.006)


def test_the_split_has_its_share_and_depends_on_the_decision_alone():
    sides = Counter(split_of(f"d-{i}", 0.2) for i in range(20_000))
    assert sides["test"] / 20_000 == pytest.approx(0.2, abs=0.01)
    moved = [i for i in range(2000) if split_of(f"d-{i}", 0.2) == "test" != split_of(f"d-{i}", 0.3)]
    assert not moved  # a larger share only adds to the test side


def test_the_card_says_how_weights_and_split_were_made():
    tally = Tally()
    tally.add(row_of(feedback(), PLAN).values)
    text = card(tally, ["training.csv"], {}, PLAN, described(["training_examples"], None))
    assert "1 rows in `training.csv`" in text
    assert "| label_source | person | 1 |" in text
    assert "at most 100" in text
    assert "20% test" in text
    for column in COLUMNS:
        assert f"| {column} |" in text
