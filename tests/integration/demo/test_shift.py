"""A simulated working day on a real store: everything goes through the queue's verbs, and repeats."""

import msgspec
import pytest

from app.demo.embedded import POLICY
from app.demo.reviewers import PROFILES
from app.demo.shift import Shift, SimulatedClock, people
from app.domain.context_package import build
from app.domain.events import Arm, ReviewKind, ReviewRequested
from app.domain.review import QueueTerms, review_id_of
from app.policy.compiled import compile_policy
from app.policy.load import load_policy
from app.review_queue.embedded import EmbeddedStore
from app.review_queue.keys import Keys
from app.review_queue.queue import ReviewQueue
from app.review_queue.store import open_client
from app.review_queue.values import NewReview
from app.stream.codec import Codec
from app.stream.schemas import Schemas
from tests.unit.demo import story

OPENS = story.MONDAY
CLOSES = OPENS + 9 * story.HOUR
FACTS = {
    "payment_to_income": 0.3,
    "housing_to_income": 0.2,
    "loan_to_value": 0.8,
    "consumer_credit": 1,
    "mortgage_credit": 1,
}


@pytest.fixture(scope="module")
def policy():
    return compile_policy(load_policy(POLICY))


@pytest.fixture(scope="module")
def terms(policy):
    return policy.terms["mortgage.application"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with EmbeddedStore(tmp_path_factory.mktemp("store")) as embedded:
        yield embedded.url


@pytest.fixture
def day(store, policy, terms, request):
    """A queue with keys of its own, its clock, and the people who work there."""
    client = open_client(store)
    clock = SimulatedClock(OPENS)
    queues = iter(range(100))

    def make(seed=7):
        queue = ReviewQueue(
            client,
            Keys(f"{request.node.name}-{next(queues)}."),
            policy.pool_names,
            terms=QueueTerms(lease=policy.lease),
            clock=clock,
            durability=0,
        )
        clock.now = OPENS
        codec = Codec(Schemas.load())
        staff = people(PROFILES, terms)
        shift = Shift(
            queue, codec, staff, terms, clock=clock, lease=policy.lease, truth=lambda _: "reject", seed=seed
        )
        return queue, shift, codec

    yield make
    client.close()


def ask(queue, codec, terms, n, *, kind=ReviewKind.REVIEW, arm=Arm.SHOWN, approvals=1, facts=FACTS, level=3):
    at = OPENS + n * 60_000
    routed = story.routed(n, level=level, at=at, arm=arm)
    decision = msgspec.structs.replace(routed.scored.decision, facts=msgspec.json.encode(facts).decode())
    routed = msgspec.structs.replace(routed, scored=msgspec.structs.replace(routed.scored, decision=decision))
    package = build(routed, terms, [], [], kind=kind)
    template = story.requested(routed, kind, blind=arm is not Arm.SHOWN)
    request = msgspec.structs.replace(
        template.request,
        review_id=review_id_of(terms.expert_pool, decision.decision_id, kind),
        pool=terms.expert_pool,
        approvals=approvals,
        package=package.text,
        package_digest=package.digest,
    )
    event = ReviewRequested(routed=routed, request=request)
    queue.enqueue(NewReview(decision.decision_id, request, codec.encode(event)))
    return request.review_id


def test_a_day_answers_everything_within_a_day_and_in_simulated_time(day, terms):
    queue, shift, codec = day()
    ids = [ask(queue, codec, terms, n) for n in range(40)]
    assert shift.work(OPENS, CLOSES) == 0
    for n, one in enumerate(ids):
        answer = queue.get(one).answer
        assert OPENS + n * 60_000 <= answer.claimed_at < answer.decided_at < CLOSES + story.HOUR
        assert answer.reasoning


def test_the_same_day_again_has_the_same_answers(day, terms):
    answers = []
    for order in (range(30), reversed(range(30))):
        queue, shift, codec = day()
        ids = {n: ask(queue, codec, terms, n) for n in order}
        shift.work(OPENS, CLOSES)
        answers.append({n: queue.get(one).answer for n, one in sorted(ids.items())})
    assert answers[0] == answers[1]


def test_a_blind_review_is_answered_before_the_recommendation_is_seen(day, terms):
    queue, shift, codec = day()
    one = ask(queue, codec, terms, 0, arm=Arm.BLIND)
    shift.work(OPENS, CLOSES)
    assert queue.get(one).answer.first_action in {"approve", "reject"}


def test_four_eyes_are_two_people(day, terms):
    queue, shift, codec = day()
    ids = [ask(queue, codec, terms, n, approvals=2, kind=ReviewKind.HUMAN_ONLY, level=5) for n in range(10)]
    assert shift.work(OPENS, CLOSES) == 0
    for one in ids:
        voters = [vote.reviewer for vote in queue.get(one).review.votes]
        assert len(voters) == len(set(voters)) == 2


def test_what_is_missing_is_asked_for_and_the_clock_stands_still_meanwhile(day, terms):
    queue, shift, codec = day()
    known = {name: value for name, value in FACTS.items() if name != "loan_to_value"}
    one = ask(queue, codec, terms, 0, facts=known)
    assert shift.work(OPENS, CLOSES) == 0
    entry = queue.get(one)
    assert entry.review.paused > 0
    assert entry.answer is not None


def test_what_is_not_done_today_is_done_tomorrow(day, terms):
    queue, shift, codec = day()
    for n in range(60):
        ask(queue, codec, terms, n)
    left = shift.work(OPENS, OPENS + story.HOUR)
    assert 0 < left < 60
    assert shift.work(OPENS + 24 * story.HOUR, CLOSES + 24 * story.HOUR) == 0
    assert shift.answered == 60


def test_breaks_come_every_hour_and_at_the_end(day, terms):
    queue, shift, codec = day()
    ask(queue, codec, terms, 0)
    breaks = []
    shift.work(OPENS, CLOSES, between=lambda: breaks.append(1))
    assert len(breaks) >= 9
