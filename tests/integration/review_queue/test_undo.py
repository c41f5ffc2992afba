"""Answers that may be taken back: held, then settled or undone, each exactly once, and never lost."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.domain.answers import Verdict
from app.domain.events import ReviewDecided
from app.domain.review import ReviewState
from app.review_queue import keys as names
from app.review_queue.cases import CaseFile
from app.review_queue.errors import AlreadyDecided, NotAnswered, StaleLease, UndoOver
from app.review_queue.rebuild import fold
from app.review_queue.restore import Restorer
from app.review_queue.store import open_client

from .test_rebuild import Log

WINDOW = 10_000


def answer(desk, review, reviewer, action="approve"):
    """Answer so that it may be taken back."""
    what = Verdict(action=action, reasoning="because", note="a note")
    return desk.queue.decide(
        review.review_id, reviewer, review.epoch, review.digest, what, undo_window=WINDOW
    ).review


def outcomes(log):
    return [event.answer for _, event, _ in log.records if isinstance(event, ReviewDecided)]


def deliver(log):
    while log.relay.run_once():
        pass


@pytest.fixture
def log(desk, codec):
    return Log(desk, codec)


@pytest.fixture
def restorer(desk):
    cases = CaseFile(desk.client, desk.keys, memory=desk.terms.memory, length=10, clock=desk.clock)
    return Restorer(desk.client, desk.keys, cases, terms=desk.terms, clock=desk.clock)


def test_the_outcome_goes_out_when_the_answer_can_not_be_taken_back_any_more(desk, log):
    review = answer(desk, desk.take(desk.ann, log.request("d1")), desk.ann)
    deliver(log)
    assert desk.queue.get(review.review_id).answer.note == "a note"
    assert desk.queue.stats()[0].held == 1
    assert (outcomes(log), desk.queue.settle("expenses")) == ([], [])
    desk.clock.advance(WINDOW - 1)
    assert desk.queue.settle("expenses") == []
    desk.clock.advance(1)
    assert desk.queue.settle("expenses") == [review.review_id]
    assert desk.queue.settle("expenses") == []
    assert desk.queue.stats()[0].held == 0
    deliver(log)
    (told,) = outcomes(log)
    assert (told.reviewer, told.action, told.claimed_at) == ("ann", "approve", review.claimed_at)
    assert told.decided_at == review.decided_at == desk.clock() - WINDOW


def test_an_answer_that_was_taken_back_never_goes_out(desk, log):
    first = answer(desk, desk.take(desk.ann, log.request("d1")), desk.ann)
    undone = desk.queue.undo(first.review_id, desk.ann, first.epoch)
    assert (undone.answer.action, undone.answer.reasoning) == ("approve", "because")
    assert desk.queue.get(first.review_id).taken_back == undone.answer
    assert desk.queue.get(first.review_id).answer is None
    second = answer(desk, undone.review, desk.ann, "reject")
    desk.clock.advance(WINDOW)
    assert desk.queue.settle("expenses") == [first.review_id]
    deliver(log)
    assert [(told.action, told.lease_epoch) for told in outcomes(log)] == [("reject", second.epoch)]
    assert desk.queue.get(first.review_id).taken_back is None


def test_others_can_neither_undo_nor_have_it_meanwhile(desk, log):
    review = answer(desk, desk.take(desk.ann, log.request("d1")), desk.ann)
    with pytest.raises(AlreadyDecided):
        desk.queue.undo(review.review_id, desk.bob, review.epoch)
    with pytest.raises(AlreadyDecided):
        desk.take(desk.bob, review.review_id)
    back = desk.queue.undo(review.review_id, desk.ann, review.epoch).review
    with pytest.raises(NotAnswered):
        desk.queue.undo(review.review_id, desk.ann, review.epoch)
    answer(desk, back, desk.ann)
    with pytest.raises(StaleLease):  # an older page must not take back the newer answer
        desk.queue.undo(review.review_id, desk.ann, review.epoch)
    desk.clock.advance(WINDOW)
    with pytest.raises(UndoOver):  # also before anything has settled it
        desk.queue.undo(review.review_id, desk.ann, back.epoch)
    assert desk.queue.settle("expenses") == [review.review_id]


def test_at_the_same_moment_either_undo_or_settle_wins(desk, log):
    """Two clocks that differ, two connections, at once: whoever comes first, the other finds nothing."""
    fast = desk.queue_on(open_client(desk.url), clock=lambda: desk.clock() + WINDOW)

    def settle(_):
        return bool(fast.settle("expenses"))

    def undo(review):
        try:
            return bool(desk.queue.undo(review.review_id, desk.ann, review.epoch))
        except UndoOver:
            return False

    with ThreadPoolExecutor(2) as pool:
        for number in range(60):
            review = answer(desk, desk.take(desk.ann, log.request(f"d{number}")), desk.ann)
            order = (settle, undo) if number % 2 else (undo, settle)
            assert sorted(pool.map(lambda one, review=review: one(review), order)) == [False, True]
    deliver(log)
    decided = desk.queue.list("expenses", ReviewState.DECIDED, limit=100)
    assert sorted(told.review_id for told in outcomes(log)) == sorted(r.review_id for r in decided)


def test_any_number_of_clocks_settle_each_answer_once(desk, log):
    for number in range(40):
        answer(desk, desk.take(desk.ann, log.request(f"d{number}")), desk.ann)
    desk.clock.advance(WINDOW)

    def clock(queue):
        return [review for _ in range(20) for review in queue.settle("expenses", at_most=3)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(clock, [desk.queue_on(open_client(desk.url)) for _ in range(4)]))
    settled = [review for part in found for review in part]
    assert len(settled) == len(set(settled)) == 40
    deliver(log)
    assert sorted(told.review_id for told in outcomes(log)) == sorted(settled)


def test_the_clock_of_the_sla_is_silent_while_an_answer_is_held(desk, log):
    review_id = log.request("d1", deadline=desk.clock() + 5_000, ladder=[desk.clock() + 1_000, 0, 0, 0])
    review = answer(desk, desk.take(desk.ann, review_id), desk.ann)
    desk.clock.advance(6_000)
    assert desk.queue.sla("expenses") == []
    assert desk.queue.stats()[0].overdue == 0
    back = desk.queue.undo(review_id, desk.ann, review.epoch).review
    assert [event for _, event in desk.queue.sla("expenses")] == ["sla_at_risk"]
    assert [event for _, event in desk.queue.sla("expenses")] == ["sla_missed"]
    assert back.lease_until == desk.clock() + desk.terms.lease


def test_a_withdrawal_ends_the_time_in_which_it_may_be_taken_back(desk, log):
    review = answer(desk, desk.take(desk.ann, log.request("d1")), desk.ann)
    assert desk.queue.withdraw([review.review_id], "svc", "sold") == [False]
    with pytest.raises(UndoOver):
        desk.queue.undo(review.review_id, desk.ann, review.epoch)
    deliver(log)
    assert [told.action for told in outcomes(log)] == ["approve"]


def test_a_held_answer_does_not_disappear_by_itself(desk, log):
    review = answer(desk, desk.take(desk.ann, log.request("d1")), desk.ann)
    name = review.review_id.rpartition(".")[2]
    kept = [
        desk.keys.pool("expenses", kind, item)
        for kind, item in (
            (names.REVIEW, name),
            (names.REQUEST, name),
            (names.ANSWER, name),
            (names.PEOPLE, "d1"),
        )
    ]
    assert [desk.client.execute_command("PTTL", key) for key in kept] == [-1] * 4
    desk.clock.advance(WINDOW)
    desk.queue.settle("expenses")
    assert all(desk.client.execute_command("PTTL", key) > 0 for key in kept)


@pytest.mark.parametrize("due", [False, True])
def test_an_emptied_store_holds_the_answer_again_or_settles_it(desk, log, restorer, due):
    review = answer(desk, desk.take(desk.ann, log.request("d1")), desk.ann)
    deliver(log)
    desk.client.execute_command("DEL", *desk.client.execute_command("KEYS", f"{desk.prefix}*"))
    image = fold(log.records, desk.terms)
    assert image.unclear == []
    restorer.apply(image)
    assert list(restorer.verify(image, ["expenses"])) == []
    if due:
        desk.clock.advance(WINDOW)
        assert desk.queue.settle("expenses") == [review.review_id]
        deliver(log)
        assert [told.note for told in outcomes(log)] == ["a note"]
    else:
        assert desk.queue.undo(review.review_id, desk.ann, review.epoch).answer.note == "a note"
