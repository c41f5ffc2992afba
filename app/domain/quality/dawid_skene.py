"""How often is each person right, when nobody knows the truth? From who answered what, where they overlap."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

FEWEST_SHARED = 20
"""Cases shared with others before a person's accuracy is told."""


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """One person's estimated accuracy; ``None`` where too few cases are shared with others."""

    answers: int
    shared: int
    accuracy: float | None
    confusion: Mapping[str, Mapping[str, float]]
    """P(answer | truth): by truth, then by answer."""


class Consensus(msgspec.Struct, frozen=True, kw_only=True):
    """What most probably is true of each case, and how good each person is at finding it."""

    truths: Mapping[str, Mapping[str, float]]
    """By case, the probability of each answer."""
    people: Mapping[str, Accuracy]
    rounds: int


def consensus(
    answers: Mapping[str, Mapping[str, str]],
    *,
    smoothing: float = 1.0,
    rounds: int = 100,
    tolerance: float = 1e-6,
    fewest: int = FEWEST_SHARED,
) -> Consensus | None:
    """Dawid and Skene's EM over cases, each with the answers of the people who gave one.

    Truths start at the majority and alternate with people's confusion matrices, until nothing moves more
    than ``tolerance``. ``smoothing`` adds as many imagined answers to each row, most of them right: with few
    answers a person is taken to be as good as most. Two people alone can not be told apart (who is wrong
    where they differ?): accuracy is told for those who share at least ``fewest`` cases, and it takes a third
    person for it to mean much. ``None`` without a case that two have answered.

    A. P. Dawid and A. M. Skene, Applied Statistics 28 (1979), 20-28.

    Examples
    --------
    >>> third = ["no" if i % 3 == 0 else "yes" for i in range(30)]
    >>> cases = {f"c{i}": {"ann": "yes", "ben": "yes", "cat": third[i]} for i in range(30)}
    >>> found = consensus(cases)
    >>> [round(found.people[name].accuracy, 2) for name in ("ann", "ben", "cat")]
    [0.99, 0.99, 0.67]
    >>> max(found.truths["c0"], key=found.truths["c0"].get)
    'yes'
    >>> consensus({"c1": {"ann": "yes"}}) is None
    True
    """
    cases = {case: given for case, given in sorted(answers.items()) if len(given) >= 2}
    if not cases:
        return None
    labels = sorted({answer for given in cases.values() for answer in given.values()})
    people = sorted({name for given in cases.values() for name in given})
    truths = {case: _majority(given, labels) for case, given in cases.items()}
    done = 0
    confusion: dict[str, dict[str, dict[str, float]]] = {}
    for _ in range(rounds):
        done += 1
        confusion = {name: _confusion(name, cases, truths, labels, smoothing) for name in people}
        prior = {k: (sum(t[k] for t in truths.values()) + 1) / (len(cases) + len(labels)) for k in labels}
        after = {case: _posterior(given, labels, prior, confusion) for case, given in cases.items()}
        moved = max(abs(after[case][k] - truths[case][k]) for case in cases for k in labels)
        truths = after
        if moved < tolerance:
            break
    return Consensus(
        truths=truths,
        people={name: _accuracy(name, answers, cases, truths, confusion[name], fewest) for name in people},
        rounds=done,
    )


def _majority(given: Mapping[str, str], labels: Sequence[str]) -> dict[str, float]:
    counted = Counter(given.values())
    return {k: counted[k] / counted.total() for k in labels}


def _confusion(
    name: str,
    cases: Mapping[str, Mapping[str, str]],
    truths: Mapping[str, Mapping[str, float]],
    labels: Sequence[str],
    smoothing: float,
) -> dict[str, dict[str, float]]:
    """P(answer | truth) of one person, pulled to .8 right."""
    wrong = 0.2 / max(len(labels) - 1, 1)
    rows = {k: {a: smoothing * (0.8 if a == k else wrong) for a in labels} for k in labels}
    for case, given in cases.items():
        if name in given:
            for k in labels:
                rows[k][given[name]] += truths[case][k]
    return {k: {a: n / sum(row.values()) for a, n in row.items()} for k, row in rows.items()}


def _posterior(
    given: Mapping[str, str],
    labels: Sequence[str],
    prior: Mapping[str, float],
    confusion: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> dict[str, float]:
    logs = {
        k: math.log(prior[k]) + sum(math.log(confusion[name][k][answer]) for name, answer in given.items())
        for k in labels
    }
    most = max(logs.values())
    weights = {k: math.exp(value - most) for k, value in logs.items()}
    total = sum(weights.values())
    return {k: weight / total for k, weight in weights.items()}


def _accuracy(
    name: str,
    answers: Mapping[str, Mapping[str, str]],
    cases: Mapping[str, Mapping[str, str]],
    truths: Mapping[str, Mapping[str, float]],
    confusion: Mapping[str, Mapping[str, float]],
    fewest: int,
) -> Accuracy:
    shared = [case for case, given in cases.items() if name in given]
    right = sum(truths[case][cases[case][name]] for case in shared)
    # as the rows of the matrix: one imagined answer, .8 right
    accuracy = (right + 0.8) / (len(shared) + 1) if len(shared) >= fewest else None
    return Accuracy(
        answers=sum(name in given for given in answers.values()),
        shared=len(shared),
        accuracy=accuracy,
        confusion=confusion,
    )
