"""What simulated people answer, and after how long."""

from __future__ import annotations

import pytest

from app.domain.traffic import Traffic
from app.lab.answers import judge, label_of
from app.lab.reviewers import Reviewers, another, answer, delayed, luck
from app.lab.simulation import Simulation
from app.lab.submissions import parse
from tests.unit.lab import cases

SEED = b"seed"
PEOPLE = Reviewers(sensitivity=0.9, false_override=0.05, anchoring=0.5)


def submission(**changes):
    return parse(cases.lines([cases.decision(**changes)])[0])


def share(truth: str, *, blind: bool, answered: str, of: int = 4000) -> float:
    terms = cases.policy().terms["loan"]
    decision = submission().decision
    chances = ((i + 0.5) / of for i in range(of))
    given = [answer(PEOPLE, decision, truth, terms, chance, blind=blind) for chance in chances]
    return given.count(answered) / of


def test_who_has_not_seen_the_recommendation_catches_what_the_sensitivity_says():
    assert share("reject", blind=True, answered="reject") == pytest.approx(0.9, abs=1e-3)
    assert share("reject", blind=True, answered="approve") == pytest.approx(0.1, abs=1e-3)


def test_who_has_seen_it_loses_the_anchored_share_of_the_catches():
    assert share("reject", blind=False, answered="reject") == pytest.approx(0.45, abs=1e-3)


@pytest.mark.parametrize("blind", [True, False])
def test_a_right_recommendation_is_wrongly_changed_as_often_as_said(blind):
    assert share("approve", blind=blind, answered="reject") == pytest.approx(0.05, abs=1e-3)


def test_who_is_wrongly_against_it_takes_another_action_that_decides():
    terms = cases.policy().terms["loan"]
    assert another(submission().decision, terms) == "reject"
    assert another(submission(alternatives=[]).decision, terms) == "reject"
    rejecting = {"action": "reject", "probability": 0.9}
    assert another(submission(alternatives=[], recommendation=rejecting).decision, terms) == "approve"


def test_delays_are_geometric_with_the_mean_that_was_asked_for():
    found = [delayed(50, luck(SEED, f"d-{i}", 0).delay) for i in range(20_000)]
    assert sum(found) / len(found) == pytest.approx(50, rel=0.03)
    assert found.count(0) / len(found) == pytest.approx(1 / 51, rel=0.2)
    assert {delayed(0, u) for u in (0.0, 0.5, 0.999)} == {0}


def routed(found, terms_changes=None, **reviewers):
    simulation = Simulation(cases.policy().terms, Reviewers(**reviewers), SEED, cases.learning_terms)
    return simulation._routed([found], Traffic())[0], simulation._terms[found.decision.decision_type]


def test_two_who_must_agree_are_two_answers_and_a_third_where_they_do_not():
    work = set()
    for number in range(300):
        found = submission(decision_id=f"d-{number}", facts={"amount": 9000}, truth={"action": "reject"})
        event, terms = routed(found)
        assert (event.route.level, event.route.approvals) == (5, 2)
        judged = judge(event, "reject", terms, Reviewers(sensitivity=0.5), SEED)
        kinds = len(event.route.review_kinds)
        work.add(judged.work - (kinds - 1) - (judged.gold_caught is not None))
    assert work == {2, 3}


def test_without_a_truth_the_recommendation_stands_and_teaches_nothing():
    found = submission(truth=None, recommendation={"action": "approve", "probability": 0.8})
    event, terms = routed(found)
    judged = judge(event, None, terms, Reviewers(false_override=1.0), SEED)
    assert (judged.final_action, judged.given, judged.override) == ("approve", (), False)
    assert judged.work >= 1


def test_a_second_look_is_another_persons_and_blind():
    event = terms = None
    for number in range(500):
        found = submission(
            decision_id=f"d-{number}", recommendation={"action": "approve", "probability": 0.8}
        )
        event, terms = routed(found)
        if len(event.route.review_kinds) == 2:
            break
    judged = judge(event, "reject", terms, Reviewers(sensitivity=0.7), SEED)
    first, second = judged.given[:2]
    assert first.reviewer != second.reviewer
    labels = [label_of(event, given, terms, 5) for given in (first, second)]
    assert [label.kind.value for label in labels] == ["review", "second_look"]
    assert labels[0].label_id != labels[1].label_id
    assert all(label.blind for label in labels)


def test_chance_depends_on_decision_seat_and_seed_alone():
    assert luck(SEED, "a", 0) == luck(SEED, "a", 0)
    others = {luck(SEED, "a", 0), luck(SEED, "a", 1), luck(SEED, "b", 0), luck(b"x", "a", 0)}
    assert len({each.verdict for each in others}) == 4


def test_an_item_with_known_truth_teaches_how_much_is_caught_and_nothing_about_the_decision():
    for number in range(200):
        found = submission(
            decision_id=f"d-{number}", recommendation={"action": "approve", "probability": 0.8}
        )
        event, terms = routed(found, gold_rate=0.5)
        judged = judge(event, "approve", terms, Reviewers(sensitivity=0.5), SEED)
        if judged.gold_caught is None:
            continue
        label = label_of(event, judged.given[-1], terms, 5)
        assert (label.kind.value, label.source, label.error) == ("gold", "gold", judged.gold_caught)
        assert label.decision_id != event.scored.decision.decision_id
        assert not label.evidence
