"""The model: calibrated, honest about how good it is, and without sight of what it must not see."""

import numpy as np
import pytest
from msgspec.structs import replace

from app.demo.lending import DemoDataError, load_applications, shuffled
from app.demo.model import FACTS, LendingModel, Lesson

SEED = 7


@pytest.fixture(scope="module")
def parts():
    applications = shuffled(load_applications(), SEED)
    return applications[:600], applications[600:]


@pytest.fixture(scope="module")
def model(parts):
    return LendingModel(Lesson.of(parts[0]), SEED)


@pytest.fixture(scope="module")
def advice(model, parts):
    return model.recommend(parts[1])


def test_it_sees_only_the_named_facts(parts):
    assert set(FACTS) == set(parts[0][0].facts)


def test_it_is_right_on_new_applications_about_as_often_as_cross_validation_said(model, parts, advice):
    right = np.mean([a.action == application.lender for a, application in zip(advice, parts[1], strict=True)])
    assert 0.86 < right < 0.92
    assert abs(right - model.measured.accuracy) < 0.03


def test_stated_probability_means_what_it_says(parts, advice):
    stated = np.array([a.probability for a in advice])
    right = np.array(
        [a.action == application.lender for a, application in zip(advice, parts[1], strict=True)]
    )
    assert abs(stated.mean() - right.mean()) < 0.03
    sure = stated > 0.9
    assert abs(stated[sure].mean() - right[sure].mean()) < 0.03


def test_the_candidate_with_the_lower_log_loss_was_chosen(model):
    losses = model.measured.log_loss
    assert losses[model.measured.chosen] == min(losses.values())
    assert len(losses) == 2


def test_signals_are_shares_and_the_alternative_is_the_other_action(advice):
    for a in advice:
        assert 0.5 <= a.probability <= 1
        assert a.second != a.action
        assert a.probability + a.second_probability == pytest.approx(1)
        for signal in (a.similarity, a.consensus, a.rule_clarity):
            assert 0 <= signal <= 1


def test_the_same_seed_gives_the_same_advice(parts, advice):
    assert LendingModel(Lesson.of(parts[0]), SEED).recommend(parts[1][:50]) == advice[:50]


def test_protected_characteristics_do_not_move_the_advice(model, parts):
    some = parts[1][:20]
    other = [replace(a, african_american=not a.african_american, single=not a.single) for a in some]
    assert model.recommend(some) == model.recommend(other)


def test_too_few_applications_are_refused_in_words(parts):
    with pytest.raises(DemoDataError, match="too few"):
        LendingModel(Lesson.of(parts[0][:20]), SEED)
