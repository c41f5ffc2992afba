"""Spread within cells: against pairs counted one by one, and against what people differ by."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
from scipy.stats import entropy

from app.domain.quality.consistency import gini, normalised_entropy, spreads


@pytest.mark.parametrize("counts", [{"a": 5, "b": 3, "c": 2}, {"a": 2}, {"a": 1, "b": 1}, {"a": 7, "b": 0}])
def test_gini_is_the_share_of_pairs_that_differ(counts):
    answers = [name for name, n in counts.items() for _ in range(n)]
    pairs = list(combinations(answers, 2))
    assert gini(counts) == pytest.approx(sum(a != b for a, b in pairs) / len(pairs) if pairs else 0)


def test_entropy_is_shannons_with_the_correction_for_few_answers():
    counts = {"a": 60, "b": 30, "c": 10}
    corrected = entropy([60, 30, 10]) + 2 / 200
    assert normalised_entropy(counts, 5) == pytest.approx(corrected / entropy([1] * 5))


def test_the_correction_takes_out_most_of_the_bias():
    chance, real = random.Random(1), entropy([0.7, 0.2, 0.1]) / entropy([1] * 3)
    plain, corrected = [], []
    for _ in range(2000):
        drawn = chance.choices("abc", [0.7, 0.2, 0.1], k=20)
        counts = {name: drawn.count(name) for name in "abc"}
        plain.append(entropy([n for n in counts.values() if n]) / entropy([1] * 3))
        corrected.append(normalised_entropy(counts, 3))
    assert abs(sum(corrected) / 2000 - real) < abs(sum(plain) / 2000 - real) / 2


def cell(chance, hardness, slips, count):
    """Cases of which a share should be rejected; each person slips now and then."""
    single, pairs = [], []
    for _ in range(count):
        right = "reject" if chance.random() < hardness else "approve"
        other = "approve" if right == "reject" else "reject"
        one, two = (other if chance.random() < slips else right for _ in range(2))
        single.append(("x", one))
        pairs.append(("x", one, two))
    return spreads(single, pairs)[0]


def test_mixed_cases_are_no_inconsistency_and_slips_are():
    chance = random.Random(3)
    mixed = cell(chance, hardness=0.4, slips=0.0, count=400)
    assert mixed.gini > 0.4
    assert mixed.floor == 0
    slipping = cell(chance, hardness=0.0, slips=0.3, count=400)
    assert slipping.by_people == pytest.approx(1.0, abs=0.15)
    assert slipping.floor == pytest.approx(2 * 0.3 * 0.7, abs=0.07)


def test_small_cells_say_nothing_and_the_widest_comes_first():
    found = spreads([("a", "x")] * 9 + [("b", "x")] * 20 + [("c", "x"), ("c", "y")] * 10, [])
    assert [one.cell for one in found] == ["c", "b"]
    assert found[0].floor is None and found[0].by_people is None
