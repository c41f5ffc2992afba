"""Taking an answer back, as rules."""

import pytest

from app.domain import review_steps as rules
from app.domain.attention import who_saw
from app.domain.events import ReviewKind, ReviewLifecycle
from app.domain.review import HOUR, MISSED, Refusal, ReviewState
from app.domain.sla import next_step
from app.domain.undo import settle, undo

from .test_review import BOB, NOW, SUE, TERMS, answer, claimed, new

WINDOW, LEASE = 10_000, 60_000


def held(**changes):
    review = claimed(new(**changes))
    return rules.decide(review, answer(review), TERMS, WINDOW)


def test_a_held_answer_is_an_answer_for_everybody_else():
    review = held()
    assert (review.state, review.undo_until, review.over) == (ReviewState.DECIDED, NOW + WINDOW, False)
    assert claimed(review, BOB) is Refusal.ALREADY_DECIDED
    assert rules.reassign(review, SUE, BOB, []) is Refusal.ALREADY_DECIDED
    assert rules.cancel(review, NOW) is Refusal.ALREADY_DECIDED
    assert next_step(review) is None
    sibling = new(kind=ReviewKind.SECOND_LOOK)
    assert claimed(sibling, siblings=[review]) is Refusal.NOT_DISTINCT


def test_the_moment_of_the_answer_counts_not_that_of_its_settlement():
    late = NOW + HOUR
    review = claimed(new())
    in_time = rules.decide(review, answer(review, decided_at=late - 1), TERMS, WINDOW)
    assert (settle(in_time).decided_at, settle(in_time).rung) == (late - 1, 0)
    assert rules.decide(review, answer(review, decided_at=late), TERMS, WINDOW).rung == MISSED


def test_whoever_answered_has_it_again_as_it_was_claimed():
    review = held()
    back = undo(review, "ann", review.epoch, NOW + 9_999, LEASE)
    assert (back.state, back.holder, back.epoch) == (ReviewState.CLAIMED, "ann", review.epoch + 1)
    assert (back.claimed_at, back.lease_until) == (NOW, NOW + 9_999 + LEASE)
    assert (back.answer_id, back.decided_at, back.undo_until) == ("", 0, 0)
    again = rules.decide(back, answer(back, action="reject"), TERMS, WINDOW)
    assert again.answer_id not in ("", review.answer_id)


def test_the_answer_before_it_can_not_be_repeated_after_it_was_taken_back():
    review = claimed(new())
    said = answer(review)
    back = undo(rules.decide(review, said, TERMS, WINDOW), "ann", review.epoch, NOW, LEASE)
    assert rules.decide(back, said, TERMS, WINDOW) is Refusal.STALE_LEASE


@pytest.mark.parametrize(
    ("who", "behind", "after", "expected"),
    [
        ("ann", 0, WINDOW, Refusal.UNDO_OVER),
        ("bob", 0, 0, Refusal.ALREADY_DECIDED),
        ("ann", -1, 0, Refusal.STALE_LEASE),
    ],
)
def test_only_in_time_only_the_own_and_only_this_answer(who, behind, after, expected):
    review = held()
    assert undo(review, who, review.epoch + behind, NOW + after, LEASE) is expected


def test_what_is_final_or_not_answered_stays_as_it_is():
    review = held()
    assert undo(settle(review), "ann", review.epoch, NOW, LEASE) is Refusal.UNDO_OVER
    assert undo(claimed(new()), "ann", 1, NOW, LEASE) is Refusal.NOT_ANSWERED
    assert undo(rules.cancel(new(), NOW), "ann", 0, NOW, LEASE) is Refusal.WITHDRAWN


def test_no_vote_can_be_taken_back():
    review = claimed(new(approvals=2))
    first = rules.decide(review, answer(review), TERMS, WINDOW)
    assert (first.state, first.undo_until) == (ReviewState.OPEN, 0)
    last = claimed(first, BOB)
    done = rules.decide(last, answer(last, "bob"), TERMS, WINDOW)
    assert (done.state, done.over) == (ReviewState.DECIDED, True)


def test_the_clock_that_makes_an_answer_final_is_nobodys_look():
    def step(event, at):
        return ReviewLifecycle(
            event_id=f"{at}", review_id="p.1", decision_id="d", pool="p", event=event, actor="ann", at=at,
            lease_epoch=1, state="{}", detail="",
        )  # fmt: skip

    steps = [step("claimed", 0), step("answer_held", 5_000), step("looked", 6_000), step("decided", 15_000)]
    assert [(look.duration, look.ended) for look in who_saw(steps)] == [(5_000, "answer_held"), (0, "looked")]
    again = [*steps[:2], step("answer_undone", 6_000), step("answer_held", 9_000), step("decided", 19_000)]
    assert [look.duration for look in who_saw(again)] == [5_000, 3_000]
