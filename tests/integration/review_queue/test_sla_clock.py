"""The SLA clock on a real store: simulated weeks with calendars and changed clocks, several clocks racing."""

import itertools
import json
import random
import threading
from collections import Counter, defaultdict
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from app.domain.events import ConsequenceClass, OnDeadline, ReviewDefaulted
from app.domain.review import ReviewState
from app.domain.sla import EVENTS, Ladder, climb, next_step
from app.domain.working_time import due, worked
from app.review_queue.errors import AlreadyClaimed, Defaulted, NotOffered, StaleLease, Withdrawn
from app.review_queue.outbox import OutboxRelay
from app.review_queue.store import open_client

from .conftest import OFFICE

HOUR = 3_600_000
LADDER = Ladder(0.75, 0.8125, 0.875, 0.9375)


def at(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp() * 1000)


def enter(desk, name="d1", *, working=8 * HOUR, sla_class="office", **changes):
    calendar = desk.terms.calendars.get(sla_class)
    deadline = due(calendar, desk.clock(), working)
    ladder = list(climb(desk.clock(), deadline, LADDER, calendar, backups=True))
    return desk.enter(name, deadline=deadline, ladder=ladder, sla_class=sla_class, **changes)


def run_clock(queue):
    """Every step that is due, in the order in which it was taken."""
    return list(itertools.chain.from_iterable(iter(lambda: queue.sla("expenses", at_most=3), [])))


def told(desk):
    """The steps of the ladder in the outbox: (review, event, due, taken at)."""
    entries = desk.client.execute_command("XRANGE", desk.keys.pool("expenses", "outbox"), "-", "+")
    return [
        (
            f"expenses.{entry[b'@id'].decode()}",
            entry[b"@event"].decode(),
            json.loads(entry[b"@detail"])["due"],
            int(entry[b"@at"]),
        )
        for _, entry in entries
        if entry[b"@event"].decode() in EVENTS.values()
    ]


# --- one review ----------------------------------------------------------------------------------


def test_the_ladder_goes_over_a_weekend_in_which_clocks_are_put_forward(desk):
    desk.clock.now = at("2026-03-27T13:00")
    review = enter(desk)
    found = {}
    while desk.clock() <= at("2026-03-30T14:00"):
        for _, event in run_clock(desk.queue):
            found[event] = desk.clock()
        desk.clock.advance(60_000)
    assert found == {
        "sla_at_risk": at("2026-03-30T11:00"),  # six hours of work: four on Friday, two on Monday
        "sla_raised": at("2026-03-30T11:30"),
        "offered_to_backups": at("2026-03-30T12:00"),
        "sla_escalated": at("2026-03-30T12:30"),
        "sla_missed": at("2026-03-30T13:00"),
        "deadline_rule": at("2026-03-30T13:00"),
    }
    assert desk.queue.get(review).review.state is ReviewState.OPEN


def test_a_pause_costs_its_working_time(desk):
    desk.clock.now = at("2026-10-23T10:00")
    enter(desk)
    held = desk.take(desk.ann)
    desk.clock.now = at("2026-10-23T16:00")
    desk.queue.request_info(held.review_id, desk.ann, held.epoch, "?")
    desk.clock.now = at("2026-10-26T09:30")
    assert run_clock(desk.queue) == []  # it stands still
    desk.clock.now = at("2026-10-26T10:00")  # an hour on Friday, an hour on Monday
    back = desk.queue.answer_info(held.review_id, desk.bob, "!")
    assert back.deadline == at("2026-10-26T12:00")
    assert back.paused == at("2026-10-26T10:00") - at("2026-10-23T16:00")


def test_a_deadline_that_passes_before_the_clock_comes_is_counted_by_whoever_comes(desk):
    asked, answered, gone = (enter(desk, f"d{n}", working=60_001, sla_class="standard") for n in range(3))
    held = {review: desk.take(desk.ann, review) for review in (asked, answered, gone)}
    desk.clock.advance(60_001)
    desk.queue.request_info(asked, desk.ann, held[asked].epoch, "?")
    desk.decide(held[answered], desk.ann)
    desk.queue.cancel(gone, desk.sue)
    assert [(review, event) for review, event, _, _ in told(desk)] == [
        (asked, "sla_missed"),
        (answered, "sla_missed"),
        (gone, "sla_missed"),
    ]
    assert run_clock(desk.queue) == []
    desk.queue.answer_info(asked, desk.ann, "!")
    assert run_clock(desk.queue) == [(asked, "deadline_rule")]


