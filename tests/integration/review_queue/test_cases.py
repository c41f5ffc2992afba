"""The case file and the memory for repeats."""

import pytest

from app.domain.events import DecidedBy, DecisionResolved, ObservationKind, ObservedOutcome, Resolution
from app.review_queue.cases import CaseFile
from app.review_queue.seen import SeenDecisions

from .conftest import routed


@pytest.fixture
def cases(desk):
    return CaseFile(desk.client, desk.keys, memory=1_000_000, length=3, clock=desk.clock)


def resolution(event, by=DecidedBy.HUMAN, action="reject"):
    return DecisionResolved(
        routed=event,
        resolution=Resolution(
            resolution_id="x",
            action=action,
            changes=None,
            decided_by=by,
            level=4,
            review_id=None,
            reviewer="ann",
            agreed=False,
            category=None,
            reason_code="",
            reasoning="",
            resolved_at=event.scored.assessment.received_at + 5,
        ),
    )


def test_a_subject_has_its_last_cases_newest_first_with_what_became_of_them(desk, cases):
    events = [routed(f"d{n}", at=desk.clock() + n) for n in range(5)]
    cases.remember(events)
    cases.remember(events)  # a retried batch
    cases.resolved([resolution(events[4])])
    observed = ObservedOutcome(
        observation_id="o", decision_id="d3", kind=ObservationKind.CUSTOMER_INCIDENT, correct_action=None,
        observed_at=desk.clock(), source="crm", note="",
    )  # fmt: skip
    cases.observed([observed])
    history, stranger = cases.histories(["emp-17", "nobody"])
    assert [case.brief.decision_id for case in history] == ["d4", "d3", "d2"]
    assert history[0].resolved.action == "reject"
    assert history[1].observed.kind is ObservationKind.CUSTOMER_INCIDENT
    assert (history[2].resolved, stranger) == (None, [])


def test_precedents_are_what_people_decided(desk, cases):
    events = [routed(f"d{n}", at=desk.clock() + n) for n in range(4)]
    cases.remember(events)
    cases.resolved(
        [
            resolution(events[0]),
            resolution(events[1], DecidedBy.AI),
            resolution(events[2], DecidedBy.DEADLINE_RULE),
        ]
    )
    (precedents,) = cases.precedents(["expense.approval"])
    assert [case.brief.decision_id for case in precedents] == ["d0"]


def test_a_brief_joins_later_truth(desk, cases):
    cases.remember([routed("d1", action="approve", level=1)])
    found, unknown = cases.briefs(["d1", "d2"])
    assert (found.learning_key, found.raw, found.automated, found.level) == (
        "expense.approval/expenses/3",
        0.75,
        True,
        1,
    )
    assert (found.evidence_probability, found.received_at, unknown) == (0.2, desk.clock(), None)


def test_cases_are_forgotten_after_the_policys_memory(desk, cases):
    cases.remember([routed("old", at=desk.clock() - 1_000_001), routed("new", at=desk.clock() - 999_000)])
    assert cases.briefs(["old"]) == [None]
    assert 0 < desk.client.execute_command("PTTL", desk.keys.cases("case:", "new")) <= 1_000


def test_nothing_is_asked_for_nothing(cases):
    cases.remember([])
    assert (cases.briefs([]), cases.histories([]), cases.precedents([])) == ([], [], [])


# --- repeats ------------------------------------------------------------------------------------


@pytest.fixture
def seen(desk):
    return SeenDecisions(desk.client, desk.keys, window=60_000, chunk=4)


def test_a_repeat_names_the_first_position(seen):
    assert seen.claim(["a", "b"], ["t[0]@1", "t[0]@2"]) == [None, None]
    assert seen.claim(["b", "c"], ["t[1]@9", "t[0]@3"]) == ["t[0]@2", None]


def test_the_same_position_again_is_not_a_repeat(seen):
    assert seen.claim(["a", "b"], ["t[0]@1", "t[0]@2"]) == seen.claim(["a", "b"], ["t[0]@1", "t[0]@2"])


def test_a_repeat_within_the_batch_counts_in_order_also_across_chunks(seen):
    ids = ["a", "a", "b", "c", "d", "a", "e"]
    positions = [f"t[0]@{n}" for n in range(7)]
    expected = [None, "t[0]@0", None, None, None, "t[0]@0", None]
    assert seen.claim(ids, positions) == expected
    assert seen.claim(ids, positions) == expected  # the whole batch again


def test_an_id_is_remembered_for_the_window(desk, seen):
    seen.claim(["a"], ["t[0]@1"])
    assert 0 < desk.client.execute_command("PTTL", desk.keys.seen("a")) <= 60_000


def test_long_and_foreign_ids_are_ids_too(seen):
    ids = ["ü" * 200, "x" * 70_000, "", "a b\n"]
    positions = [f"t[0]@{n}" for n in range(4)]
    assert seen.claim(ids, positions) == [None] * 4
    assert seen.claim(ids, ["t[1]@0"] * 4) == positions
