"""A policy beside the one that decided: the same one agrees on every decision, and what the log forgot can
only make it stricter."""

from __future__ import annotations

import json

import msgspec
import pytest

from app.domain.events import DecisionRouted, ObservationKind, ObservedOutcome, PatternDetected
from app.domain.learning.drift import learn
from app.lab.beside import Beside
from app.lab.comparison import compare
from app.lab.comparison_words import text
from app.lab.page import comparison_page
from app.lab.reviewers import Reviewers
from app.lab.simulation import STRIDE, Simulation
from app.lab.submissions import parse
from tests.unit.lab import cases

SECRET = b"the workers' own"
CERTIFIED = (
    cases.POLICY.replace("automation: policy_threshold", "automation: certificate")
    .replace("alpha: 0.15", "alpha: 0.3")
    .replace("delta: 0.2", "delta: 0.4\n    learning: {catch_rate: 1.0, planned_labels: 600}")
)


@pytest.fixture(scope="module", params=[cases.POLICY, CERTIFIED], ids=["threshold", "certificate"])
def lived(request):
    """What a policy routed and announced, in order."""
    announced = []

    def learner(state, records, terms):
        after, changes = learn(state, records, terms)
        announced.extend(each for each in changes if not isinstance(each, PatternDetected))
        return after, changes

    simulation = Simulation(
        cases.policy(request.param).terms, Reviewers(), SECRET, cases.learning_terms, learner
    )
    found = [parse(line) for line in cases.lines(cases.decisions(1200, 7))]
    told = []
    for start in range(0, len(found), STRIDE):
        for each in simulation.stride(found[start : start + STRIDE]):
            decision = msgspec.structs.replace(
                each.submission.decision, facts=json.dumps(each.submission.facts)
            )
            told.append(
                DecisionRouted(
                    scored=msgspec.structs.replace(each.routed.scored, decision=decision),
                    route=each.routed.route,
                )
            )
        told += announced
        announced.clear()
    assert any(isinstance(each, DecisionRouted) and each.route.level < 3 for each in told)
    return request.param, told


def beside(policy, told, *, heard=True, secret=SECRET):
    found = Beside(cases.policy(policy), secret)
    for each in told:
        if isinstance(each, DecisionRouted):
            found.routed(each)
        elif heard:
            found.announced.hear(each)
    return found


def test_the_same_policy_agrees_on_every_decision(lived):
    policy, told = lived
    report = compare(beside(policy, told), 0.0)
    assert (report.decisions, report.same_level, report.unannounced, report.rescored) == (1200, 1.0, 0, 0)
    assert (report.human_work, report.levels) == (report.human_work_logged, report.levels_logged)


def test_the_order_of_announcements_does_not_matter(lived):
    policy, told = lived
    late = [each for each in told if not isinstance(each, DecisionRouted)]
    report = compare(beside(policy, late + told), 0.0)
    assert report.same_level == 1.0


def test_what_the_log_forgot_is_never_looser(lived):
    policy, told = lived
    found = beside(policy, told, heard=False)
    assert found.unannounced > 0
    assert not any(each.alone and not each.was_alone for each in found.decisions.values())
    assert "no longer kept" in text(compare(found, 0.0))


def test_a_decision_counts_once(lived):
    policy, told = lived
    assert compare(beside(policy, told + told), 0.0).decisions == 1200


def test_a_later_truth_alone_says_nothing(lived):
    policy, told = lived
    found = beside(policy, told)
    some = next(iter(found.decisions.values()))
    truth = ObservedOutcome(
        observation_id="o", decision_id=some.decision_id, kind=ObservationKind.GROUND_TRUTH,
        correct_action="reject", observed_at=1, source="test", note="",
    )  # fmt: skip
    assert found.observed(truth) is some
    assert some.any.error is None
    assert compare(found, 0.0).automated_error is None


def test_types_that_begin_anew_are_said_first(lived):
    policy, told = lived
    report = compare(beside(policy, told), 0.0, ["loan"])
    assert "But not at once: scores or rules of loan differ" in text(report)
    assert "But not at once" in comparison_page(report)


def test_the_page_needs_nothing_else(lived):
    policy, told = lived
    page = comparison_page(compare(beside(policy, told), 0.0), "shadowed")
    assert "1,200 shadowed decisions" in page
    assert not any(word in page for word in ("<script", "http://", "https://", "url("))