def test_nobody_answers_and_the_clock_goes_on(desk):
    review = enter(desk, sla_class="standard", working=8 * HOUR)
    other = enter(desk, "d2", sla_class="standard")
    for name in (review, other):
        held = desk.take(desk.ann, name)
        desk.queue.request_info(name, desk.ann, held.epoch, "?")
        desk.clock.advance(1)
    desk.clock.advance(desk.terms.max_pause - 3)
    assert desk.queue.end_pauses("expenses") == []
    desk.clock.advance(1)
    assert desk.queue.end_pauses("expenses") == [review]  # to the millisecond, and only what is due
    back = desk.queue.get(review).review
    assert (back.state, back.paused, back.question, back.information) == (
        ReviewState.OPEN,
        desk.terms.max_pause,
        "?",
        "",
    )
    assert back.deadline == held.requested_at + 8 * HOUR + desk.terms.max_pause
    assert desk.outbox()[-1][:2] == ("resumed", "sla")
    assert desk.queue.end_pauses("expenses") == []


def test_two_clocks_end_a_pause_once(desk, monkeypatch):
    review = enter(desk, sla_class="standard")
    held = desk.take(desk.ann)
    desk.queue.request_info(review, desk.ann, held.epoch, "?")
    desk.clock.advance(desk.terms.max_pause)
    first, second = desk.queue_on(desk.client), desk.queue_on(desk.client)
    really = second._resume
    monkeypatch.setattr(second, "_resume", lambda *call: (first.end_pauses("expenses"), really(*call))[1])
    assert second.end_pauses("expenses") == []
    assert desk.events().count("resumed") == 1


def test_information_for_another_pause_is_worked_out_again(desk, monkeypatch):
    review = enter(desk, sla_class="standard")
    held = desk.take(desk.ann)
    desk.queue.request_info(review, desk.ann, held.epoch, "?")
    stale = desk.queue.get(review).review
    desk.clock.advance(HOUR)
    desk.queue.answer_info(review, desk.ann, "!")
    desk.clock.advance(10_000)  # these count: nobody waited
    again = desk.take(desk.ann)
    desk.queue.request_info(review, desk.ann, again.epoch, "And?")
    desk.clock.advance(1_000)
    really, looks = desk.queue._look, iter([stale])
    monkeypatch.setattr(desk.queue, "_look", lambda *place: next(looks, None) or really(*place))
    back = desk.queue.answer_info(review, desk.ann, "That.")
    assert back.deadline == held.deadline + HOUR + 1_000
    assert back.paused == HOUR + 1_000


def test_backups_take_what_was_offered_and_the_first_claim_wins(desk):
    one, two = enter(desk, "d1"), enter(desk, "d2")
    with pytest.raises(NotOffered):
        desk.queue.claim(one, desk.kim)
    assert desk.queue.claim_next("expenses", desk.kim) is None
    assert desk.queue.helps_out(desk.kim) == ["expenses"]
    desk.clock.now = desk.queue.get(one).review.ladder[2]
    run_clock(desk.queue)
    assert desk.take(desk.kim).review_id == one
    with pytest.raises(AlreadyClaimed):
        desk.queue.claim(one, desk.ann)
    mine = desk.take(desk.ann)
    assert mine.review_id == two
    assert desk.take(desk.kim) is None
    kept = desk.queue.get(one).review
    assert desk.decide(kept, desk.kim).answer.reviewer == "kim"


def test_a_delegated_review_is_offered_to_backups_as_well(desk):
    review = enter(desk)
    desk.queue.delegate(review, desk.sue, desk.bob)
    desk.clock.now = desk.queue.get(review).review.ladder[2]
    run_clock(desk.queue)
    assert desk.take(desk.kim).review_id == review
    assert desk.queue.list("expenses", offered_to="bob") == []


