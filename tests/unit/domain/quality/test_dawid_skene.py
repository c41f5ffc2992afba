"""Dawid and Skene's estimates: planted accuracies are found again, whatever names and order."""

from __future__ import annotations

import random

import pytest

from app.domain.quality.dawid_skene import consensus


def planted(accuracies, cases, seed, *, per_case=3, share_yes=0.3):
    chance, truth, answers = random.Random(seed), {}, {}
    for i in range(cases):
        truth[f"c{i}"] = right = "yes" if chance.random() < share_yes else "no"
        asked = chance.sample(sorted(accuracies), per_case)
        answers[f"c{i}"] = {
            name: right if chance.random() < accuracies[name] else ("no" if right == "yes" else "yes")
            for name in asked
        }
    return truth, answers


def test_planted_accuracies_are_found_again():
    real = {"ann": 0.97, "ben": 0.9, "cat": 0.75, "dan": 0.6, "eve": 0.95}
    truth, answers = planted(real, 1500, 1)
    found = consensus(answers)
    for name, accuracy in real.items():
        assert found.people[name].accuracy == pytest.approx(accuracy, abs=0.04)
    best = sum(max(found.truths[c], key=found.truths[c].get) == truth[c] for c in truth) / len(truth)
    majority = sum(
        (sum(a == "yes" for a in answers[c].values()) >= 2) == (truth[c] == "yes") for c in truth
    ) / len(truth)
    assert best > majority + 0.01


def test_who_says_yes_to_everything_is_seen_as_that():
    """Agreement alone would praise a rubber stamp: most cases are yes."""
    _, answers = planted({"ann": 0.95, "ben": 0.95, "cat": 0.95}, 600, 2, share_yes=0.85)
    for given in answers.values():
        given["stamp"] = "yes"
    stamp = consensus(answers).people["stamp"]
    assert stamp.confusion["no"]["yes"] > 0.95
    assert stamp.accuracy == pytest.approx(0.85, abs=0.04)


def test_names_and_order_do_not_matter():
    _, answers = planted({"a": 0.9, "b": 0.8, "c": 0.7}, 200, 3)
    shuffled = dict(reversed([(case, dict(reversed(given.items()))) for case, given in answers.items()]))
    one, other = consensus(answers), consensus(shuffled)
    for name, person in one.people.items():
        assert person.accuracy == pytest.approx(other.people[name].accuracy, abs=1e-9)


def test_little_overlap_tells_nothing():
    _, answers = planted({"a": 0.9, "b": 0.8, "c": 0.7}, 12, 4)
    assert all(person.accuracy is None for person in consensus(answers).people.values())
    assert consensus({f"c{i}": {"ann": "yes"} for i in range(99)}) is None


def test_the_estimate_is_a_fixed_point_of_the_formulas():
    """Brute force: from the posterior compute confusion and prior anew, and the posterior again."""
    _, answers = planted({"a": 0.9, "b": 0.8, "c": 0.7}, 300, 5)
    found = consensus(answers, tolerance=1e-10, rounds=1000)
    labels = ("no", "yes")
    prior = {k: (sum(t[k] for t in found.truths.values()) + 1) / (300 + 2) for k in labels}
    for case, given in list(answers.items())[:50]:
        weight = dict(prior)
        for name, answer in given.items():
            for k in labels:
                told = sum(found.truths[c][k] for c, g in answers.items() if g.get(name) == answer)
                all_of_k = sum(found.truths[c][k] for c, g in answers.items() if name in g)
                weight[k] *= (told + (0.8 if answer == k else 0.2)) / (all_of_k + 1)
        assert weight["yes"] / sum(weight.values()) == pytest.approx(found.truths[case]["yes"], abs=1e-6)
