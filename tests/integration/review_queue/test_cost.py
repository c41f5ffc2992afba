"""No verb does work that grows with the queue: seen in the commands that the store really ran."""

import re

import pytest

from app.domain.events import OnDeadline
from app.review_queue.cases import CaseFile
from app.review_queue.seen import SeenDecisions
from app.review_queue.store import TOGETHER

from .conftest import routed

UNBOUNDED = {
    b"KEYS",
    b"SCAN",
    b"SMEMBERS",
    b"LRANGE",
    b"HKEYS",
    b"HVALS",
    b"SORT",
    b"ZSCAN",
    b"SUNION",
    b"XRANGE",
}


@pytest.fixture
def commands(desk, client):
    """Runs something; returns how often each command ran meanwhile, as the store counts them."""

    def counts():
        lines = client.execute_command("INFO", "commandstats")
        if isinstance(lines, dict):
            return {name.removeprefix("cmdstat_").upper(): int(stat["calls"]) for name, stat in lines.items()}
        return {n.upper(): int(c) for n, c in re.findall(r"cmdstat_(\w+):calls=(\d+)", lines.decode())}

    def run(action):
        before = counts()
        action()
        after = counts()
        return {
            name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)
        }

    return run


def timed(desk, n):
    """Ten reviews climb the whole ladder within the day, all others much later."""
    begin = desk.clock() + (3_000_000 if n < 10 else 30 * 24 * 3_600_000)
    return {
        "deadline": begin + 400_000,
        "ladder": [begin, begin + 100_000, begin + 200_000, begin + 300_000],
        "on_deadline": OnDeadline.SAFE_DEFAULT,
        "safe_default": "reject",
    }


def a_day(desk):
    """Every verb once or more."""
    q = desk.queue
    first = desk.take(desk.ann)
    q.extend(first.review_id, desk.ann, first.epoch)
    q.release(first.review_id, desk.ann, first.epoch)
    asked = desk.take(desk.ann)
    q.request_info(asked.review_id, desk.ann, asked.epoch, "?")
    q.answer_info(asked.review_id, desk.ann, "!")
    outside = desk.take(desk.ann)
    q.request_info(outside.review_id, desk.ann, outside.epoch, "?")
    q.inform(outside.review_id, "svc", "!", outside.epoch)
    q.end_pauses("expenses")
    handed = desk.take(desk.ann)
    q.delegate(handed.review_id, desk.ann, desk.bob, handed.epoch)
    raised = desk.take(desk.bob, handed.review_id)
    q.escalate(raised.review_id, desk.bob, raised.epoch)
    passed = desk.take(desk.ann)
    q.reassign(passed.review_id, desk.sue, desk.bob)
    q.cancel(passed.review_id, desk.sue)
    q.withdraw([passed.review_id], "svc", "again")
    last = desk.take(desk.sue)
    q.reveal(last.review_id, desk.sue, last.epoch, "approve")
    desk.decide(last, desk.sue)
    desk.take(desk.ann)
    desk.clock.advance(desk.terms.lease + 1)
    q.expire("expenses")
    q.stats()
    desk.clock.advance(3_600_000)
    for _ in range(6):  # eight are left: at risk, raised, offered to backups
        assert len(q.sla("expenses", at_most=4)) == 4
    assert q.claim_next("expenses", desk.kim)
    while q.sla("expenses", at_most=4):
        pass


def test_the_same_commands_run_whether_ten_or_a_thousand_reviews_are_open(make_desk, commands):
    warm, few, many = make_desk(), make_desk(), make_desk()
    for desk, reviews in ((warm, 10), (few, 10), (many, 1_000)):
        desk.queue.enqueue_many([desk.new(f"d{n}", blind=True, **timed(desk, n)) for n in range(reviews)])
    a_day(warm)  # so that the store has every script
    ran = commands(lambda: a_day(few))
    assert commands(lambda: a_day(many)) == ran
    assert not {name.encode() for name in ran} & UNBOUNDED


def test_a_mass_expiry_is_served_a_few_at_a_time(desk, commands):
    desk.queue.enqueue_many([desk.new(f"d{n}") for n in range(300)])
    for _ in range(300):
        desk.take(desk.ann)
    desk.clock.advance(desk.terms.lease + 1)
    ran = commands(lambda: desk.queue.expire(desk.pool, at_most=10))
    assert ran["HGETALL"] == 10
    assert commands(lambda: desk.take(desk.bob))["HGETALL"] == 3


def test_a_batch_is_served_a_little_at_a_time(desk, commands):
    """Whoever waits for a claim waits for a part of it, and not for all of what a worker has to tell."""
    cases = CaseFile(desk.client, desk.keys, memory=10**9, length=20, clock=desk.clock)
    seen = SeenDecisions(desk.client, desk.keys, window=10**9)
    known = [routed(f"d{n}", at=desk.clock(), subject=f"emp-{n}") for n in range(640)]
    cases.remember(known[:1])
    cases.histories(["emp-0"])
    seen.claim(["x"], ["p"])
    assert commands(lambda: cases.remember(known))["EVALSHA"] == 10
    subjects = [f"emp-{n}" for n in range(80)]
    found = []
    assert commands(lambda: found.extend(cases.histories(subjects, 20)))["EVALSHA"] == 10
    assert [one.brief.subject for [one] in found] == subjects
    ids = [f"d{n}" for n in range(500)]
    assert commands(lambda: seen.claim(ids, ids))["EVALSHA"] == 2


def test_what_is_due_is_taken_a_few_at_a_time(desk, commands):
    desk.queue.enqueue_many([desk.new(f"d{n}") for n in range(40)])
    for _ in range(40):
        desk.take(desk.ann)
    desk.clock.advance(desk.terms.lease + 1)
    assert [len(desk.queue.expire(desk.pool)) for _ in range(4)] == [TOGETHER, TOGETHER, 40 - 2 * TOGETHER, 0]


def test_a_batch_goes_to_the_store_a_few_reviews_at_a_time(desk, monkeypatch):
    """The server runs what it has read of one client before it turns to the next: never more than this."""
    together = []

    class Counted:
        def pipeline(self, **options):
            pipe = desk.client.pipeline(**options)
            execute = pipe.execute
            monkeypatch.setattr(
                pipe, "execute", lambda **how: (together.append(len(pipe.command_stack)), execute(**how))[1]
            )
            return pipe

        def execute_command(self, *command):
            return desk.client.execute_command(*command)

    queue = desk.queue_on(Counted())
    new = [desk.new(f"d{n}") for n in range(100)]
    assert [one.arrival for one in queue.enqueue_many(new)] == list(range(1, 101))
    assert max(together) == TOGETHER
    assert all(one.repeated for one in queue.enqueue_many(new))


def test_one_round_trip_for_each_verb(desk, commands):
    desk.queue.enqueue_many([desk.new(f"d{n}") for n in range(50)])
    desk.decide(desk.take(desk.ann), desk.ann)  # so that the store has the scripts
    ran = commands(lambda: desk.queue.enqueue_many([desk.new(f"e{n}") for n in range(50)]))
    assert ran["EVALSHA"] == 50
    review = None

    def claim():
        nonlocal review
        review = desk.take(desk.ann)

    assert commands(claim)["EVALSHA"] == 1
    assert commands(lambda: desk.decide(review, desk.ann))["EVALSHA"] == 1
