"""The contest of ``bench/learning`` is fair: it tells a policy only what its own routing revealed, the truth
is kept aside, and what it reports is what happened."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.learning.baselines import BASELINES, Baseline
from bench.learning.boundaries import boundary, crossing
from bench.learning.measures import measure, wilson
from bench.learning.replay import judged_rate, judgements, replay
from bench.learning.rule import IMPROVED, Design, Rule
from bench.learning.scenarios import EVERYTHING, TABLE_CHANGE, TABLE_STATIONARY, edge
from bench.learning.streams import REVIEW_ALL, bins_of, draw, region_errors

SHORT = replace(TABLE_STATIONARY, decisions=3_000)


class Spy(Baseline):
    """Automates from .9 up and keeps what it is told."""

    def learn(self, batch):
        self.told = [*getattr(self, "told", []), batch]


def test_only_what_routing_revealed_has_a_label():
    stream = draw(SHORT, 20, [1])
    spy = Spy(20, 0.03, 0.1, stream)
    outcome = replay(stream, spy, [2])
    labels = sum(int(batch.known.sum()) for batch in spy.told)
    hidden = sum(
        int((batch.known & batch.label_automated & ~batch.label_evidence).sum()) for batch in spy.told
    )
    below = int((stream.bins < 0).sum())
    assert hidden == 0
    assert labels == outcome.reviews.sum() + outcome.audits.sum() - below
    assert outcome.automated.sum() + outcome.reviews.sum() == stream.bins.size


def test_late_answers_come_once_and_not_before_their_decision():
    stream = draw(replace(SHORT, reviewers=replace(EVERYTHING, delay=200.0)), 10, [1])
    spy = Spy(10, 0.03, 0.1, stream)
    outcome = replay(stream, spy, [2])
    assert all(np.array_equal(np.sort(row), np.arange(SHORT.decisions)) for row in stream.arrival)
    came = np.cumsum([batch.known.sum() for batch in spy.told])
    asked = np.cumsum((outcome.reviews + outcome.audits).sum(1))
    assert (came <= asked).all()
    assert came[-1] < asked[-1], "some answers are still out at the end"


@pytest.mark.parametrize("looks", [1, 2, 3])
def test_the_catch_rate_of_gold_is_that_of_the_procedure(looks):
    stream = draw(replace(SHORT, reviewers=EVERYTHING), 50, [3])
    caught = judgements(stream, looks)[stream.wrong].mean()
    assert caught == pytest.approx(judged_rate(0.8, looks), abs=0.03)


def test_a_change_comes_when_it_is_said_to():
    truth = draw(replace(TABLE_CHANGE, decisions=3_000, change_at=1_000), 1, [1]).truth()
    k = 60
    assert truth[39, k] == pytest.approx(region_errors(*bins_of(TABLE_CHANGE.world))[k])
    assert truth[40, k] == pytest.approx(region_errors(*bins_of(TABLE_CHANGE.after))[k])
    assert (truth[:, REVIEW_ALL] == 0).all()


def test_the_oracle_is_never_above_alpha_and_the_plug_in_is():
    stream = draw(replace(SHORT, decisions=6_000), 20, [4])
    share = {
        name: measure(stream, replay(stream, BASELINES[name](20, 0.03, 0.1, stream), [5]))["stationary"][
            "any"
        ]
        for name in ("oracle", "plug-in Horvitz-Thompson")
    }
    assert share["oracle"] == 0
    assert share["plug-in Horvitz-Thompson"] > 0.5


@pytest.mark.parametrize("design", [Design(), IMPROVED], ids=["as written", "improved"])
def test_where_everything_is_just_above_alpha_hardly_a_run_ever_automates(design):
    stream = draw(replace(SHORT, world=edge(0.03), decisions=4_000), 200, [6])
    rule = Rule(200, 0.03, 0.1, gold=False, design=design)
    any_above = measure(stream, replay(stream, rule, [7]))["stationary"]["any"]
    low, _ = wilson(round(any_above * 200), 200)
    assert low <= 0.1


def test_the_boundary_costs_what_it_may():
    for rho in (0.25, 1.0):
        assert 0.085 < crossing(boundary(0.02, 0.09, rho), 0.02) <= 0.09
