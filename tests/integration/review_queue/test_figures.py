"""The figures of the queues: by class and state, through every step, read by one process at a time."""

from __future__ import annotations

import pytest

from app.domain.answers import Verdict
from app.review_queue.figures import LEASE_MS, FiguresReader


def reader(desk, name="one", classes=("standard", "urgent")):
    return FiguresReader(
        desk.client, desk.keys, lambda: ["expenses", "claims"], lambda: classes, name=name, clock=desk.clock
    )


def depth(desk, found=None):
    [queue] = [one for one in (found or reader(desk).read()).queues if one.pool == "expenses"]
    return {shelf: count for shelf, count in queue.depth.items() if count}


def test_an_empty_store_has_every_series(desk):
    found = reader(desk).read()
    assert [queue.pool for queue in found.queues] == ["expenses", "claims"]
    assert found.queues[0].depth == {
        (name, state): 0 for name in ("standard", "urgent") for state in ("open", "claimed", "waiting")
    }
    assert found.queues[0].oldest == {"standard": 0, "urgent": 0}
    assert found.seconds >= 0
    assert found.memory > 0
    assert found.clients > 0


def test_a_review_is_counted_where_it_is_through_its_whole_life(desk):
    desk.enter()
    desk.enter("d2", sla_class="urgent")
    assert depth(desk) == {("standard", "open"): 1, ("urgent", "open"): 1}
    review = desk.take(desk.ann, desk.new().request.review_id)
    assert depth(desk) == {("standard", "claimed"): 1, ("urgent", "open"): 1}
    desk.queue.request_info(review.review_id, desk.ann, review.epoch, "which project?")
    assert depth(desk)["standard", "waiting"] == 1
    desk.queue.answer_info(review.review_id, desk.ann, "the new one")
    again = desk.take(desk.bob, review.review_id)
    desk.decide(again, desk.bob)
    assert depth(desk) == {("urgent", "open"): 1}


def test_an_answer_that_is_taken_back_counts_again(desk):
    desk.enter()
    review = desk.take(desk.ann)
    what = Verdict(action="approve", reasoning="because")
    desk.queue.decide(review.review_id, desk.ann, review.epoch, review.digest, what, undo_window=60_000)
    assert depth(desk) == {}
    desk.queue.undo(review.review_id, desk.ann, review.epoch)
    assert depth(desk) == {("standard", "claimed"): 1}


def test_the_oldest_is_by_class_whatever_its_state(desk):
    desk.enter()
    desk.clock.advance(60_000)
    desk.take(desk.ann)
    desk.enter("d2")
    desk.clock.advance(1_000)
    [queue, _] = reader(desk).read().queues
    assert queue.oldest == {"standard": 61_000, "urgent": 0}


def test_people_are_counted_once(desk):
    for name in ("d1", "d2", "d3"):
        desk.enter(name)
    desk.take(desk.ann)
    desk.take(desk.ann)
    desk.take(desk.bob)
    assert reader(desk).read().queues[0].reviewers == 2


def test_a_class_that_left_the_policy_is_still_counted(desk):
    desk.enter(sla_class="old")
    assert depth(desk) == {("old", "open"): 1}


def test_one_process_reads_and_another_takes_over(desk):
    first, second = reader(desk, "one"), reader(desk, "two")
    assert first.read() is not None
    assert second.read() is None
    assert first.read() is not None
    assert 0 < desk.client.execute_command("PTTL", desk.keys.reader()) <= LEASE_MS
    desk.client.execute_command("DEL", desk.keys.reader())  # as when its time is over
    assert second.read() is not None
    assert first.read() is None


@pytest.mark.parametrize("steps", [("release",), ("escalate",), ("withdraw",)])
def test_other_ways_out_of_a_persons_hands(desk, steps):
    desk.enter()
    review = desk.take(desk.ann)
    if steps == ("release",):
        desk.queue.release(review.review_id, desk.ann, review.epoch)
        assert depth(desk) == {("standard", "open"): 1}
    elif steps == ("escalate",):
        desk.queue.escalate(review.review_id, desk.ann, review.epoch)
        assert depth(desk) == {("standard", "open"): 1}
    else:
        desk.queue.withdraw([review.review_id], "svc", "not needed")
        assert depth(desk) == {}