def test_a_safe_default_goes_through_the_outbox_as_no_answer(desk, codec):
    new = desk.real(
        codec, "d1", on_deadline=OnDeadline.SAFE_DEFAULT, safe_default="reject", deadline=desk.clock() + HOUR
    )
    review = desk.queue.enqueue(new).review_id
    published = []
    relay = OutboxRelay(
        desk.client, desk.keys, ["expenses"], codec, published.extend, name="r", clock=desk.clock
    )
    held = desk.take(desk.ann)
    desk.clock.advance(HOUR)
    assert run_clock(desk.queue) == [(review, "sla_missed")]  # ann has it in hand
    desk.queue.release(review, desk.ann, held.epoch)
    assert run_clock(desk.queue) == [(review, "deadline_rule")]
    assert relay.run_once()
    (outcome,) = [codec.decode(r.value) for r in published if r.topic == "reviews.outcomes"]
    assert isinstance(outcome, ReviewDefaulted)
    assert (outcome.default.action, outcome.default.taken_at) == ("reject", desk.clock())
    assert outcome.requested == codec.decode(new.record)
    with pytest.raises(Defaulted):
        desk.queue.claim(review, desk.ann)
    assert desk.queue.get(review).answer is None


def test_a_lease_that_is_over_does_not_keep_the_rule_waiting(desk):
    review = enter(
        desk,
        working=60_001,
        sla_class="standard",
        on_deadline=OnDeadline.SAFE_DEFAULT,
        safe_default="reject",
    )
    desk.take(desk.ann)
    desk.clock.advance(desk.terms.lease + 1)
    run_clock(desk.queue)
    assert desk.queue.get(review).review.state is ReviewState.CLAIMED
    desk.queue.expire("expenses")
    run_clock(desk.queue)
    assert desk.queue.get(review).review.state is ReviewState.DEFAULTED


def test_a_claim_between_the_missed_deadline_and_its_rule_stops_the_rule(desk):
    review = enter(desk, on_deadline=OnDeadline.SAFE_DEFAULT, safe_default="reject")
    desk.clock.now = desk.queue.get(review).review.deadline
    while desk.queue.get(review).review.rung < 5:
        assert desk.queue.sla("expenses", at_most=1)
    held = desk.take(desk.sue)
    clock = desk.keys.pool("expenses", "clock")
    assert desk.client.execute_command("ZCARD", clock) == 0
    assert run_clock(desk.queue) == []
    assert desk.decide(held, desk.sue).answer.reviewer == "sue"


def test_high_consequence_is_never_decided_by_silence(desk):
    review = enter(
        desk,
        consequence_class=ConsequenceClass.HIGH,
        on_deadline=OnDeadline.SAFE_DEFAULT,
        safe_default="reject",
    )
    desk.clock.advance(100 * 24 * HOUR)
    assert [event for _, event in run_clock(desk.queue)][-1] == "deadline_rule"
    assert (desk.queue.get(review).review.state, desk.queue.get(review).review.tier) == ("open", 2)


def test_a_lead_takes_a_case_out_of_somebodys_hands(desk):
    review = desk.enter()
    held = desk.take(desk.ann)
    desk.queue.reassign(review, desk.sue, desk.bob, reason="ann is ill")
    with pytest.raises(StaleLease):
        desk.decide(held, desk.ann)
    assert desk.take(desk.cat) is None
    taken = desk.take(desk.bob)
    assert (taken.review_id, taken.epoch) == (review, held.epoch + 1)
    assert desk.decide(taken, desk.bob).answer.reviewer == "bob"


def test_a_withdrawn_case_ends_in_whatever_hands_it_is(desk):
    review = desk.enter()
    held = desk.take(desk.ann)
    assert desk.queue.withdraw([review, desk.new("unknown").request.review_id], "svc", "cancelled") == [
        True,
        False,
    ]
    with pytest.raises(Withdrawn):
        desk.decide(held, desk.ann)
    assert desk.queue.withdraw([review], "svc", "again") == [True]
    assert desk.events() == ["claimed", "withdrawn", "refused"]
    assert desk.queue.stats()[0].claimed == 0
    other = desk.enter("d2")
    desk.decide(desk.take(desk.ann, other), desk.ann)
    assert desk.queue.withdraw([other], "svc", "too late") == [False]


# --- weeks, and several clocks ------------------------------------------------------------------


