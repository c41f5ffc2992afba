"""An empty store becomes the same store, from the log alone."""

import random

import msgspec
import pytest

from app.domain.answers import Verdict
from app.domain.events import DecisionWithdrawn, OnDeadline, ReviewKind, ReviewRequested
from app.domain.review import ReviewState
from app.review_queue.cases import CaseFile
from app.review_queue.errors import AlreadyDecided
from app.review_queue.outbox import OutboxRelay
from app.review_queue.rebuild import fold
from app.review_queue.restore import Restorer, StoreNotEmptyError
from app.review_queue.seen import SeenDecisions
from app.stream.records import Incoming

from .conftest import routed
from .test_cases import resolution

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
READERS = {b"hash": "HGETALL", b"string": "GET", b"set": "SMEMBERS"}


def contents(desk, *without):
    """Everything under the desk's prefix, typed; TTLs to the hour."""
    found = {}
    for key in desk.client.execute_command("KEYS", f"{desk.prefix}*"):
        kind = desk.client.execute_command("TYPE", key)
        kind = kind if isinstance(kind, bytes) else kind.encode()
        if kind == b"stream" or any(part in key for part in without):
            continue
        value = (
            desk.client.execute_command("ZRANGE", key, 0, -1, "WITHSCORES")
            if kind == b"zset"
            else desk.client.execute_command(READERS[kind], key)
        )
        ttl = desk.client.execute_command("PTTL", key)
        found[key] = (value, ttl if ttl < 0 else round(ttl / 3_600_000))
    return found


class Log:
    """What Kafka would hold, from what the queue and the agents publish."""

    def __init__(self, desk, codec):
        self.desk, self.codec, self.records = desk, codec, []
        self.relay = OutboxRelay(
            desk.client, desk.keys, ["expenses", "claims"], codec, self.published, name="r", clock=desk.clock
        )

    def published(self, records):
        for record in records:
            self.write(record.topic, record.value, record.headers)

    def write(self, topic, value, headers=()):
        offset = len(self.records)
        read = Incoming(topic, offset % 4, offset, b"k", value, list(headers), self.desk.clock())
        self.records.append((topic, self.codec.decode(value), read))

    def request(self, decision, **changes):
        new = self.desk.real(self.codec, decision, **changes)
        if len(self.records) % 2:  # some come with a caller's trace
            new = msgspec.structs.replace(new, trace=TRACE)
        done = self.desk.queue.enqueue(new)
        self.write("reviews.requested.expenses", done.record, done.headers)
        return done.review_id


@pytest.fixture
def log(desk, codec):
    return Log(desk, codec)


@pytest.fixture
def cases(desk):
    return CaseFile(desk.client, desk.keys, memory=desk.terms.memory, length=10, clock=desk.clock)


@pytest.fixture
def restorer(desk, cases):
    return Restorer(desk.client, desk.keys, cases, terms=desk.terms, clock=desk.clock)


