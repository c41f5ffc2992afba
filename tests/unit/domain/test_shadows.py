"""A model version in shadow: it decides nothing, its own key learns, and it has earned what it will need."""

from __future__ import annotations

import json
import random

import msgspec
import pytest

from app.domain.context_package import build
from app.domain.events import (
    DecisionRouted,
    LearningLabel,
    ObservationKind,
    ObservedOutcome,
    ReviewKind,
    ScoreTally,
    Shadowed,
)
from app.domain.labels import DecisionBrief, label_for_observation
from app.domain.learning.drift import learn
from app.domain.shadows import shadow_briefs
from app.domain.submission import parse_decision
from app.lab.answers import Given, labels_of_shadows
from app.lab.reviewers import Reviewers
from app.lab.simulation import STRIDE, Simulation
from app.lab.submissions import parse
from tests.unit.lab import cases

POLICY = cases.POLICY.replace(
    "automation: policy_threshold\n    alpha: 0.15\n    delta: 0.2\n    evidence: {scale: 60}",
    "alpha: 0.3\n    delta: 0.4\n    learning: {catch_rate: 0.9, planned_labels: 600}",
)
OLD, NEW = "loan|m:1", "loan|m:2"


def ridden(count, *, better=True, seed=5):
    """Version 1 approves everything, right in six of ten cases; version 2 knows, or always rejects."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        p, q = (round(chance.uniform(0.8, 0.999), 4) for _ in range(2))
        truth = "approve" if chance.random() < 0.6 else "reject"
        knows = better and chance.random() < 0.98
        shadow = {
            "model": {"name": "m", "version": "2"},
            "recommendation": {"action": truth if knows else "reject", "probability": q},
        }
        recommendation = {"action": "approve", "probability": p}
        found.append(
            cases.decision(number, recommendation=recommendation, truth={"action": truth}, shadows=[shadow])
        )
    return found


def lived(found, people=None):
    """A simulation of it, with what was routed and what each key was told."""
    told = {}

    def learner(state, records, terms):
        told.setdefault(state.learning_key, []).extend(records)
        return learn(state, records, terms)

    simulation = Simulation(
        cases.policy(POLICY).terms, people or Reviewers(), b"s", cases.learning_terms, learner
    )
    submissions = [parse(line) for line in cases.lines(found)]
    routed = []
    for start in range(0, len(submissions), STRIDE):
        routed += [each.routed for each in simulation.stride(submissions[start : start + STRIDE])]
    return simulation, routed, told


@pytest.fixture(scope="module")
def life():
    return lived(ridden(4 * STRIDE))


def test_the_better_version_is_certified_while_the_old_one_keeps_deciding(life):
    simulation, routed, _ = life
    old, new = simulation.thresholds[OLD], simulation.thresholds[NEW]
    assert old.certified is None
    assert new.certified is not None
    assert {each.route.learning_key for each in routed} == {OLD}
    assert all(each.route.level > 2 for each in routed)  # the version in charge has earned nothing


def test_what_it_earned_is_in_force_once_it_recommends_itself():
    simulation, _, _ = lived(ridden(4 * STRIDE))
    promoted = cases.decision(
        9999, model={"name": "m", "version": "2"}, recommendation={"action": "approve", "probability": 0.999}
    )
    [done] = simulation.stride([parse(line) for line in cases.lines([promoted])])
    assert done.routed.route.learning_key == NEW
    assert done.line.automated
    simulation.thresholds.pop(NEW)
    simulation._in_force.clear()
    [done] = simulation.stride([parse(cases.lines([{**promoted, "decision_id": "again"}])[0])])
    assert not done.line.automated


def test_a_shadow_changes_nothing_for_the_version_in_charge(life):
    _, routed, told = life
    alone = [{**each, "shadows": []} for each in ridden(4 * STRIDE)]
    _, without, told_without = lived(alone)
    bare = [msgspec.structs.replace(each.route, shadows=[]) for each in routed]
    assert bare == [each.route for each in without]
    assert told[OLD] == told_without[OLD]


def test_its_errors_are_its_own_and_counted_where_its_score_alone_decides(life):
    _, routed, told = life
    truth = {each["decision_id"]: each["truth"]["action"] for each in ridden(4 * STRIDE)}
    by_id = {each.scored.decision.decision_id: each for each in routed}
    labels = [each for each in told[NEW] if isinstance(each, LearningLabel) and each.evidence]
    assert len(labels) > STRIDE
    for label in labels:
        route = by_id[label.decision_id].route
        [shadow] = route.shadows
        assert label.error == (shadow.action != truth[label.decision_id])
        assert (label.score, label.epoch, label.automated) == (shadow.score, shadow.epoch, False)
        assert route.evidence and shadow.eligible
        assert label.inclusion_probability == route.evidence_probability
    of_old = {each.label_id for each in told[OLD] if isinstance(each, LearningLabel)}
    assert not of_old & {label.label_id for label in labels}


def test_its_traffic_is_counted_and_none_of_it_runs_alone(life):
    _, _, told = life
    bins = [each.bins for each in told[NEW] if isinstance(each, ScoreTally)]
    assert sum(sum(each[1::3]) for each in bins) == 4 * STRIDE
    assert not any(sum(each[2::3]) for each in bins)


def test_a_worse_version_earns_nothing():
    simulation, _, _ = lived(ridden(3 * STRIDE, better=False))
    assert simulation.thresholds[NEW].certified is None


def test_nobody_sees_it(life):
    _, routed, _ = life
    terms = cases.policy(POLICY).terms["loan"]
    hidden = msgspec.structs.replace(
        routed[0].scored.decision, facts="{}", shadows=[_marked(routed[0].scored.decision.shadows[0])]
    )
    event = DecisionRouted(
        scored=msgspec.structs.replace(routed[0].scored, decision=hidden), route=routed[0].route
    )
    for kind in ReviewKind:
        assert "unseen-by-people" not in build(event, terms, [], [], kind=kind).text


def test_the_same_version_or_one_twice_does_not_count_twice():
    twice = ridden(1)[0]
    same = {**twice["shadows"][0], "model": twice["model"]}
    _, [routed], told = lived([{**twice, "shadows": [same, *twice["shadows"] * 2]}])
    assert [shadow.learning_key for shadow in routed.route.shadows] == [NEW]
    assert sum(isinstance(each, ScoreTally) for each in told[NEW]) == 1


def test_an_answer_with_the_recommendation_in_sight_says_nothing(life):
    _, routed, _ = life
    drawn = next(each for each in routed if each.route.evidence)
    shown = msgspec.structs.replace(drawn, route=msgspec.structs.replace(drawn.route, evidence=False))
    given = Given(ReviewKind.AUDIT, "approve", 0, 0, 0)
    assert list(labels_of_shadows(drawn, given, 1))
    assert not list(labels_of_shadows(shown, given, 1))


def test_a_later_truth_is_compared_with_its_own_recommendation():
    remembered = DecisionBrief(
        decision_id="d", decision_type="loan", learning_key=OLD, epoch=1, raw=0.8, score=0.8, level=1,
        recommended="approve", action="approve", changed=False, received_at=1,
    )  # fmt: skip
    known = Shadowed(
        learning_key=NEW, epoch=2, action="reject", raw=0.9, score=0.9, threshold=0.95, level=1, eligible=True
    )  # fmt: skip
    [beside] = shadow_briefs(remembered, [known], evidence=True)
    truth = ObservedOutcome(
        observation_id="o", decision_id="d", kind=ObservationKind.GROUND_TRUTH, correct_action="reject",
        observed_at=2, source="ledger", note="",
    )  # fmt: skip
    label = label_for_observation(beside, truth)
    assert label is not None
    assert (label.learning_key, label.epoch, label.error, label.automated) == (NEW, 2, False, False)
    assert (beside.sampled, remembered.sampled) == (True, False)


def test_it_comes_with_the_decision():
    event = parse_decision(json.dumps(ridden(1)[0]).encode())
    assert event.shadows[0].model.version == "2"
    assert event.shadows[0].signals.similarity is None


def _marked(shadow):
    option = msgspec.structs.replace(shadow.recommendation, action="unseen-by-people")
    return msgspec.structs.replace(shadow, recommendation=option)
