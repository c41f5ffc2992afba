"""Each pattern: found when it is there, silent when it is not, said once, with numbers and an action."""

from __future__ import annotations

import random

import pytest

from app.domain.events import PatternDetected, ReviewKind
from app.domain.learning.drift import KeyState
from app.domain.learning.patterns import ACTIONS, Pattern
from app.domain.learning.terms import LearningTerms

KEY = "expense.approval|expenses:3"
TERMS = LearningTerms(own_threshold=0.9)


class Reviews:
    """Answers with the recommendation shown, one after another."""

    def __init__(self, a_label, seed: int) -> None:
        self.a_label = a_label
        self.random = random.Random(seed)
        self.state = KeyState(learning_key=KEY)
        self.found: list[PatternDetected] = []

    def add(self, count: int, rate: float, *, reviewers=("ann", "ben", "cem"), score=None) -> None:
        for _ in range(count):
            label = self.a_label(
                score=score if score is not None else self.random.uniform(0.6, 0.89),
                evidence=False,
                blind=False,
                automated=False,
                kind=ReviewKind.REVIEW,
                reviewer=self.random.choice(reviewers),
                error=self.random.random() < rate,
            )
            self.apply(label)

    def apply(self, label) -> None:
        changes = self.state.apply_label(label, TERMS)
        self.found += [c for c in changes if isinstance(c, PatternDetected)]

    def names(self) -> list[str]:
        return [found.pattern for found in self.found]


@pytest.fixture
def reviews(a_label):
    return Reviews(a_label, seed=1)


def test_a_high_override_rate_is_said_once(reviews):
    reviews.add(600, 0.45, score=0.55)
    found = [f for f in reviews.found if f.pattern == Pattern.HIGH_OVERRIDE]
    assert len(found) == 1
    assert found[0].segment == "expense.approval"
    assert found[0].value > found[0].limit == 0.30
    assert found[0].count >= TERMS.patterns.min_count
    assert "of the recommendations they are shown for expense.approval" in found[0].text
    assert found[0].action == ACTIONS[Pattern.HIGH_OVERRIDE]


def test_it_is_said_again_only_after_it_was_over(reviews):
    reviews.add(600, 0.45, score=0.55)
    reviews.add(2500, 0.05, score=0.55)
    assert reviews.names().count(Pattern.HIGH_OVERRIDE) == 1
    assert not [name for name in reviews.state.raised if name.startswith(Pattern.HIGH_OVERRIDE)]
    reviews.add(1500, 0.5, score=0.55)
    again = [f for f in reviews.found if f.pattern == Pattern.HIGH_OVERRIDE]
    assert len(again) == 2
    assert again[0].pattern_id != again[1].pattern_id


def test_a_rising_rate_is_found(reviews):
    reviews.add(1000, 0.12, score=0.88)
    assert Pattern.RISING_OVERRIDE not in reviews.names()
    reviews.add(300, 0.40, score=0.88)
    found = next(f for f in reviews.found if f.pattern == Pattern.RISING_OVERRIDE)
    assert found.value > found.limit
    assert "lately" in found.text


@pytest.mark.parametrize(("rate", "word"), [(0.6, "overrides"), (0.0, "approval without a look")])
def test_a_reviewer_who_differs_is_found_in_either_direction(reviews, rate, word):
    for _ in range(60):
        reviews.add(9, 0.2)
        reviews.add(2, rate, reviewers=("dee",))
    found = [f for f in reviews.found if f.pattern == Pattern.REVIEWER_OUTLIER]
    assert [f.segment for f in found] == ["dee"]
    assert (found[0].value > 1) == (rate > 0.2)
    assert word in found[0].text


def test_overrides_beyond_what_a_band_announced_are_found(reviews):
    for _ in range(80):
        reviews.add(3, 0.3, score=0.7)
        reviews.add(3, 0.35, score=0.92)
    found = [f for f in reviews.found if f.pattern == Pattern.CONFIDENCE_BAND]
    assert [f.segment for f in found] == ["0.90 to 0.95"]


def test_people_who_disagree_about_the_same_decisions_are_found(reviews, a_label):
    for i in range(60):
        first = a_label(evidence=False, kind=ReviewKind.SECOND_LOOK, reviewer="ann", error=i % 2 == 0)
        reviews.apply(first)
        reviews.apply(
            a_label(
                evidence=False,
                kind=ReviewKind.SECOND_LOOK,
                reviewer="ben",
                error=first.error != (i % 5 < 2),
                decision_id=first.decision_id,
            )
        )
    found = [f for f in reviews.found if f.pattern == Pattern.INCONSISTENT]
    assert [f.segment for f in found] == ["0.90 to 0.95"]
    assert found[0].value == pytest.approx(0.4, abs=0.1)


def test_blind_checks_that_contradict_the_confidence_are_found(reviews, a_label):
    for i in range(150):
        reviews.apply(a_label(score=0.97, error=i % 6 == 0))
    assert Pattern.MISCALIBRATED in reviews.names()


def test_ordinary_reviews_raise_nothing(a_label):
    """20 keys of 3000 answers each whose override rate is what their confidence says."""
    false = 0
    for seed in range(20):
        reviews = Reviews(a_label, seed)
        for _ in range(3000):
            score = reviews.random.uniform(0.7, 0.95)
            reviews.add(1, 1 - score, score=score, reviewers=("ann", "ben", "cem", "dee", "eve"))
        false += len(reviews.found)
    assert false <= 2


@pytest.mark.parametrize("pattern", list(Pattern))
def test_each_pattern_has_an_action(pattern):
    assert ACTIONS[pattern].endswith(".")
