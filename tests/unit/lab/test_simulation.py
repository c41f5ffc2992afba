"""The simulator's rules: what the learner can know, when, and what the lines and figures mean."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.events import LearningLabel, ReviewKind, ScoreTally
from app.domain.learning.drift import learn
from app.lab.reviewers import Reviewers
from app.lab.simulation import STRIDE, Simulation
from app.lab.submissions import parse
from tests.unit.lab import cases

PEOPLE = Reviewers(sensitivity=0.85, false_override=0.03, anchoring=0.3, delay_mean=40, gold_rate=0.05)


def traced(found, reviewers=PEOPLE, seed=b"seed"):
    """A run, and everything that the learner was given, in order."""
    seen = []

    def learner(state, records, terms):
        told = list(records)
        seen.extend(told)
        return learn(state, told, terms)

    simulation = Simulation(cases.policy().terms, reviewers, seed, cases.learning_terms, learner)
    submissions = [parse(line) for line in cases.lines(found)]
    done = [
        each
        for start in range(0, len(submissions), STRIDE)
        for each in simulation.stride(submissions[start : start + STRIDE])
    ]
    return done, seen, simulation


def mixed(count: int, seed: int = 1) -> list[dict]:
    """Two types and two models, interleaved."""
    found = cases.decisions(count, seed)
    for number, each in enumerate(found):
        if number % 4 == 1:
            each |= {
                "decision_type": "ticket",
                "recommendation": {"action": "left", "probability": each["recommendation"]["probability"]},
                "alternatives": [],
                "truth": {"action": "left" if number % 5 else "right"},
            }
        elif number % 4 == 2:
            each["model"] = {"name": "m", "version": "2"}
    return found


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), flip=st.randoms(use_true_random=False))
def test_the_learner_never_sees_the_truth_of_what_nobody_reviewed(seed, flip):
    found = mixed(1400, seed)
    done, seen, _ = traced(found)
    unreviewed = {each.line.decision_id for each in done if not each.judged.given}
    assert unreviewed
    flipped = [
        {**each, "truth": {"action": flip.choice(["approve", "reject", "left", "middle"])}}
        if each["decision_id"] in unreviewed
        else each
        for each in found
    ]
    done_again, seen_again, _ = traced(flipped)
    assert seen_again == seen
    assert [each.line for each in done_again] == [each.line for each in done]


def test_the_truth_of_what_was_reviewed_does_reach_the_learner():
    """Else the test above would show nothing."""
    found = mixed(600)
    _, seen, _ = traced(found)
    wrong = [{**each, "truth": {"action": "reject"}} for each in found]
    assert traced(wrong)[1] != seen


def test_the_learner_is_told_of_answers_only_and_of_traffic():
    done, seen, _ = traced(mixed(600))
    assert {type(each) for each in seen} <= {ScoreTally, LearningLabel}
    given_by = {each.line.decision_id: each for each in done if each.judged.given}
    labels = [each for each in seen if isinstance(each, LearningLabel) and each.source != "gold"]
    assert labels
    assert {label.decision_id for label in labels} <= given_by.keys()


def test_the_answer_to_a_shown_recommendation_is_no_evidence():
    _, seen, _ = traced(mixed(1500))
    labels = [each for each in seen if isinstance(each, LearningLabel)]
    assert all(label.blind for label in labels if label.evidence)
    assert any(not label.blind for label in labels)


def test_a_label_is_learned_at_the_end_of_the_stride_in_which_its_delay_is_over():
    count = 8 * STRIDE
    arrived = {}
    number = 0

    def learner(state, records, terms):
        told = list(records)
        labels = [each for each in told if isinstance(each, LearningLabel) and each.source != "gold"]
        arrived.update({(label.decision_id, label.kind): number for label in labels})
        return learn(state, told, terms)

    simulation = Simulation(cases.policy().terms, PEOPLE, b"seed", cases.learning_terms, learner)
    submissions = [parse(line) for line in cases.lines(cases.decisions(count))]
    expected = {}
    for number in range(8):
        done = simulation.stride(submissions[number * STRIDE : (number + 1) * STRIDE])
        for position, each in enumerate(done, start=number * STRIDE):
            for answer in (one for one in each.judged.given if one.kind is not ReviewKind.GOLD):
                expected[each.line.decision_id, answer.kind] = (position + answer.delay) // STRIDE
    assert arrived == {label: stride for label, stride in expected.items() if stride < 8}
    assert simulation.labels_given > simulation.labels_known > len(arrived)


def test_news_is_in_force_from_the_next_stride_on():
    done, _, simulation = traced(cases.decisions(4000, 3), Reviewers())
    versions = [each.routed.route.threshold_version for each in done]
    assert versions[:STRIDE] == [0] * STRIDE
    changes = [i for i in range(1, len(versions)) if versions[i] != versions[i - 1]]
    assert changes
    assert all(i % STRIDE == 0 for i in changes)
    assert simulation.thresholds["loan|m:1"].version >= max(versions)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not():
    source = cases.lines(mixed(1200))
    encoded = [msgspec.json.encode(cases.simulated(source, PEOPLE, seed=seed)) for seed in (4, 4, 5)]
    assert encoded[0] == encoded[1] != encoded[2]


def test_the_same_decision_meets_the_same_people_under_another_policy():
    source = cases.lines(cases.decisions(600))
    stricter = cases.POLICY.replace("actions: [approve", "levels: {min: 3}\n    actions: [approve")
    first, _ = cases.simulated(source, Reviewers(sensitivity=0.5))
    second, _ = cases.simulated(source, Reviewers(sensitivity=0.5), text=stricter)
    both = [
        (a, b) for a, b in zip(first, second, strict=True) if not a["automated"] and a["blind"] == b["blind"]
    ]
    assert both
    assert all(a["final_action"] == b["final_action"] for a, b in both)


def test_lines_say_who_decided_and_what_was_done():
    source = cases.lines(mixed(1500))
    out, report = cases.simulated(source, PEOPLE)
    recommended = {each["decision_id"]: each["recommendation"]["action"] for each in mixed(1500)}
    assert [line["decision_id"] for line in out] == list(recommended)
    for line in out:
        assert line["automated"] == (line["level"] <= 2) == (line["decided_by"] == "ai")
        assert not line["automated"] or line["final_action"] == recommended[line["decision_id"]]
        assert not line["automated"] or line["confidence"] >= line["threshold"]
        assert line["automated"] or line["inclusion_probability"] == 1.0
        assert line["automated"] or not line["audited"]
        assert 0 < line["inclusion_probability"] <= 1
    assert report.decisions == 1500


def test_figures_are_those_of_the_lines():
    found = mixed(2500)
    out, report = cases.simulated(cases.lines(found), PEOPLE)
    truth = {each["decision_id"]: each["truth"]["action"] for each in found}
    alone = [line for line in out if line["automated"]]
    wrong = [line for line in alone if line["final_action"] != truth[line["decision_id"]]]
    assert report.automation_rate == pytest.approx(len(alone) / len(out))
    assert (report.automated, report.automated_wrong) == (len(alone), len(wrong))
    if alone:
        assert report.automated_error == pytest.approx(len(wrong) / len(alone))
    assert report.audits == sum(line["audited"] for line in out)
    assert report.reviews == len(out) - len(alone)
    work = report.reviews + report.audits + report.second_looks + report.gold
    assert report.human_work == pytest.approx(work / len(out))
    assert sum(group.decisions for group in report.types) == len(out)
    assert {each.key for each in report.thresholds} == {"loan|m:1", "loan|m:2", "ticket|m:1"}
    assert report.labels + report.labels_outstanding > 0


def test_override_rate_counts_only_what_was_shown():
    found = cases.decisions(800)
    for each in found:
        each |= {"recommendation": {"action": "approve", "probability": 0.8}, "truth": {"action": "reject"}}
    out, report = cases.simulated(cases.lines(found), Reviewers(anchoring=1.0))
    shown = [line for line in out if not line["automated"] and not line["blind"]]
    assert report.shown == len(shown)
    if shown:
        assert report.override_rate == 0.0  # all who were shown it followed it
    blind = [line for line in out if not line["automated"] and line["blind"]]
    assert blind
    assert all(line["final_action"] == "reject" for line in blind)


def test_nothing_to_simulate_is_a_report_without_shares():
    out, report = cases.simulated([], PEOPLE)
    assert (out, report.decisions, report.automation_rate, report.automated_error) == ([], 0, None, None)


def test_lines_that_can_not_be_taken_are_counted_with_their_reason():
    good = cases.lines([cases.decision(0)])[0]
    source = [
        b"\xef\xbb\xbf" + good,
        b"\n",
        b"{",
        good,
        cases.lines([cases.decision(1, decision_type="rent")])[0],
        cases.lines([cases.decision(2, truth={"action": ""})])[0],
        cases.lines([cases.decision(3, facts={"amount": [1]})])[0],
        b"\xff\xfe\n",
        cases.lines([cases.decision(4, truth=None, note="mine", occurred_at="2020-01-01T00:00:00Z")])[0],
    ]
    out, report = cases.simulated(source, PEOPLE)
    assert [line["decision_id"] for line in out] == ["d-00000", "d-00004"]
    assert report.rejected.total == 6
    assert report.rejected.by_reason["duplicate"] == report.rejected.by_reason["unknown_type"] == 1
    assert [(line.line, line.reason) for line in report.rejected.first][:3] == [
        (3, "invalid"),
        (4, "duplicate"),
        (5, "unknown_type"),
    ]
    assert (report.without_truth, report.out_of_order, report.unknown_fields) == (1, 1, {"note": 1})


def test_gold_items_come_as_often_as_asked_for_and_show_the_catch_rate():
    found = cases.decisions(3000)
    for each in found:
        each["recommendation"] = {"action": "approve", "probability": 0.75}
    _, report = cases.simulated(cases.lines(found), Reviewers(sensitivity=0.8, anchoring=0.25, gold_rate=0.5))
    assert report.gold / report.reviews == pytest.approx(0.5, abs=0.05)
    assert report.gold_catch_rate == pytest.approx(0.8, abs=0.05)  # people decide blind: none is anchored
    _, without = cases.simulated(cases.lines(found), Reviewers(gold_rate=0.0))
    assert (without.gold, without.gold_catch_rate) == (0, None)


RARE = """
name: Rare
pools: {people: {title: People}}
decision_types:
  loan:
    question: Approve?
    pool: people
    risk: low
    alpha: 0.05
    learning: {confirm_errors: CONFIRM}
    required_facts: [amount]
    consequence:
      financial: {score: "min(facts.amount / 10000, 1)"}
    actions: [approve, reject, modify, request_info]
