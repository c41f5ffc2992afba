"""A recorded log under another policy: what was judged counts with its chance, what was not stays unknown."""

from __future__ import annotations

import json
import random

import msgspec
import pytest

from app.domain.events import (
    Answer,
    ConsequenceClass,
    DecisionRouted,
    ReviewDecided,
    ReviewKind,
    ReviewRequest,
    ReviewRequested,
)
from app.lab.comparison import compare
from app.lab.comparison_words import text
from app.lab.page import comparison_page
from app.lab.recorded import events, log_of
from app.lab.replay import replay
from app.lab.report import Rejects
from app.lab.reviewers import Reviewers
from app.lab.run import secret_of
from app.lab.simulation import STRIDE, Simulation
from app.lab.submissions import parse
from tests.unit.lab import cases

LOGGED = cases.POLICY.replace("alpha: 0.15", "alpha: 0.15\n    audit_rate: 0.2")


def export(found, *, text=LOGGED, people=None):
    """A log as the stream would have written it, one JSON line an event. ``people`` answer."""
    people = people or Reviewers()
    policy = cases.policy(text)
    simulation = Simulation(policy.terms, people, b"log", cases.learning_terms)
    submissions = [parse(line) for line in cases.lines(found)]
    out = []
    for start in range(0, len(submissions), STRIDE):
        for each in simulation.stride(submissions[start : start + STRIDE]):
            decision = msgspec.structs.replace(
                each.submission.decision, facts=json.dumps(each.submission.facts)
            )
            scored = msgspec.structs.replace(each.routed.scored, decision=decision)
            routed = DecisionRouted(scored=scored, route=each.routed.route)
            out.append(("DecisionRouted", routed))
            real = [given for given in each.judged.given if given.kind is not ReviewKind.GOLD]
            out += [("ReviewDecided", answered(routed, given)) for given in real]
        out += [("ThresholdUpdated", update) for update in simulation.thresholds.values()]
    return [msgspec.json.encode({"event": name, "value": event}) for name, event in out]


def answered(routed, given):
    at = routed.scored.assessment.received_at + 60_000
    request = ReviewRequest(
        review_id="r", kind=given.kind, pool="people", sla_class="standard",
        consequence_class=ConsequenceClass.LOW, requested_at=at, deadline=at + 600_000, approvals=1,
        blind=routed.route.arm.value != "shown", package="", package_digest="",
    )  # fmt: skip
    answer = Answer(
        answer_id=f"{routed.route.route_id}/{given.seat}", review_id="r", reviewer=given.reviewer,
        action=given.action, changes=None, reasoning="", reason_code="", category=None, note="", tags=[],
        first_action=None, package_digest="", lease_epoch=1, claimed_at=at, decided_at=at + 300_000,
    )  # fmt: skip
    return ReviewDecided(requested=ReviewRequested(routed=routed, request=request), answer=answer)


def report_of(lines, *, text=LOGGED, facts=()):
    rejected = Rejects()
    log = log_of(events(lines, rejected), rejected)
    again = replay(log, cases.policy(text), secret_of(1), facts)
    return compare(again, 0.0), list(again.decisions.values())


@pytest.fixture(scope="module")
def found():
    chance = random.Random(4)
    each = cases.decisions(3000, 4)
    for one in each:
        one["facts"] = {"amount": chance.choice([50, 100]), "group": chance.choice("AB")}
    return each


@pytest.fixture(scope="module")
def lines(found):
    return export(found)


def test_the_same_policy_gives_what_was(lines):
    report, again = report_of(lines)
    assert report.decisions == 3000
    assert report.automation_rate == pytest.approx(report.automation_rate_logged, abs=0.05)
    assert report.reviewer_hours == pytest.approx(report.reviewer_hours_logged, rel=0.1)
    assert (report.sla_met, report.sla_met_logged) == (1.0, 1.0)
    assert len(again) == 3000


def test_the_true_error_of_what_would_run_alone_is_in_the_interval(found, lines):
    report, again = report_of(lines)
    low, high = report.automated_error_interval
    assert low <= true_error(found, again) <= high
    assert report.automated_error == pytest.approx(true_error(found, again), abs=0.02)


