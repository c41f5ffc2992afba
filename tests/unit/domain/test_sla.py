"""The SLA ladder: each step once, in order, never before its time, and silence approves nothing."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import review_steps as rules
from app.domain.deadline import may_default
from app.domain.events import ConsequenceClass, OnDeadline, ReviewKind, ReviewRequest
from app.domain.review import (
    HOUR,
    MISSED,
    QueueTerms,
    Refusal,
    Reviewer,
    ReviewState,
    requested,
    review_id_of,
)
from app.domain.sla import EVENTS, Ladder, Rung, climb, next_step, take_step
from app.domain.working_time import Calendar, due

NOW = 1_764_000_000_000
TERMS = QueueTerms(backups={"p": frozenset({"helpers"})})
LADDER = Ladder(0.75, 0.8125, 0.875, 0.9375)
ANN = Reviewer(name="ann", pools=frozenset({"p"}))
SUE = Reviewer(name="sue", pools=frozenset({"p"}), supervisor=True)
KIM = Reviewer(name="kim", pools=frozenset({"helpers"}), backup=True)
OFFICE = Calendar(zone="Europe/Berlin", week=5 * (((540, 1020),),) + 2 * ((),))


def request(**changes):
    given = {
        "kind": ReviewKind.REVIEW,
        "deadline": NOW + 16 * HOUR,
        "consequence_class": ConsequenceClass.LOW,
    }
    given.update(changes)
    given.setdefault("ladder", list(climb(NOW, given["deadline"], LADDER, None, backups=True)))
    return ReviewRequest(
        review_id=review_id_of("p", "d1", given["kind"]), pool="p", sla_class="standard",
        requested_at=NOW, approvals=given.pop("approvals", 1), blind=False, package="", package_digest="x",
        **given,
    )  # fmt: skip


def new(**changes):
    return requested(request(**changes), "d1", 1, TERMS)


def climbed(review, until):
    """The review after all steps by then, and what they were called."""
    events = []
    while (step := next_step(review)) is not None and (after := take_step(review, until, TERMS)):
        events.append(EVENTS[step[0]])
        review = after
    return review, events


def test_the_whole_ladder_in_order():
    review = new(on_deadline=OnDeadline.ESCALATE)
    assert climbed(review, NOW + 12 * HOUR - 1)[1] == []
    seen = []
    for hours in (12, 13, 14, 15):
        review, events = climbed(review, NOW + hours * HOUR)
        seen += events
    assert seen == ["sla_at_risk", "sla_raised", "offered_to_backups", "sla_escalated"]
    assert (review.tier, review.backups) == (1, True)
    review, events = climbed(review, NOW + 16 * HOUR)
    assert events == ["sla_missed", "deadline_rule"]
    assert (review.tier, review.state, review.rung) == (2, ReviewState.OPEN, 6)
    assert climbed(review, NOW + 1000 * HOUR) == (review, [])


def test_each_step_does_what_it_says():
    review = new()
    raised = climbed(review, NOW + 13 * HOUR)[0]
    assert raised.urgency == review.urgency - TERMS.raise_boost
    assert rules.claim(raised, KIM, NOW, TERMS, []) is Refusal.NOT_OFFERED
    offered = climbed(review, NOW + 14 * HOUR)[0]
    assert rules.claim(offered, KIM, NOW, TERMS, []).holder == "kim"
    assert rules.claim(offered, ANN, NOW, TERMS, []).holder == "ann"
    late = climbed(review, NOW + 15 * HOUR)[0]
    assert rules.claim(late, KIM, NOW, TERMS, []) is Refusal.NOT_SUPERVISOR
    assert rules.claim(late, SUE, NOW, TERMS, []).holder == "sue"


def test_who_holds_it_may_still_answer_when_it_is_a_supervisors():
    held = rules.claim(new(), ANN, NOW, TERMS, [])
    late = climbed(held, NOW + 15 * HOUR)[0]
    assert (late.state, late.holder, late.tier) == (ReviewState.CLAIMED, "ann", 1)
    assert rules.holds(late, "ann", held.epoch) is None
    assert rules.claim(rules.lapse(late), ANN, NOW, TERMS, []) is Refusal.NOT_SUPERVISOR


def test_nobody_to_help_out_is_no_step():
    ladder = list(climb(NOW, NOW + 16 * HOUR, LADDER, None, backups=False))
    _, events = climbed(new(ladder=ladder), NOW + 16 * HOUR)
    assert "offered_to_backups" not in events
    assert events[-2:] == ["sla_missed", "deadline_rule"]


def test_the_clock_stands_still_while_it_waits():
    held = rules.claim(new(), ANN, NOW, TERMS, [])
    waiting = rules.request_info(held, "ann", held.epoch, NOW + HOUR, "?", TERMS)
    assert next_step(waiting) is None
    back = rules.resume(waiting, NOW + 101 * HOUR)
    assert next_step(back) == (Rung.AT_RISK, NOW + 112 * HOUR)
    assert back.deadline == NOW + 116 * HOUR


def test_a_pause_over_the_weekend_gives_no_working_time():
    friday = 1_772_812_800_000  # 2026-03-06 17:00 in Berlin
    monday = friday + 64 * HOUR  # 09:00
    asked = request(deadline=due(OFFICE, monday, 8 * HOUR), ladder=[])
    review = msgspec.structs.replace(
        requested(asked, "d1", 1, TERMS), state=ReviewState.WAITING, paused_at=friday
    )
    assert rules.resume(review, monday, OFFICE).deadline == review.deadline
    assert rules.resume(review, monday + HOUR, OFFICE).deadline == due(OFFICE, review.deadline, HOUR)
    assert rules.resume(review, monday).deadline == review.deadline + 64 * HOUR  # around the clock


def test_a_missed_deadline_counts_even_if_the_clock_was_late():
    held = rules.claim(new(), ANN, NOW, TERMS, [])
    waiting = rules.request_info(held, "ann", held.epoch, NOW + 16 * HOUR, "?", TERMS)
    assert (waiting.rung, waiting.step) == (MISSED, held.step + 2)
    assert rules.cancel(held, NOW + 16 * HOUR - 1).rung == 0
    assert rules.cancel(held, NOW + 16 * HOUR).rung == MISSED


# --- the deadline rule ----------------------------------------------------------------------------

DEFAULT = {"on_deadline": OnDeadline.SAFE_DEFAULT, "safe_default": "hold"}


def test_a_safe_default_ends_the_review_without_an_answer():
    over, events = climbed(new(**DEFAULT), NOW + 16 * HOUR)
    assert events[-1] == "deadline_rule"
    assert (over.state, over.answer_id, over.holder) == (ReviewState.DEFAULTED, "", "")
    assert rules.claim(over, ANN, NOW, TERMS, []) is Refusal.DEFAULTED


def test_a_safe_default_waits_for_whoever_holds_the_review():
    held = rules.claim(climbed(new(**DEFAULT), NOW + 12 * HOUR)[0], ANN, NOW + 12 * HOUR, TERMS, [])
    late, events = climbed(held, NOW + 20 * HOUR)
    assert (late.state, events[-1]) == (ReviewState.CLAIMED, "sla_missed")
    assert climbed(rules.lapse(late), NOW + 20 * HOUR)[0].state is ReviewState.DEFAULTED


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, OnDeadline.SAFE_DEFAULT),
        ({"consequence_class": ConsequenceClass.MEDIUM}, OnDeadline.ESCALATE),
        ({"safe_default": "approve"}, OnDeadline.ESCALATE),
        ({"safe_default": None}, OnDeadline.ESCALATE),
        ({"approvals": 2}, OnDeadline.ESCALATE),
        ({"deadline": NOW}, OnDeadline.ESCALATE),  # nobody ever had time to answer
        ({"kind": ReviewKind.AUDIT}, OnDeadline.HOLD),
        ({"kind": ReviewKind.GOLD}, OnDeadline.HOLD),
        ({"on_deadline": OnDeadline.HOLD}, OnDeadline.HOLD),
    ],
)
def test_silence_decides_only_what_is_harmless(changes, rule):
    assert new(**{**DEFAULT, **changes}).on_deadline is rule


@given(
    st.sampled_from(list(ReviewKind)),
    st.sampled_from(list(ConsequenceClass)),
    st.integers(1, 3),
    st.sampled_from(["approve", "accept", "allow", "grant"]),
)
def test_silence_never_approves(kind, consequence, approvals, action):
    assert not may_default(kind, consequence, approvals, action)


def test_no_time_is_no_ladder():
    assert climb(NOW, None, LADDER, None, backups=True) == ()
    assert climb(NOW, NOW - 1, LADDER, None, backups=True) == ()
    assert next_step(new(deadline=None)) is None
    assert climbed(new(deadline=NOW - 1), NOW)[1] == ["sla_missed", "deadline_rule"]


@given(st.integers(0, 10**6), st.integers(1, 10**9), st.lists(st.floats(0.01, 0.99), min_size=4, max_size=4))
def test_steps_are_in_order_and_before_the_deadline(wait, budget, shares):
    times = climb(NOW, NOW + budget, Ladder(*sorted(shares)), None, backups=True)
    assert list(times) == sorted(times)
    assert times[0] >= NOW
    assert times[-1] <= NOW + budget