def busy_day(desk, log):
    """Reviews in every state there is."""
    q = desk.queue
    for n in range(16):
        log.request(
            f"d{n}",
            blind=n % 5 == 0,
            approvals=2 if n % 4 == 1 else 1,
            deadline=None if n == 15 else desk.clock() + 3_600_000,
            on_deadline=OnDeadline.SAFE_DEFAULT if n == 14 else OnDeadline.ESCALATE,
            safe_default="reject" if n == 14 else None,
            ladder=[] if n == 15 else [desk.clock() + step for step in (50_000, 60_000, 60_000, 3_000_000)],
        )
    log.request("d1", kind=ReviewKind.SECOND_LOOK)
    held = [desk.take(desk.ann) for _ in range(6)]
    q.reveal(held[0].review_id, desk.ann, 1, "reject")
    desk.decide(held[0], desk.ann)
    desk.decide(held[1], desk.ann)
    desk.decide(desk.take(desk.bob, held[1].review_id), desk.bob, "reject")
    q.release(held[2].review_id, desk.ann, 1)
    q.request_info(held[3].review_id, desk.ann, 1, "Which project?")
    q.escalate(held[4].review_id, desk.ann, 1)
    q.extend(held[5].review_id, desk.ann, 1)
    waiting = desk.take(desk.cat)
    q.request_info(waiting.review_id, desk.cat, waiting.epoch, "?")
    desk.clock.advance(30_000)
    q.answer_info(waiting.review_id, desk.cat, "!")
    q.delegate(desk.enter_known(log), desk.sue, desk.bob)
    for decision in ("defaulted", "withdrawn", "withdrawn in hand", "reassigned", "kept from its default"):
        log.request(
            decision, deadline=desk.clock() + 1, on_deadline=OnDeadline.SAFE_DEFAULT, safe_default="reject"
        )
    q.cancel(desk.new("withdrawn").request.review_id, desk.ann)
    taken = desk.take(desk.cat, desk.new("withdrawn in hand").request.review_id)
    q.cancel(taken.review_id, desk.ann)
    desk.take(desk.cat, desk.new("reassigned").request.review_id)
    q.reassign(desk.new("reassigned").request.review_id, desk.sue, desk.bob)
    desk.clock.advance(40_000)
    q.expire("expenses")
    desk.take(desk.cat, desk.new("kept from its default").request.review_id)
    while q.sla("expenses"):
        pass
    desk.take(desk.kim)
    desk.take(desk.sue)
    answers_for_a_moment(desk, log)
    with pytest.raises(Exception, match="no longer yours"):
        desk.decide(held[2], desk.ann)


def answers_for_a_moment(desk, log):
    """One that may be taken back, one that was, one that was twice, and one that is final."""

    def answer(review):
        what = Verdict(action="approve", reasoning="r")
        arguments = (review.review_id, desk.bob, review.epoch, review.digest, what)
        return desk.queue.decide(*arguments, undo_window=50_000).review

    def undo(review):
        return desk.queue.undo(review.review_id, desk.bob, review.epoch).review

    held, undone, again = (
        answer(desk.take(desk.bob, log.request(name))) for name in ("held", "undone", "undone twice")
    )
    undo(undone)
    answer(undo(answer(undo(again))))
    with pytest.raises(AlreadyDecided):
        desk.queue.undo(held.review_id, desk.cat, held.epoch)
    final = answer(desk.take(desk.bob, log.request("final")))
    desk.queue.withdraw([final.review_id], "svc", "answered, and settled by this")


@pytest.fixture(autouse=True)
def _delegatable(desk):
    desk.enter_known = lambda log: log.request("for bob")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_same_state_comes_back_in_whatever_order_the_log_is_read(desk, log, cases, restorer, codec, seed):
    seen = SeenDecisions(desk.client, desk.keys, window=desk.terms.duplicate_window)
    events = [routed(f"d{n}", at=desk.clock() + n) for n in range(16)]
    for n, event in enumerate(events):
        log.write(
            "decisions.routed", codec.encode(event), [("hitl_position", b"decisions.submitted[0]@%d" % n)]
        )
    cases.remember(events)
    seen.claim([f"d{n}" for n in range(16)], [f"decisions.submitted[0]@{n}" for n in range(16)])
    busy_day(desk, log)
    gone = DecisionWithdrawn(decision_id="later", reason="r", withdrawn_by="svc", at=desk.clock())
    cases.withdrawn([gone])
    log.write("decisions.withdrawn", codec.encode(gone))
    outcome = resolution(events[0])
    cases.resolved([outcome])
    log.write("decisions.resolved", codec.encode(outcome))
    while log.relay.run_once():
        pass
    before = contents(desk)
    assert list(restorer.verify(fold(log.records, desk.terms), ["expenses", "claims"])) == []

    desk.client.execute_command("DEL", *desk.client.execute_command("KEYS", f"{desk.prefix}*"))
    records = log.records + log.records[:10]  # at least once
    random.Random(seed).shuffle(records)
    image = fold(records, desk.terms)
    restored = restorer.apply(image)
    assert (restored.reviews, restored.briefs, restored.seen, restored.unclear) == (27, 16, 16, [])
    assert contents(desk) == before
    assert list(restorer.verify(image, ["expenses", "claims"])) == []


