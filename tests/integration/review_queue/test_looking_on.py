"""A claim looks on, a few reviews at a call, until one fits: whoever stands in front holds nobody up."""

import msgspec
import pytest

from app.domain.events import ConsequenceClass
from app.review_queue.errors import NotYourPool

HOUR = 3_600_000


@pytest.fixture
def narrow(desk):
    """Looks at three reviews at a call."""
    desk.terms = msgspec.structs.replace(desk.terms, candidates=3)
    desk.queue.follow(desk.terms, ["expenses", "claims"])
    return desk


@pytest.fixture
def calls(desk, monkeypatch):
    """The scripts that were run, by name."""
    ran = []
    for name, script in desk.queue._scripts.items():
        run = script.run
        monkeypatch.setattr(script, "run", lambda *a, name=name, run=run: (ran.append(name), run(*a))[1])
    return ran


def voted(desk, decisions, **changes):
    """Reviews that need two answers and have one, by ann."""
    ids = [desk.enter(f"d{n}", approvals=2, **changes) for n in range(decisions)]
    for identifier in ids:
        desk.decide(desk.take(desk.ann, identifier), desk.ann)
    return ids


def every(desk, person):
    found = []
    while review := desk.take(person):
        found.append(review.review_id)
    return found


def test_who_has_voted_on_all_that_ranks_first_is_given_what_ranks_after_it(desk):
    for n in range(40):
        desk.enter(f"four-eyes-{n}", approvals=2)
    plain = [desk.enter(f"plain-{n}", deadline=desk.clock() + 2 * HOUR) for n in range(10)]
    given = []
    while review := desk.take(desk.ann):
        desk.decide(review, desk.ann)
        given.append(review.review_id)
    assert len(given) == 50
    assert given[40:] == plain


@pytest.mark.parametrize("before", range(8))
def test_looking_on_keeps_the_order_wherever_a_call_ends(narrow, before):
    voted(narrow, before)
    ids = [
        narrow.enter("equal-low"),
        narrow.enter(
            "equal-high", consequence_class=ConsequenceClass.HIGH, deadline=narrow.clock() + 5 * HOUR
        ),
        narrow.enter("later", deadline=narrow.clock() + 2 * HOUR),
        narrow.enter("latest", deadline=None),
    ]  # the first two rank alike but for their class
    assert [r.review_id for r in narrow.queue.candidates("expenses", narrow.ann)] == [
        ids[1],
        ids[0],
        *ids[2:],
    ]
    assert every(narrow, narrow.ann) == [ids[1], ids[0], *ids[2:]]


def test_all_queues_of_a_person_are_looked_through_in_one_order(narrow):
    for identifier in voted(narrow, 7):
        narrow.queue.escalate(identifier, narrow.bob)
    sue = narrow.sue
    offered = narrow.enter("offered", deadline=narrow.clock() + 3 * HOUR)
    narrow.queue.delegate(offered, narrow.ann, sue)
    ready = [narrow.enter(f"ready-{n}", deadline=narrow.clock() + (2 + 2 * n) * HOUR) for n in range(2)]
    raised = [r.review_id for r in narrow.queue.list("expenses", escalated=True)]
    assert len(raised) == 7
    assert every(narrow, narrow.ann) == ready
    for identifier in ready:
        narrow.queue.release(identifier, narrow.ann, narrow.queue.get(identifier).review.epoch)
    assert every(narrow, sue) == [*raised, ready[0], offered, ready[1]]


def test_what_others_take_meanwhile_makes_nobody_miss_a_review(narrow):
    ids = [narrow.enter(f"d{n}") for n in range(12)]
    seen = narrow.queue.candidates("expenses", narrow.ann)
    assert [next(seen).review_id for _ in range(3)] == ids[:3]
    for identifier in (*ids[:3], ids[4]):  # also the one at which the page ended
        narrow.take(narrow.bob, identifier)
    urgent = narrow.enter("urgent", deadline=narrow.clock() + 1)  # for who looks again
    assert [review.review_id for review in seen] == [ids[3], *ids[5:]]
    assert narrow.take(narrow.ann).review_id == urgent


def test_the_first_that_fits_takes_one_call_and_each_further_page_one_more(narrow, calls):
    voted(narrow, 7)
    calls.clear()
    plain = narrow.enter("plain", deadline=narrow.clock() + 2 * HOUR)
    assert narrow.take(narrow.bob)  # may answer all of them
    assert calls.count("claim") == 1
    assert narrow.take(narrow.ann).review_id == plain
    assert calls.count("claim") == 1 + 3
    assert narrow.take(narrow.ann) is None
    assert calls.count("claim") == 1 + 3 + 3


def test_looking_on_has_a_bound(narrow, calls):
    narrow.terms = msgspec.structs.replace(narrow.terms, deepest=6)
    narrow.queue.follow(narrow.terms, ["expenses", "claims"])
    voted(narrow, 6)
    narrow.enter("seventh", deadline=narrow.clock() + 2 * HOUR)
    calls.clear()
    assert narrow.take(narrow.ann) is None
    assert list(narrow.queue.candidates("expenses", narrow.ann)) == []
    assert calls.count("claim") == calls.count("candidates") == 2


def test_only_people_of_the_pool_are_told_what_waits(desk):
    desk.enter()
    with pytest.raises(NotYourPool):
        next(desk.queue.candidates("claims", desk.bob))
    assert list(desk.queue.candidates("expenses", desk.kim)) == []  # helps out, and nothing was offered
