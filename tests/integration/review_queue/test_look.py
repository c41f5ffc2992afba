"""Who looked, and when: once for each claim, once a minute, and never without being recorded first."""

import json

import pytest

from app.review_queue.errors import UnknownReview
from app.review_queue.queue import LOOKS_APART

DIGEST = "a" * 64


def looks(desk):
    entries = desk.client.execute_command("XRANGE", desk.keys.pool(desk.pool, "outbox"), "-", "+")
    return [
        (fields[b"@actor"].decode(), int(fields[b"@at"]), json.loads(fields[b"@detail"]))
        for _, fields in entries
        if fields[b"@event"] == b"looked"
    ]


def test_a_look_is_a_step_with_person_time_and_digest(desk):
    review_id = desk.enter()
    desk.queue.seen(review_id, "ann", DIGEST)
    assert looks(desk) == [("ann", desk.clock(), {"digest": DIGEST})]
    assert desk.queue.get(review_id).review.step == 1


def test_looking_again_is_recorded_once_a_minute_for_each_person(desk):
    review_id = desk.enter()
    for who in ("ann", "bob", "ann"):
        desk.queue.seen(review_id, who, DIGEST)
    desk.clock.advance(LOOKS_APART - 1)
    desk.queue.seen(review_id, "ann", DIGEST)
    assert [who for who, *_ in looks(desk)] == ["ann", "bob"]
    desk.clock.advance(1)
    desk.queue.seen(review_id, "ann", DIGEST)
    assert [who for who, *_ in looks(desk)] == ["ann", "bob", "ann"]


def test_a_new_claim_is_a_new_look(desk):
    review_id = desk.enter()
    desk.take(desk.ann, review_id)
    desk.queue.seen(review_id, "ann", DIGEST)
    desk.take(desk.ann, review_id)
    desk.queue.seen(review_id, "ann", DIGEST)
    assert len(looks(desk)) == 2


def test_looking_back_at_a_decided_review_is_recorded_and_changes_nothing_else(desk):
    review = desk.take(desk.ann, desk.enter())
    desk.decide(review, desk.ann)
    before = desk.queue.get(review.review_id).review
    key = desk.keys.pool(desk.pool, "review:", review.review_id.rpartition(".")[2])
    assert desk.client.execute_command("PTTL", key) > 0
    desk.queue.seen(review.review_id, "lee", DIGEST)
    after = desk.queue.get(review.review_id).review
    assert (after.step, after.state, after.answer_id) == (before.step + 1, before.state, before.answer_id)
    assert desk.client.execute_command("PTTL", key) > 0, "it is still forgotten in time"
    assert looks(desk)[-1][0] == "lee"


def test_an_unknown_review_can_not_be_seen(desk):
    with pytest.raises(UnknownReview):
        desk.queue.seen("expenses.00000000-0000-0000-0000-000000000000", "ann", DIGEST)
