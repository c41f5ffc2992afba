"""The report: numbers that reconcile with the topics and with each other, and say so when they do not."""

import msgspec
import pytest

from app.demo.report import Report, Run
from app.demo.submissions import Planted
from app.demo.summary import summarise
from app.domain.events import Arm, DecidedBy, OverrideCategory, ReviewKind

from . import story

RUN = Run(elapsed_s=1.0, stages_s={}, decisions_per_s=1.0)
AI_ERROR = OverrideCategory.AI_ERROR


def small():
    """Five decisions: two automated (one wrongly), three reviewed; one dead letter."""
    a, b = story.routed(0), story.routed(1)
    c, d, e = (story.routed(n, level=3) for n in (2, 3, 4))
    asked = [story.requested(x) for x in (c, d, e)]
    log = story.log(
        routed=[a, b, c, d, e],
        resolved=[
            story.resolved(a, "approve", by=DecidedBy.AI),
            story.resolved(b, "approve", by=DecidedBy.AI),
            story.resolved(c, "reject", code="facts_misread", category=AI_ERROR),
            story.resolved(d, "approve"),
        ],
        requested=asked,
        decided=[story.answered(asked[0], "reject"), story.answered(asked[1], "approve", reviewer="ben")],
        feedback=[("feedback.training_examples", story.feedback(c, "reject", AI_ERROR))],
        thresholds=[story.threshold(version=2, threshold=1.0), story.threshold()],
        dead=[story.dead("garbage")],
    )
    truths = {0: "approve", 1: "reject", 2: "reject", 3: "approve", 4: "approve"}
    return log, story.known(truths, records=6, minority={1, 2})


@pytest.fixture
def report() -> Report:
    return summarise(*small(), RUN)


def test_every_record_is_accounted_for(report):
    flow = report.flow
    assert (flow.records, flow.decisions, flow.dead_letters) == (6, 5, 1)
    assert (flow.resolved, flow.open, flow.reviews_open) == (4, 1, 1)
    assert flow.reconciled
    assert all(check.holds for check in flow.checks)


def test_a_lost_record_is_reported_not_hidden():
    log, known = small()
    report = summarise(log, msgspec.structs.replace(known, records=7), RUN)
    assert not report.flow.reconciled
    assert [check.text for check in report.flow.checks if not check.holds] == [
        "records submitted = decisions routed + dead letters"
    ]


def test_a_decision_resolved_twice_is_reported():
    log, known = small()
    twice = msgspec.structs.replace(log, resolved=[*log.resolved, log.resolved[0]])
    assert not summarise(twice, known, RUN).flow.reconciled


def test_levels_by_name_add_up_to_all_decisions(report):
    assert sum(row.decisions for row in report.levels) == report.flow.decisions
    assert [row.level for row in report.levels] == [1, 2, 3, 4, 5]
    assert (report.levels[0].right.hits, report.levels[0].right.of) == (1, 2)
    assert report.automation.hits == 2


def test_accuracy_of_ai_people_and_both_against_the_truth(report):
    accuracy = report.accuracy
    assert (accuracy.ai_alone.hits, accuracy.ai_alone.of) == (3, 5)
    assert (accuracy.automated.hits, accuracy.automated.of) == (1, 2)
    assert (accuracy.people.hits, accuracy.people.of) == (2, 2)
    assert (accuracy.ai_on_the_same.hits, accuracy.ai_on_the_same.of) == (1, 2)
    assert (accuracy.together.hits, accuracy.together.of) == (3, 4)


def test_what_people_changed_why_and_where_it_went(report):
    changes = report.changes
    assert (changes.final_changes, changes.for_the_better, changes.for_the_worse) == (1, 1, 0)
    assert [(row.code, row.text, row.count) for row in changes.codes] == [
        ("facts_misread", "The AI misread the facts", 1)
    ]
    assert next((row.topic, row.changed, row.delivered) for row in changes.sinks) == (
        "feedback.training_examples",
        1,
        1,
    )
    assert (changes.changed.hits, changes.changed.of) == (1, 2)


def test_an_answer_delivered_twice_counts_once():
    log, known = small()
    again = msgspec.structs.replace(log, decided=[*log.decided, *log.decided])
    assert summarise(again, known, RUN).changes == summarise(log, known, RUN).changes