def test_estimates_hold_their_confidence_over_many_logs():
    """95 % intervals of 60 logs: fewer than 52 hits have a probability below 1 in 300."""
    hits = 0
    for seed in range(60):
        each = cases.decisions(400, 100 + seed)
        report, again = report_of(export(each))
        low, high = report.automated_error_interval
        hits += low <= true_error(each, again) <= high
    assert hits >= 52


def test_without_an_answer_there_are_only_bounds(lines):
    only_routed = [line for line in lines if b'"ReviewDecided"' not in line]
    report, _ = report_of(only_routed)
    assert report.automated_error is None
    assert report.automated_error_interval == (0.0, 1.0)
    assert "no estimate is possible" in text(report)


def true_error(found, again):
    truth = {each["decision_id"]: each["truth"]["action"] for each in found}
    alone = [each for each in again if each.alone]
    return sum(truth[each.decision_id] != each.recommended for each in alone) / len(alone)


def test_people_who_follow_what_they_see_do_not_make_the_ai_look_better():
    """Nearly everything is reviewed in the log, half of it with the recommendation in sight."""
    each = cases.decisions(1500, 9)
    logged = LOGGED.replace("automation: policy_threshold", "levels: {min: 3}\n    blind_share: 0.2").replace(
        "evidence: {scale: 60}", "evidence: {initial: 0.01, floor: 0.01, scale: 60}"
    )
    report, again = report_of(export(each, text=logged, people=Reviewers(anchoring=1.0)))
    low, high = report.automated_error_interval
    assert low <= true_error(each, again) <= high
    assert report.automated_error_by_any_answer < low


def test_a_stricter_policy_sends_more_to_people(lines):
    report, _ = report_of(lines, text=LOGGED.replace("automation: policy_threshold", "levels: {min: 3}"))
    assert (report.automation_rate, report.automated_error) == (0.0, None)
    assert report.newly_reviewed > 0 == report.newly_alone
    assert "Nothing would have run alone." in text(report)


ADJUSTED = LOGGED.replace(
    "actions: [approve, reject, modify, request_info]",
    """adjustments:
      - {name: small, text: Small loans are new, when: facts.amount == 50, shift: -6}
      - {name: usual, text: Nothing much, when: facts.amount == 100, shift: -0.0001}
    actions: [approve, reject, modify, request_info]""",
    1,
)


def test_each_adjustment_is_measured_beside_the_same_policy_without_it(found, lines):
    report, again = report_of(lines, text=ADJUSTED)
    _, plain = report_of(lines)
    small = {each["decision_id"] for each in found if each["facts"]["amount"] == 50}
    moved = [one for one in plain if one.alone and one.decision_id in small]
    assert not any(one.alone for one in again if one.decision_id in small)
    first, second = report.adjustments
    assert (first.name, first.decisions, first.to_people) == ("loan: small", len(small), len(moved))
    assert (second.name, second.to_people, second.alone) == ("loan: usual", 0, 0)
    wrong = {each["decision_id"]: each["truth"]["action"] != "approve" for each in found}
    true = sum(wrong[one.decision_id] for one in moved) / len(moved)
    assert first.to_people_error.low <= true <= first.to_people_error.high
    assert f"{len(moved):,} go to people because of it" in text(report)
    assert f"usual shifts the score of {second.decisions:,} decisions, and changes nothing" in text(report)
    assert "What adjustments change" in comparison_page(report)
    assert "What adjustments change" not in comparison_page(report_of(lines)[0])


def test_slices_by_a_fact(lines):
    report, _ = report_of(lines, facts=["group", "amount", "nothing"])
    names = [part.name for part in report.slices]
    assert names == ["group: A", "group: B", "amount: 100", "amount: 50", "nothing: unknown"]
    assert sum(part.decisions for part in report.slices[:2]) == 3000


def test_what_can_not_be_read_or_is_not_in_the_policy_is_counted(lines):
    other = lines[0].replace(b'"decision_type":"loan"', b'"decision_type":"rent"')
    report, _ = report_of([b"{", b"\xff", b'{"event": "Feedback", "value": {}}', other, lines[-5], b"\n"])
    assert report.rejected.by_reason == {"invalid": 2, "unknown_type": 1}
    assert report.decisions <= 1