class Weeks:
    """People at work for some weeks, and what the ladder must have done by then."""

    def __init__(self, desk, seed):
        self.desk, self.draw = desk, random.Random(seed)
        self.names = itertools.count()
        self.reviews = set()

    def something(self):
        """One of the things that people do."""
        desk, draw = self.desk, self.draw
        kind = draw.random()
        if kind < 0.35 or not self.reviews:
            self.reviews.add(
                enter(
                    desk,
                    f"d{next(self.names)}",
                    working=draw.choice([HOUR, 4 * HOUR, 24 * HOUR, 40 * HOUR]),
                    sla_class=draw.choice(["standard", "office"]),
                    on_deadline=draw.choice(list(OnDeadline)),
                    safe_default="reject",
                    consequence_class=draw.choice([ConsequenceClass.LOW, ConsequenceClass.HIGH]),
                )
            )
            return
        waiting = desk.queue.list("expenses", ReviewState.WAITING)
        if kind < 0.5 and waiting:
            desk.queue.answer_info(draw.choice(waiting).review_id, desk.sue, "!")
            return
        who = draw.choice([desk.ann, desk.bob, desk.sue, desk.kim])
        held = desk.take(who)
        if held is None:
            return
        if kind < 0.7:
            desk.decide(held, who)
        elif kind < 0.8:
            desk.queue.request_info(held.review_id, who, held.epoch, "?")
        elif kind < 0.9:
            desk.queue.release(held.review_id, who, held.epoch)


@pytest.mark.parametrize("begin", ["2026-03-20T08:00", "2026-10-16T08:00"])
def test_weeks_with_two_clocks_each_step_once_never_early_never_lost(desk, store_url, begin):
    desk.clock.now = start = at(begin)
    clients = [open_client(store_url) for _ in range(2)]
    queues = [desk.queue_on(client) for client in clients]
    weeks = Weeks(desk, seed=begin)
    errors = []
    since = defaultdict(lambda: start)

    def race(queue, gate):
        try:
            gate.wait()
            run_clock(queue)
        except Exception as error:  # a thread's error is the test's
            errors.append(error)

    while desk.clock() < start + 16 * 24 * HOUR:
        for _ in range(weeks.draw.randrange(4)):
            weeks.something()
        before = desk.clock()
        desk.clock.advance(weeks.draw.randrange(1, 3 * HOUR))
        desk.queue.expire("expenses")
        gate = threading.Barrier(2)
        threads = [threading.Thread(target=race, args=(queue, gate)) for queue in queues]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for review_id in weeks.reviews:  # nothing that was due is left
            step = next_step(desk.queue.get(review_id).review)
            assert step is None or step[1] > desk.clock()
        since[desk.clock()] = before
    assert not errors
    for client in clients:
        client.close()

    steps = told(desk)
    assert max(Counter((review, event) for review, event, _, _ in steps).values()) == 1
    for _, event, planned, taken in steps:
        assert planned <= taken
        if event not in (
            "deadline_rule",
            "sla_missed",
        ):  # those also wait for holders, or count beside a verb
            assert planned > since[taken], "a step that was due earlier was late"
    assert {event for _, event, _, _ in steps} == set(EVENTS.values())
    for review_id in weeks.reviews:
        review = desk.queue.get(review_id).review
        if review.deadline is not None and review.state in (ReviewState.OPEN, ReviewState.CLAIMED):
            assert (review.deadline <= desk.clock()) == (review.rung >= 5)
        if review.state is ReviewState.DEFAULTED:
            assert review.consequence_class is ConsequenceClass.LOW
        if review.sla_class == "office" and not review.paused and review.deadline is not None:
            assert worked(OFFICE, review.requested_at, review.deadline) in (
                HOUR,
                4 * HOUR,
                24 * HOUR,
                40 * HOUR,
            )


def test_a_clock_that_was_away_catches_up_a_few_steps_at_a_time(desk):
    for n in range(20):
        enter(desk, f"d{n}")
    desk.clock.advance(30 * 24 * HOUR)
    calls = 0
    while found := desk.queue.sla("expenses", at_most=7):
        assert len(found) <= 7
        calls += 1
    assert len(told(desk)) == 20 * len(EVENTS)
    assert calls <= 20 * len(EVENTS)
    order = list(EVENTS.values())
    by_review = defaultdict(list)
    for review, event, _, _ in told(desk):
        by_review[review].append(order.index(event))
    assert all(steps == list(range(6)) for steps in by_review.values())
