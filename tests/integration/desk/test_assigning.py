"""Work that is handed out, on a real store: to whom, for how long, and never twice."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from app.desk.assigning import LOOKED_AT, Assigning
from app.domain.assignment import PushTerms
from app.domain.events import ReviewKind, ReviewRequested
from app.domain.fatigue import FatigueLimits
from app.domain.people import Directory, Period, Profile
from app.domain.review import Refusal
from app.review_queue.assignments import Assignments
from app.review_queue.errors import BreakDue, OfferedToAnother
from app.stream.errors import DecodeError
from tests.integration.desk.test_desk import FINANCE, POOLS, Office
from tests.integration.review_queue.conftest import Desk as Store
from tests.integration.review_queue.conftest import client, codec  # noqa: F401 - fixtures

MINUTE = 60_000


class PushOffice(Office):
    """An office whose finance pool hands its work out."""

    def __init__(self, store, coder, people, *, most=2, fatigue=None):
        super().__init__(store, coder)
        pools = tuple(
            msgspec.structs.replace(pool, push=self.terms(most), fatigue=fatigue)
            if pool.name == "finance"
            else pool
            for pool in self.policy.pools
        )
        directory = Directory({person.name: person for person in people}, POOLS)
        self.policy = msgspec.structs.replace(self.policy, pools=pools, directory=directory)
        self.queue.follow(
            msgspec.structs.replace(store.terms, fatigue=self.policy.fatigue), self.policy.pool_names
        )

    @staticmethod
    def terms(most):
        return PushTerms(reserve=30 * MINUTE, most_reserved=most)

    def pull(self):
        """From now on people take their work."""
        pools = tuple(msgspec.structs.replace(pool, push=None) for pool in self.policy.pools)
        self.policy = msgspec.structs.replace(self.policy, pools=pools)

    def worker(self):
        assignments = Assignments(self.store.client, self.store.keys, self.queue, self.store.clock)
        return Assigning(
            self.queue,
            assignments,
            lambda: self.policy,
            lambda record: self.codec.decode_as(record, ReviewRequested),
            self.store.clock,
        )

    def hand_out(self):
        worker = self.worker()
        while worker("finance"):
            pass

    def given(self, name):
        return [review.review_id for review in self.queue.list("finance", offered_to=name)]

    def story(self):
        """(event, whom it went to or came from) of every step of an assignment."""
        entries = self.store.client.execute_command(
            "XRANGE", self.store.keys.pool("finance", "outbox"), "-", "+"
        )
        steps = [(entry[b"@event"].decode(), entry[b"@detail"]) for _, entry in entries]
        return [(event, msgspec.json.decode(said)) for event, said in steps if "assigned" in event]


@pytest.fixture
def make_office(client, store_url, codec):  # noqa: F811 - fixtures
    return lambda *people, **more: PushOffice(Store(client, store_url), codec, people, **more)


def member(name, **limits):
    return Profile(name=name, pools=FINANCE, **limits)


def test_work_is_spread_over_those_who_may_do_it(make_office):
    office = make_office(
        member("ann"), member("bob"), member("small", max_amount=5.0), member("emp-3"),
        member("away", away=(Period(0, 2**53),)), Profile(name="lead", supervises=FINANCE),
    )  # fmt: skip
    asked = [office.ask(f"d{n}", due=(n + 1) * 3_600_000) for n in range(5)]
    office.hand_out()
    assert office.given("ann") == [asked[0], asked[2]]
    assert office.given("bob") == [asked[1], asked[3]]  # the fifth waits: both have enough
    assert [review.review_id for review in office.queue.list("finance")] == [asked[4]]
    until = office.store.clock() + 30 * MINUTE
    assert office.queue.get(asked[0]).review.reserved_until == until
    assert office.story()[0] == ("assigned", {"to": "ann", "until": until})


def test_a_case_that_nobody_can_read_any_more_holds_up_no_other(make_office):
    office = make_office(member("ann"))
    erased, readable = office.ask("d1", due=3_600_000), office.ask("d2", due=7_200_000)
    decode_as = office.codec.decode_as

    class Reader:
        def decode_as(self, record, kind):
            event = decode_as(record, kind)
            if event.request.review_id == erased:
                raise DecodeError("erased", "erased on request")
            return event

    office.codec = Reader()
    office.hand_out()
    assert office.given("ann") == [readable]


def test_what_nobody_with_room_may_decide_holds_up_nothing_behind_it(make_office):
    office = make_office(member("bob", max_amount=1_000.0), most=1)
    for n in range(2 * LOOKED_AT + 50):
        office.ask(f"large-{n}", amount=2_000, due=3_600_000)
    later, latest = (
        office.ask(f"small-{n}", amount=10, due=due) for n, due in ((1, 7_200_000), (2, 9_000_000))
    )
    worker = office.worker()
    passes = [list(worker("finance")) for _ in range(3)]
    assert passes == [[], [later], []]  # a hundred of the head and a hundred further down in each
    office.decide("bob", later)
    urgent = office.ask("urgent", amount=10, due=1_000)
    assert worker("finance") == [urgent]  # the head comes first
    office.decide("bob", urgent)
    assert [case for _ in range(3) for case in worker("finance")] == [latest]


def test_whoever_gets_room_is_given_the_most_urgent_case_behind_the_head(make_office):
    office = make_office(member("bob", max_amount=1_000.0), most=1)
    for n in range(LOOKED_AT):
        office.ask(f"large-{n}", amount=2_000, due=3_600_000)
    small = [office.ask(f"small-{n}", amount=10, due=7_200_000 + n) for n in range(LOOKED_AT + 1)]
    worker = office.worker()
    assert worker("finance") == small[:1]
    assert [list(worker("finance")) for _ in range(3)] == [[], [], []]  # no room
    office.decide("bob", small[0])
    assert worker("finance") == small[1:2]


def test_what_is_given_to_one_is_not_taken_by_another_and_is_anybodys_when_the_time_is_over(make_office):
    office = make_office(member("ann"), member("bob"))
    case = office.ask("d1")
    office.hand_out()
    with pytest.raises(OfferedToAnother):
        office.desk.claim(office.who("bob"), case)
    office.store.clock.advance(30 * MINUTE - 1)
    office.hand_out()
    assert office.given("ann") == [case]
    office.store.clock.advance(1)
    office.hand_out()
    assert office.given("ann") == []  # and it is not handed out again
    assert office.story()[-1] == ("unassigned", {"from": "ann"})
    assert office.next("bob") == case
    review = office.queue.get(case).review
    assert (review.assigned, review.reserved_until, review.offered_to) == (True, 0, "")


def test_whoever_takes_it_in_time_keeps_it(make_office):
    office = make_office(member("ann"))
    case = office.ask("d1")
    office.hand_out()
    assert office.next("ann") == case
    office.store.clock.advance(31 * MINUTE)
    office.hand_out()
    assert [event for event, _ in office.story()] == ["assigned"]


def test_any_number_of_workers_assign_each_case_once(make_office):
    office = make_office(*(member(f"p{n}") for n in range(5)), most=2)
    for n in range(15):
        office.ask(f"d{n}")
    with ThreadPoolExecutor(6) as workers:
        for _ in range(6):
            workers.submit(office.hand_out)
    given = [case for n in range(5) for case in office.given(f"p{n}")]
    assert len(given) == len(set(given)) == 10
    assert max(len(office.given(f"p{n}")) for n in range(5)) <= 2
    assert len(office.story()) == 10


def test_the_independent_second_answer_goes_to_somebody_else(make_office):
    office = make_office(member("ann"), member("bob"))
    first = office.ask("d1")
    office.hand_out()
    assert office.next("ann") == first
    office.decide("ann", first)
    office.store.clock.advance(1)
    second = office.ask("d1", kind=ReviewKind.SECOND_LOOK)
    office.hand_out()
    assert office.given("bob") == [second]


def test_a_pass_ends_by_the_policy_it_began_with(make_office):
    """A policy that ends the handing out, activated in the middle of a pass, ended every worker."""
    office = make_office(member("ann"))
    cases = [office.ask(f"d{n}", due=(n + 1) * 3_600_000) for n in range(2)]
    decode_as = office.codec.decode_as

    class Reader:
        def decode_as(self, record, kind):
            office.pull()
            return decode_as(record, kind)

    office.codec = Reader()
    office.hand_out()
    assert office.given("ann") == cases


def test_skills_stay_fresh(make_office):
    """Who had none of the type for longest is next, however the names are sorted."""
    office = make_office(member("ann"), member("bob"), member("cat"))
    order = []
    for n in range(6):
        case = office.ask(f"d{n}")
        office.hand_out()
        name = next(name for name in ("ann", "bob", "cat") if office.given(name) == [case])
        assert office.next(name) == case
        office.decide(name, case)
        order.append(name)
        office.store.clock.advance(MINUTE)
    assert order == ["ann", "bob", "cat"] * 2


def test_a_break_is_said_in_words(make_office):
    office = make_office(
        member("ann"), member("bob"), fatigue=FatigueLimits(per_hour=2, per_day=9, rest=10 * MINUTE)
    )
    office.pull()
    cases = [office.ask(f"d{n}", due=(n + 1) * 3_600_000) for n in range(4)]
    assert [office.next("ann", "finance") for _ in range(2)] == cases[:2]
    for pool in ("finance", None):
        with pytest.raises(BreakDue, match="time for a break, the next case in 60 minutes"):
            office.next("ann", pool)
    with pytest.raises(BreakDue):
        office.desk.claim(office.who("ann"), cases[2])
    for case in cases[:2]:
        office.decide("ann", case)  # what is in hand can be finished, also in another tab
    assert office.next("bob") == cases[2]  # who is fresh goes on
    office.decide("bob", cases[2])
    office.store.clock.advance(60 * MINUTE)
    assert office.next("ann") == cases[3]


def test_nobody_is_given_work_in_a_break(make_office):
    office = make_office(member("ann"), fatigue=FatigueLimits(per_hour=1, rest=10 * MINUTE))
    office.decide("ann", office.ask("d1"))
    case = office.ask("d2")
    office.hand_out()
    assert office.given("ann") == []
    office.store.clock.advance(60 * MINUTE)
    office.hand_out()
    assert office.given("ann") == [case]


def test_the_store_has_the_last_word_on_how_much_waits_for_one(make_office):
    """Two workers that counted at the same time must not give one person more than the policy allows."""
    office = make_office(member("ann"))
    cases = [office.ask(f"d{n}") for n in range(3)]
    assignments = Assignments(office.store.client, office.store.keys, office.queue, office.store.clock)
    until = office.store.clock() + MINUTE
    done = [assignments.assign(case, "ann", until, most=2, decision_type="t") for case in cases]
    assert done[2] is Refusal.RESERVED_ENOUGH
    assert office.given("ann") == cases[:2]