def test_blind_first_answers_are_kept_apart_from_shown_ones():
    shown = [story.requested(story.routed(n, level=3)) for n in (0, 1)]
    blind = [story.requested(story.routed(n, level=3, arm=Arm.BLIND), blind=True) for n in (2, 3)]
    log = story.log(
        routed=[r.routed for r in (*shown, *blind)],
        requested=[*shown, *blind],
        decided=[
            story.answered(shown[0], "approve"),
            story.answered(shown[1], "approve"),
            story.answered(blind[0], "approve", first="reject"),
            story.answered(blind[1], "approve", first="approve"),
        ],
    )
    arm = summarise(log, story.known(dict.fromkeys(range(4), "reject"), records=4), RUN).blind
    assert (arm.changed_shown.hits, arm.changed_shown.of) == (0, 2)
    assert (arm.changed_blind_first.hits, arm.changed_blind_first.of) == (1, 2)
    assert arm.revised_after_reveal == 1
    assert arm.gap == 0.5


def test_automated_error_is_estimated_from_the_evidence_sample_by_inverse_probability():
    events = [story.routed(n, evidence=True) for n in range(4)]
    labels = [
        story.label(events[0], error=True, q=0.5),
        story.label(events[1], error=False, q=0.5),
        story.label(events[2], error=False, q=0.25),
        story.label(events[3], error=True, q=0.1, evidence=False),
    ]
    log = story.log(routed=events, labels=labels)
    checks = summarise(
        log, story.known({0: "reject", 1: "approve", 2: "approve", 3: "reject"}, records=4), RUN
    ).checks
    assert (checks.evidence_labels, checks.evidence_errors) == (3, 1)
    assert checks.estimated_error == pytest.approx(2 / (2 + 2 + 4))
    assert (checks.true_error.hits, checks.true_error.of) == (2, 4)


def test_an_unanswered_review_misses_its_deadline_when_it_passes():
    events = [story.requested(story.routed(n, level=3)) for n in range(3)]
    log = story.log(
        routed=[e.routed for e in events],
        requested=events,
        decided=[
            story.answered(events[0], "approve"),
            story.answered(events[1], "approve", wait=30 * story.HOUR),
        ],
    )
    truths = dict.fromkeys(range(3), "approve")
    late = summarise(log, story.known(truths, records=3), RUN).sla
    assert (late.met.hits, late.met.of) == (1, 3)
    early = summarise(log, story.known(truths, records=3, ended_at=story.MONDAY + story.HOUR), RUN).sla
    assert (early.met.hits, early.met.of) == (1, 2)


def test_the_latest_threshold_of_each_key_is_shown(report):
    (row,) = report.thresholds
    assert (row.threshold, row.certified, row.labels) == (0.94, 0.94, 180)
    assert row.automates


def test_planted_records_are_followed_up():
    planted = [
        Planted(kind="facts missing", decision_id="d-0", expected="a person decides"),
        Planted(kind="same id twice", decision_id="d-1", expected="decided once"),
        Planted(kind="not a record", decision_id="garbage-1", expected="dead letter"),
        Planted(kind="facts cut off", decision_id="d-9", expected="dead letter"),
    ]
    once = story.routed(1)
    log = story.log(
        routed=[story.routed(0, level=4), once],
        resolved=[story.resolved(once, "approve", by=DecidedBy.AI)],
        dead=[story.dead("d-1", "duplicate"), story.dead("garbage-1", "not_avro")],
    )
    report = summarise(log, story.known({0: "approve", 1: "approve"}, records=4, planted=planted), RUN)
    assert [row.as_expected for row in report.planted] == [True, True, True, False]


def test_groups_are_compared_side_by_side(report):
    minority, others = report.groups
    assert (minority.applications, others.applications) == (2, 3)
    assert minority.lender_approved.hits == 0
    assert minority.ai_would_approve.hits == 2
    assert (minority.finally_approved.hits, minority.finally_approved.of) == (1, 2)


def test_days_follow_the_calendar(report):
    (day,) = report.days
    assert (day.day, day.decisions, day.automated, day.threshold) == (1, 5, 2, 0.95)


def test_an_empty_run_still_has_a_report():
    empty = summarise(story.log(), story.known({}, records=0), RUN)
    assert empty.accuracy.together.share is None
    assert empty.flow.reconciled


def test_the_report_is_json_and_comes_back_the_same(report):
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


def test_only_the_run_differs_between_two_foldings_of_one_log():
    log, known = small()
    one = summarise(log, known, RUN)
    two = summarise(log, known, msgspec.structs.replace(RUN, elapsed_s=9.0))
    assert msgspec.structs.replace(two, run=one.run) == one


def test_an_audit_is_no_review():
    audited = story.requested(story.routed(0, evidence=True), ReviewKind.AUDIT, blind=True)
    log = story.log(
        routed=[audited.routed],
        requested=[audited],
        decided=[story.answered(audited, "reject", first="reject")],
    )
    report = summarise(log, story.known({0: "reject"}, records=1), RUN)
    assert report.changes.changed.of == 0
    assert report.blind.changed_blind_first.of == 0
    assert report.human_work.hits == 1
