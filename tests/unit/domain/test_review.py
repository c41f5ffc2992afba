"""The life of a review, as rules."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import review_steps as rules
from app.domain.events import Answer, ConsequenceClass, ReviewKind, ReviewRequest
from app.domain.review import (
    HOUR,
    QueueTerms,
    Refusal,
    Reviewer,
    ReviewState,
    answer_id,
    locate,
    requested,
    review_id_of,
)
from app.errors import UsageError

TERMS = QueueTerms()
NOW = 1_764_000_000_000
ANN = Reviewer(name="ann", pools=frozenset({"p"}))
BOB = Reviewer(name="bob", pools=frozenset({"p"}))
SUE = Reviewer(name="sue", pools=frozenset({"p"}), supervisor=True)


def new(decision="d1", kind=ReviewKind.REVIEW, arrival=1, **changes):
    request = ReviewRequest(
        review_id=review_id_of("p", decision, kind),
        kind=kind,
        pool="p",
        sla_class="standard",
        consequence_class=ConsequenceClass.LOW,
        requested_at=NOW,
        deadline=NOW + HOUR,
        approvals=1,
        blind=False,
        package="",
        package_digest="digest",
    )
    return requested(msgspec.structs.replace(request, **changes), decision, arrival, TERMS)


def claimed(review, who=ANN, siblings=(), now=NOW):
    return rules.claim(review, who, now, TERMS, siblings)


def answer(review, who="ann", action="approve", **changes):
    made = Answer(
        answer_id="",
        review_id=review.review_id,
        reviewer=who,
        action=action,
        changes=None,
        reasoning="",
        reason_code="",
        category=None,
        note="",
        tags=[],
        first_action=None,
        package_digest="digest",
        lease_epoch=review.epoch,
        claimed_at=0,
        decided_at=NOW,
    )
    made = msgspec.structs.replace(made, **changes)
    return msgspec.structs.replace(made, answer_id=answer_id(made))


def test_an_id_says_where_its_review_lives():
    assert locate(new().review_id) == ("p", new().review_id[2:])
    assert locate(review_id_of("a.b", "d", ReviewKind.GOLD))[0] == "a.b"


@pytest.mark.parametrize("text", ["", "p", "p.", ".x", "p.not-a-uuid"])
def test_what_is_no_id_is_wrong_use(text):
    with pytest.raises(UsageError, match="not a review id"):
        locate(text)


def test_ids_differ_by_decision_and_kind_only():
    ids = {review_id_of("p", d, k) for d in ("d1", "d2") for k in ReviewKind}
    assert len(ids) == 2 * len(ReviewKind)
    assert review_id_of("p", "d1", ReviewKind.REVIEW) == new().review_id


def test_an_answers_id_is_its_content_not_its_time():
    review = claimed(new())
    first = answer(review)
    assert answer(review, decided_at=NOW + 5).answer_id == first.answer_id
    different = [answer(review, action="reject"), answer(review, who="bob"), answer(review, note="n")]
    different += [answer(review, lease_epoch=2), answer(review, changes="{}"), answer(review, tags=["t"])]
    assert len({one.answer_id for one in [first, *different]}) == 7


def test_urgency_is_the_deadline_less_the_boost_of_the_class():
    assert new().urgency == NOW + HOUR
    assert new(consequence_class=ConsequenceClass.CRITICAL).urgency == NOW + HOUR - 24 * HOUR
    assert new(deadline=None).urgency == NOW + TERMS.no_deadline


@given(
    st.lists(
        st.tuples(
            st.sampled_from([HOUR, 2 * HOUR]),
            st.sampled_from(list(ConsequenceClass)),
            st.sampled_from([NOW - 1, NOW]),
        ),
        min_size=2,
        max_size=8,
    )
)
def test_order_is_total_and_by_urgency_first(drawn):
    reviews = [
        new(f"d{n}", arrival=n, deadline=NOW + due, consequence_class=cls, requested_at=at)
        for n, (due, cls, at) in enumerate(drawn)
    ]
    ordered = sorted(reviews, key=lambda r: r.order)
    for earlier, later in itertools.pairwise(ordered):
        assert earlier.order < later.order
        assert earlier.urgency <= later.urgency


def test_epochs_only_grow():
    review = claimed(new())
    for _ in range(3):
        before = review.epoch
        review = claimed(rules.release(review, "ann", review.epoch))
        assert review.epoch == before + 1


@pytest.mark.parametrize(
    ("who", "behind"),
    [("bob", 0), ("ann", 1), ("ann", -1)],
    ids=["other person", "old epoch", "future epoch"],
)
def test_only_the_present_lease_may_write(who, behind):
    review = claimed(claimed(new()))
    epoch = review.epoch - behind
    assert rules.extend(review, who, epoch, NOW, 1) is Refusal.STALE_LEASE
    assert rules.release(review, who, epoch) is Refusal.STALE_LEASE
    assert rules.request_info(review, who, epoch, NOW, "?", TERMS) is Refusal.STALE_LEASE
    assert rules.decide(review, answer(review, who, lease_epoch=epoch), TERMS) is Refusal.STALE_LEASE


def test_an_answer_to_another_package_is_refused():
    review = claimed(new())
    assert rules.decide(review, answer(review, package_digest="x"), TERMS) is Refusal.PACKAGE_CHANGED


def test_a_decided_review_stays_as_it_is():
    review = claimed(new())
    done = rules.decide(review, answer(review), TERMS)
    assert done.state is ReviewState.DECIDED
    assert rules.decide(done, answer(review), TERMS) is done
    assert rules.decide(done, answer(review, action="reject"), TERMS) is Refusal.ALREADY_DECIDED
    assert claimed(done, BOB) is Refusal.ALREADY_DECIDED
    assert rules.escalate(done, "sue", None, TERMS) is Refusal.ALREADY_DECIDED
    assert rules.resume(done, NOW) is Refusal.ALREADY_DECIDED


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_pauses_add_up_and_the_budget_stays(first, second):
    review, now = new(), NOW
    for pause in (first, second):
        review = claimed(review, now=now)
        review = rules.request_info(review, "ann", review.epoch, now, "?", TERMS)
        now += pause
        review = rules.resume(review, now)
    assert review.deadline - now == HOUR
    assert review.paused == first + second
    assert review.urgency == new().urgency + first + second


def test_a_clock_that_steps_back_does_not_shorten_a_deadline():
    review = claimed(new())
    review = rules.request_info(review, "ann", 1, NOW, "?", TERMS)
    assert rules.resume(review, NOW - 5_000).deadline == review.deadline


def asked(review, now=NOW, terms=TERMS):
    held = claimed(review)
    return rules.request_info(held, "ann", held.epoch, now, "?", terms)


def test_information_is_asked_for_as_often_as_the_policy_allows():
    terms = msgspec.structs.replace(TERMS, max_questions=2)
    review = new()
    for _ in range(2):
        review = rules.resume(asked(review, terms=terms), NOW)
    assert asked(review, terms=terms) is Refusal.ASKED_ENOUGH
    assert review.questions == 2


def test_a_question_stays_with_its_answer_until_the_next_one():
    told = rules.resume(asked(new()), NOW, by="svc", information="Apollo", epoch=1)
    assert (told.state, told.question) == (ReviewState.OPEN, "?")
    assert (told.information, told.informed_by) == ("Apollo", "svc")
    assert asked(told).information == ""


def test_information_is_for_the_question_it_answers():
    first = asked(new())
    told = rules.resume(first, NOW, by="svc", information="Apollo", epoch=first.epoch)
    again = asked(told)
    assert (
        rules.resume(again, NOW, by="svc", information="Apollo", epoch=first.epoch) is Refusal.OTHER_QUESTION
    )
    repeated = rules.resume(again, NOW, by="svc", information="Apollo", epoch=again.epoch)
    assert repeated.state is ReviewState.OPEN  # the same words answer another question as well


def test_information_from_outside_is_safe_to_repeat():
    waiting = asked(new())
    given = {"by": "svc", "information": "Apollo", "epoch": waiting.epoch}
    told = rules.resume(waiting, NOW, **given)
    held = claimed(told)
    done = rules.decide(held, answer(held), TERMS)
    for later in (told, held, done):
        assert rules.resume(later, NOW, **given) is later
    assert rules.resume(told, NOW, **{**given, "by": "other"}) is Refusal.NOT_WAITING
    assert rules.resume(done, NOW, **{**given, "information": "Zeus"}) is Refusal.ALREADY_DECIDED


def test_votes_of_one_decision_are_of_distinct_people():
    review = claimed(new(approvals=2))
    voted = rules.decide(review, answer(review), TERMS)
    assert voted.state is ReviewState.OPEN
    assert claimed(voted, ANN, [voted]) is Refusal.NOT_DISTINCT
    other = claimed(voted, BOB, [voted])
    assert rules.decide(other, answer(other, "bob"), TERMS).state is ReviewState.DECIDED


def test_a_person_is_busy_with_a_decision_through_any_of_its_reviews():
    first, look = claimed(new()), new(kind=ReviewKind.SECOND_LOOK)
    assert claimed(look, ANN, [first, look]) is Refusal.NOT_DISTINCT
    assert claimed(first, ANN, [first, look]).epoch == 2
    done = rules.decide(first, answer(first), TERMS)
    assert claimed(look, ANN, [done, look]) is Refusal.NOT_DISTINCT
    assert claimed(look, BOB, [done, look]).holder == "bob"


def test_disagreement_raises_once_and_the_next_answer_is_final():
    review = claimed(new(approvals=2))
    voted = rules.decide(review, answer(review), TERMS)
    other = claimed(voted, BOB)
    split = rules.decide(other, answer(other, "bob", "reject"), TERMS)
    assert (split.tier, split.urgency) == (1, review.urgency - TERMS.escalation_boost)
    assert claimed(split, Reviewer(name="cat", pools=frozenset({"p"}))) is Refusal.NOT_SUPERVISOR
    last = claimed(split, SUE)
    assert rules.decide(last, answer(last, "sue", "modify"), TERMS).state is ReviewState.DECIDED


def test_an_offer_ends_when_it_is_taken_or_escalated():
    offered = rules.delegate(new(), ANN, None, BOB, terms=TERMS, siblings=[])
    assert claimed(offered, ANN) is Refusal.OFFERED
    assert claimed(offered, SUE).offered_to == ""
    assert rules.escalate(offered, "ann", None, TERMS).offered_to == ""


def test_what_was_offered_to_one_is_not_handed_on_by_another():
    cat = Reviewer(name="cat", pools=frozenset({"p"}))
    offered = rules.delegate(new(), ANN, None, BOB, terms=TERMS, siblings=[])
    assert rules.delegate(offered, ANN, None, cat, terms=TERMS, siblings=[]) is Refusal.OFFERED
    assert rules.delegate(offered, BOB, None, cat, terms=TERMS, siblings=[]).offered_to == "cat"
    assert rules.delegate(offered, SUE, None, cat, terms=TERMS, siblings=[]).offered_to == "cat"


def test_every_step_is_counted():
    review = new()
    assert review.step == 0
    review = claimed(review)
    assert rules.lapse(review).step == rules.release(review, "ann", 1).step == 2