def test_work_goes_on_after_a_rebuild(desk, log, restorer):
    busy_day(desk, log)
    while log.relay.run_once():
        pass
    held = next(r for r in desk.queue.list("expenses", ReviewState.CLAIMED) if r.holder == "sue")
    desk.client.execute_command("DEL", *desk.client.execute_command("KEYS", f"{desk.prefix}*"))
    restorer.apply(fold(log.records, desk.terms))
    assert desk.decide(held, desk.sue).answer.reviewer == "sue"
    assert desk.queue.enqueue(desk.new("d0")).repeated
    fresh = desk.queue.enqueue(desk.new("fresh"))
    assert fresh.arrival == 28


def test_the_same_answer_again_is_the_same_result_after_a_rebuild(desk, log, restorer):
    """A client that never heard whether its answer arrived repeats it, whatever happened to the store."""
    log.request("d1")
    held = desk.take(desk.ann)
    first = desk.decide(held, desk.ann)
    while log.relay.run_once():
        pass
    desk.client.execute_command("DEL", *desk.client.execute_command("KEYS", f"{desk.prefix}*"))
    restorer.apply(fold(log.records, desk.terms))
    assert desk.decide(held, desk.ann) == first
    with pytest.raises(AlreadyDecided):
        desk.decide(held, desk.ann, "reject")


def test_a_filled_store_is_not_rebuilt(desk, log, restorer):
    log.request("d1")
    with pytest.raises(StoreNotEmptyError, match="not empty"):
        restorer.apply(fold(log.records, desk.terms))


def test_verify_names_every_difference(desk, log, restorer):
    ids = [log.request(f"d{n}") for n in range(5)]
    image = fold(log.records, desk.terms)
    names = [identifier.rpartition(".")[2] for identifier in ids]
    key = desk.keys.pool
    desk.client.execute_command("HSET", key("expenses", "review:", names[0]), "tier", 3)
    desk.client.execute_command("DEL", key("expenses", "review:", names[1]))
    desk.client.execute_command("ZREMRANGEBYRANK", key("expenses", "ready"), 2, 2)
    desk.client.execute_command("SET", key("expenses", "request:", names[3]), "other")
    extra = desk.enter("not in the log")
    found = {
        (difference.review_id, difference.what.rpartition(":")[2])
        for difference in restorer.verify(image, ["expenses"])
    }
    assert found == {
        (ids[0], "tier"),
        (ids[1], "review"),
        (ids[2], "ready"),
        (ids[3], "request"),
        (extra, "review"),
    }


def test_a_log_that_lost_its_beginning_says_so(desk, log, codec, restorer):
    log.request("d1")
    desk.take(desk.ann)
    log.relay.run_once()
    image = fold([record for record in log.records if not isinstance(record[1], ReviewRequested)], desk.terms)
    assert len(image.unclear) == 1
    assert "request is not in the log" in image.unclear[0]


def test_an_answer_without_its_step_is_an_answer(desk, log, restorer):
    log.request("d1")
    desk.decide(desk.take(desk.ann), desk.ann)
    log.relay.run_once()
    decided = [record for record in log.records if record[0] != "reviews.lifecycle"]
    (kept,) = fold(decided, desk.terms).reviews.values()
    assert (kept.review.state, kept.review.holder, kept.answer.action) == ("decided", "ann", "approve")


def test_long_decided_reviews_stay_forgotten(desk, log, restorer):
    log.request("d1")
    desk.decide(desk.take(desk.ann), desk.ann)
    while log.relay.run_once():
        pass
    desk.client.execute_command("DEL", *desk.client.execute_command("KEYS", f"{desk.prefix}*"))
    desk.clock.advance(desk.terms.memory)
    assert restorer.apply(fold(log.records, desk.terms)).reviews == 0