"""


def rarely_wrong(confirm: str, people: Reviewers) -> tuple[float, int]:
    """How much runs alone where one decision in 200 is wrong, and confirmations."""
    found = [
        cases.decision(n, truth={"action": "reject" if n % 200 == 7 else "approve"}) for n in range(3000)
    ]
    terms = cases.policy(RARE.replace("CONFIRM", confirm)).terms
    simulation = Simulation(terms, people, b"seed", cases.learning_terms)
    submissions = [parse(line) for line in cases.lines(found)]
    done = [
        each
        for start in range(0, len(submissions), STRIDE)
        for each in simulation.stride(submissions[start : start + STRIDE])
    ]
    asked = sum(each.judged.confirmed for each in done)
    assert all(
        each.judged.work >= len(each.routed.route.review_kinds) + each.judged.confirmed for each in done
    )
    return sum(each.line.automated for each in done) / len(done), asked


def test_false_findings_keep_nothing_from_running_where_a_second_person_is_asked():
    people = Reviewers(sensitivity=0.95, false_override=0.05, gold_rate=0.03)
    assert rarely_wrong("false", people) == (0.0, 0)
    automation, asked = rarely_wrong("true", people)
    assert automation > 0.4
    assert 30 < asked < 200
    assert rarely_wrong("null", people) == (automation, asked), "the default where gold items are shown"
    assert rarely_wrong("null", msgspec.structs.replace(people, gold_rate=0.0)) == (0.0, 0)
