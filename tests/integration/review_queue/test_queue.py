"""What each verb promises, against a real store."""

import threading

import pytest

from app.domain.answers import Verdict
from app.domain.events import ConsequenceClass, ReviewKind
from app.domain.review import ReviewState, review_id_of
from app.review_queue import errors
from app.review_queue.store import open_client

HOUR = 3_600_000


# --- enqueue ------------------------------------------------------------------------------------


def test_a_repeated_enqueue_returns_the_record_of_the_first_time(desk):
    first = desk.queue.enqueue(desk.new(record=b"as shown"))
    again = desk.queue.enqueue(desk.new(record=b"built later, differently"))
    assert (first.record, first.repeated) == (b"as shown", False)
    assert (again.record, again.repeated, again.arrival) == (b"as shown", True, first.arrival)
    assert desk.queue.stats()[0].open == 1


def test_a_repeat_after_the_decision_does_not_ask_again(desk):
    desk.enter()
    desk.decide(desk.take(desk.ann), desk.ann)
    assert desk.queue.enqueue(desk.new()).repeated
    assert desk.take(desk.bob) is None


def test_a_batch_with_a_repeat_inside_enters_once(desk):
    found = desk.queue.enqueue_many([desk.new("d1"), desk.new("d2"), desk.new("d1")])
    assert [entry.repeated for entry in found] == [False, False, True]
    assert desk.queue.stats()[0].open == 2


def test_a_forgotten_script_is_sent_again(desk):
    desk.enter("d1")
    desk.client.execute_command("SCRIPT", "FLUSH")
    assert desk.take(desk.ann)
    desk.client.execute_command("SCRIPT", "FLUSH")
    assert not desk.queue.enqueue(desk.new("d2")).repeated


# --- order --------------------------------------------------------------------------------------


def test_order_is_urgency_then_consequence_then_age_then_arrival(desk):
    now = desk.clock()
    boost = desk.terms.boosts
    enter = desk.enter
    expected = [
        enter("urgent", deadline=now + HOUR),
        enter(
            "critical",
            deadline=now + 2 * HOUR + boost["critical"],
            consequence_class=ConsequenceClass.CRITICAL,
        ),
        enter("older", deadline=now + 2 * HOUR, requested_at=now - 5),
    ]
    ties = [enter(f"tie {n}", deadline=now + 2 * HOUR) for n in range(12)]
    assert [review.review_id for review in desk.queue.list(desk.pool)] == expected + ties
    people = [desk.ann, desk.bob, desk.cat] * 5
    assert [desk.take(person).review_id for person in people] == expected + ties


def test_a_far_deadline_still_orders_to_the_millisecond(desk):
    far = 4_102_444_800_000  # the year 2100
    later = desk.enter("later", deadline=far + 1)
    sooner = desk.enter("sooner", deadline=far)
    assert [review.review_id for review in desk.queue.list(desk.pool)] == [sooner, later]


# --- claim, fencing -----------------------------------------------------------------------------


def test_a_claim_gives_record_lease_and_epoch(desk):
    identifier = desk.enter()
    lease = desk.queue.claim_next(desk.pool, desk.ann)
    review = lease.review
    assert (review.review_id, lease.record) == (identifier, b"record of d1")
    assert (review.state, review.holder, review.epoch) == (ReviewState.CLAIMED, "ann", 1)
    assert review.lease_until == desk.clock() + desk.terms.lease
    assert desk.take(desk.bob) is None


def test_a_held_review_is_refused_to_others_and_named(desk):
    identifier = desk.enter()
    desk.take(desk.ann)
    with pytest.raises(errors.AlreadyClaimed, match="held by ann"):
        desk.take(desk.bob, identifier)


def test_two_claims_of_one_person_are_fenced(desk):
    identifier = desk.enter()
    first = desk.take(desk.ann, identifier)
    second = desk.take(desk.ann, identifier)
    assert second.epoch == first.epoch + 1
    with pytest.raises(errors.StaleLease):
        desk.decide(first, desk.ann)
    assert desk.decide(second, desk.ann).answer.action == "approve"
    assert "refused" in desk.events()


def test_after_expiry_the_old_holder_can_not_write_and_the_new_one_can(desk):
    desk.enter()
    old = desk.take(desk.ann)
    desk.clock.advance(desk.terms.lease + 1)
    assert desk.queue.expire(desk.pool) == [old.review_id]
    new = desk.take(desk.bob)
    assert (new.lapses, new.epoch) == (1, 2)
    for write in (
        lambda: desk.decide(old, desk.ann),
        lambda: desk.queue.extend(old.review_id, desk.ann, old.epoch),
        lambda: desk.queue.release(old.review_id, desk.ann, old.epoch),
        lambda: desk.queue.reveal(old.review_id, desk.ann, old.epoch, "approve"),
        lambda: desk.queue.request_info(old.review_id, desk.ann, old.epoch, "why?"),
        lambda: desk.queue.escalate(old.review_id, desk.ann, old.epoch),
        lambda: desk.queue.delegate(old.review_id, desk.ann, desk.cat, old.epoch),
    ):
        with pytest.raises(errors.StaleLease):
            write()
    assert desk.events().count("refused") == 7
    assert desk.decide(new, desk.bob, "reject").answer.reviewer == "bob"


def test_expiry_takes_a_few_per_call(desk):
    for n in range(5):
        desk.enter(f"d{n}")
    for _ in range(5):
        desk.take(desk.ann)
    desk.clock.advance(desk.terms.lease + 1)
    assert [len(desk.queue.expire(desk.pool, at_most=2)) for _ in range(4)] == [2, 2, 1, 0]


def test_a_claim_takes_back_what_has_expired_without_any_clock_running(desk):
    identifier = desk.enter()
    desk.take(desk.ann)
    desk.clock.advance(desk.terms.lease + 1)
    assert desk.take(desk.bob).review_id == identifier
    desk.clock.advance(desk.terms.lease + 1)
    assert desk.take(desk.cat, identifier).epoch == 3


def test_a_heartbeat_keeps_the_lease(desk):
    desk.enter()
    review = desk.take(desk.ann)
    desk.clock.advance(desk.terms.lease - 1)
    extended = desk.queue.extend(review.review_id, desk.ann, review.epoch)
    assert extended.lease_until == desk.clock() + desk.terms.lease
    desk.clock.advance(2)
    assert desk.queue.expire(desk.pool) == []


def test_release_returns_it_to_its_place(desk):
    first, second = desk.enter("d1"), desk.enter("d2")
    review = desk.take(desk.ann)
    desk.queue.release(review.review_id, desk.ann, review.epoch, reason="lunch")
    assert [r.review_id for r in desk.queue.list(desk.pool)] == [first, second]


def test_concurrent_claimers_never_get_the_same_review(desk):
    ids = {desk.enter(f"d{n}") for n in range(60)}
    taken = {desk.ann.name: [], desk.bob.name: []}
    start = threading.Barrier(2)

    def work(person):
        client = open_client(desk.url)
        queue = desk.queue_on(client)
        start.wait()
        while lease := queue.claim_next(desk.pool, person):
            taken[person.name].append(lease.review.review_id)
        client.close()

    threads = [threading.Thread(target=work, args=(person,)) for person in (desk.ann, desk.bob)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    both = taken["ann"] + taken["bob"]
    assert len(both) == 60
    assert set(both) == ids


# --- distinct people ----------------------------------------------------------------------------


def test_a_second_look_needs_another_person(desk):
    desk.enter("d1")
    look = desk.enter("d1", kind=ReviewKind.SECOND_LOOK, deadline=desk.clock() + 2 * HOUR)
    mine = desk.take(desk.ann)
    assert desk.take(desk.ann) is None
    with pytest.raises(errors.NotDistinct):
        desk.take(desk.ann, look)
    desk.decide(mine, desk.ann)
    assert desk.take(desk.ann) is None
    assert desk.take(desk.bob).review_id == look


def test_a_claim_looks_past_what_this_person_may_not_have(desk):
    for n in range(5):
        desk.enter(f"d{n}")
    for _ in range(5):
        desk.decide(desk.take(desk.ann), desk.ann)
    for n in range(5):
        desk.enter(f"d{n}", kind=ReviewKind.SECOND_LOOK)
    wanted = desk.enter("other", deadline=desk.clock() + 5 * HOUR)
    assert desk.take(desk.ann).review_id == wanted


def test_an_item_with_known_truth_keeps_nobody_from_a_decision_of_its_id(desk):
    desk.enter("d1", kind=ReviewKind.GOLD)
    desk.decide(desk.take(desk.ann), desk.ann)
    real = desk.enter("d1")
    assert desk.take(desk.ann).review_id == real


def test_a_released_review_leaves_the_person_free_for_the_second_look(desk):
    identifier = desk.enter("d1")
    look = desk.enter("d1", kind=ReviewKind.SECOND_LOOK)
    review = desk.take(desk.ann, identifier)
    desk.queue.release(review.review_id, desk.ann, review.epoch)
    assert desk.take(desk.ann, look).review_id == look


# --- decide -------------------------------------------------------------------------------------


def test_a_second_answer_is_refused_with_the_first(desk):
    desk.enter()
    review = desk.take(desk.ann)
    desk.decide(review, desk.ann, "reject")
    with pytest.raises(errors.AlreadyDecided) as refused:
        desk.decide(review, desk.ann, "approve")
    assert refused.value.answer.action == "reject"
    assert refused.value.answer.reviewer == "ann"
    assert desk.queue.get(review.review_id).answer.action == "reject"


def test_the_same_answer_again_is_the_same_result(desk):
    desk.enter()
    review = desk.take(desk.ann)
    first = desk.decide(review, desk.ann)
    desk.clock.advance(5_000)
    assert desk.decide(review, desk.ann).answer == first.answer
    assert desk.events().count("decided") == 1


def test_an_answer_to_another_package_is_refused_and_recorded(desk):
    desk.enter()
    review = desk.take(desk.ann)
    with pytest.raises(errors.PackageChanged):
        desk.queue.decide(review.review_id, desk.ann, review.epoch, "b" * 64, Verdict(action="approve"))
    assert desk.outbox()[-1][:2] == ("refused", "ann")
    assert desk.queue.get(review.review_id).review.state is ReviewState.CLAIMED


def test_the_answer_knows_lease_and_claim(desk):
    desk.enter()
    review = desk.take(desk.ann)
    desk.clock.advance(1_000)
    answer = desk.decide(review, desk.ann, changes='{"amount":1}', note="n", tags=("train_on_this",)).answer
    assert (answer.claimed_at, answer.decided_at) == (review.claimed_at, review.claimed_at + 1_000)
    assert (answer.lease_epoch, answer.changes, answer.tags) == (1, '{"amount":1}', ["train_on_this"])


def test_decided_reviews_are_remembered_for_a_time_and_open_ones_for_ever(desk):
    identifier = desk.enter()
    name = identifier.rpartition(".")[2]
    keys = [desk.keys.pool(desk.pool, part, name) for part in ("review:", "request:")]
    assert [desk.client.execute_command("PTTL", key) for key in keys] == [-1, -1]
    desk.decide(desk.take(desk.ann), desk.ann)
    keys.append(desk.keys.pool(desk.pool, "answer:", name))
    keys.append(desk.keys.pool(desk.pool, "people:", "d1"))
    for key in keys:
        assert 0 < desk.client.execute_command("PTTL", key) <= desk.terms.memory


# --- blind --------------------------------------------------------------------------------------


def test_a_blind_first_answer_is_kept_beside_the_revised_one(desk):
    desk.enter(blind=True)
    review = desk.take(desk.ann)
    desk.queue.reveal(review.review_id, desk.ann, review.epoch, "reject")
    again = desk.queue.reveal(review.review_id, desk.ann, review.epoch, "approve")
    assert again.first_answers == {"ann": "reject"}
    answer = desk.decide(review, desk.ann, "approve").answer
    assert (answer.first_action, answer.action) == ("reject", "approve")
    assert desk.events() == ["claimed", "revealed", "decided"]


def test_a_first_answer_survives_release_and_belongs_to_its_person(desk):
    desk.enter(blind=True)
    review = desk.take(desk.ann)
    desk.queue.reveal(review.review_id, desk.ann, review.epoch, "reject")
    desk.queue.release(review.review_id, desk.ann, review.epoch)
    assert desk.decide(desk.take(desk.bob), desk.bob).answer.first_action is None


def test_nothing_is_revealed_where_nothing_is_withheld(desk):
    desk.enter()
    review = desk.take(desk.ann)
    with pytest.raises(errors.NotBlind):
        desk.queue.reveal(review.review_id, desk.ann, review.epoch, "approve")


# --- approvals ----------------------------------------------------------------------------------


def test_two_approvals_need_two_people(desk):
    desk.enter(approvals=2)
    review = desk.take(desk.ann)
    assert desk.decide(review, desk.ann).answer is None
    assert desk.decide(review, desk.ann).answer is None  # a retry
    assert desk.take(desk.ann) is None
    final = desk.decide(desk.take(desk.bob), desk.bob)
    assert final.answer.reviewer == "bob"
    assert [vote.reviewer for vote in final.review.votes] == ["ann", "bob"]
    assert desk.events() == ["claimed", "voted", "claimed", "decided"]


def test_a_disagreement_goes_to_a_supervisor_whose_answer_is_final(desk):
    identifier = desk.enter(approvals=3)
    desk.decide(desk.take(desk.ann), desk.ann, "approve")
    split = desk.decide(desk.take(desk.bob), desk.bob, "reject").review
    assert (split.tier, split.tie_break, split.state) == (1, True, ReviewState.OPEN)
    assert desk.take(desk.cat) is None
    with pytest.raises(errors.NotSupervisor):
        desk.take(desk.cat, identifier)
    assert desk.decide(desk.take(desk.sue), desk.sue, "reject").answer.reviewer == "sue"


def test_the_same_action_with_other_changes_is_a_disagreement(desk):
    desk.enter(approvals=2)
    desk.decide(desk.take(desk.ann), desk.ann, "modify", changes='{"amount":1}')
    assert desk.decide(desk.take(desk.bob), desk.bob, "modify", changes='{"amount":2}').review.tie_break


def test_escalating_a_four_eyes_review_does_not_make_it_two_eyes(desk):
    identifier = desk.enter(approvals=2)
    desk.queue.escalate(identifier, desk.ann)
    assert desk.decide(desk.take(desk.sue), desk.sue).answer is None
    assert desk.take(desk.sue) is None
    assert desk.decide(desk.take(desk.sam), desk.sam).answer.reviewer == "sam"


# --- pause, escalate, delegate ------------------------------------------------------------------


def test_waiting_for_information_stops_the_clock(desk):
    desk.enter("d2", deadline=desk.clock() + HOUR + 60_000)
    identifier = desk.enter(deadline=desk.clock() + HOUR)
    before = desk.take(desk.ann)
    desk.queue.request_info(identifier, desk.ann, before.epoch, "Which project?")
    assert desk.queue.get(identifier).review.question == "Which project?"
    desk.clock.advance(2 * HOUR)
    assert desk.queue.stats()[0].overdue == 1  # only the other one
    with pytest.raises(errors.WaitingForInformation):
        desk.take(desk.bob, identifier)
    after = desk.queue.answer_info(identifier, desk.bob, "Apollo")
    assert (after.deadline, after.paused) == (before.deadline + 2 * HOUR, 2 * HOUR)
    assert after.urgency == before.urgency + 2 * HOUR
    assert desk.take(desk.bob).review_id != identifier  # the pause moved it behind
    assert desk.take(desk.ann).review_id == identifier
    with pytest.raises(errors.NotWaiting):
        desk.queue.answer_info(identifier, desk.bob, "Apollo")


def test_an_escalated_review_is_for_supervisors_and_comes_first(desk):
    desk.enter("d1")
    second = desk.enter("d2", deadline=desk.clock() + 2 * HOUR)
    review = desk.take(desk.bob, second)
    desk.queue.escalate(second, desk.bob, review.epoch, reason="above my head")
    with pytest.raises(errors.StaleLease):
        desk.decide(review, desk.bob)
    assert desk.take(desk.sue).review_id == second
    assert desk.take(desk.bob).review_id != second


def test_a_claimed_review_is_handed_on_by_its_holder_only(desk):
    identifier = desk.enter()
    desk.take(desk.ann)
    with pytest.raises(errors.AlreadyClaimed):
        desk.queue.escalate(identifier, desk.bob)
    with pytest.raises(errors.StaleLease):
        desk.queue.delegate(identifier, desk.bob, desk.cat, 1)


def test_a_delegated_review_is_for_one_person(desk):
    identifier = desk.enter()
    desk.queue.delegate(identifier, desk.ann, desk.bob)
    assert desk.queue.stats()[0].offered == 1
    assert desk.take(desk.cat) is None
    with pytest.raises(errors.OfferedToAnother, match="delegated to bob"):
        desk.take(desk.cat, identifier)
    assert [r.review_id for r in desk.queue.list(desk.pool, offered_to="bob")] == [identifier]
    assert desk.take(desk.bob).review_id == identifier


def test_of_two_people_who_hand_the_same_review_on_the_first_does(desk):
    identifier = desk.enter()
    desk.queue.delegate(identifier, desk.ann, desk.bob)
    with pytest.raises(errors.OfferedToAnother):
        desk.queue.delegate(identifier, desk.ann, desk.cat)
    assert desk.queue.get(identifier).review.offered_to == "bob"


def test_a_supervisor_may_take_what_an_absent_person_was_offered(desk):
    identifier = desk.enter()
    desk.queue.delegate(identifier, desk.ann, desk.bob)
    assert desk.take(desk.sue, identifier).holder == "sue"


def test_delegation_is_bounded_and_never_defeats_distinct_people(desk):
    identifier = desk.enter("d1")
    look = desk.enter("d1", kind=ReviewKind.SECOND_LOOK)
    desk.decide(desk.take(desk.ann, identifier), desk.ann)
    with pytest.raises(errors.NotDistinct):
        desk.queue.delegate(look, desk.bob, desk.ann)
    for to in (desk.bob, desk.cat, desk.bob):
        desk.queue.delegate(look, desk.sue, to)
    with pytest.raises(errors.DelegatedEnough):
        desk.queue.delegate(look, desk.sue, desk.cat)
    with pytest.raises(errors.NotYourPool):
        desk.queue.delegate(desk.enter("c", pool="claims"), desk.sue, desk.bob)


def test_an_escalated_review_is_delegated_to_supervisors_only(desk):
    identifier = desk.enter()
    desk.queue.escalate(identifier, desk.ann)
    with pytest.raises(errors.NotSupervisor):
        desk.queue.delegate(identifier, desk.sue, desk.bob)
    desk.queue.delegate(identifier, desk.sue, desk.sam)
    assert desk.take(desk.sam).review_id == identifier


# --- pools, looking -----------------------------------------------------------------------------


def test_people_work_in_their_pools_only(desk):
    identifier = desk.enter(pool="claims")
    for attempt in (
        lambda: desk.queue.claim_next("claims", desk.bob),
        lambda: desk.queue.claim(identifier, desk.bob),
        lambda: desk.queue.escalate(identifier, desk.bob),
        lambda: desk.queue.answer_info(identifier, desk.bob, "x"),
        lambda: desk.queue.delegate(identifier, desk.sue, desk.bob),
    ):
        with pytest.raises(errors.NotYourPool):
            attempt()


def test_unknown_reviews_are_named_as_such(desk):
    unknown = review_id_of("expenses", "nowhere", ReviewKind.REVIEW)
    for attempt in (
        lambda: desk.queue.claim(unknown, desk.ann),
        lambda: desk.queue.get(unknown),
        lambda: desk.queue.extend(unknown, desk.ann, 1),
        lambda: desk.queue.escalate(unknown, desk.ann),
    ):
        with pytest.raises(errors.UnknownReview):
            attempt()
    assert desk.outbox() == []


def test_stats_count_by_state(desk):
    for n in range(6):
        desk.enter(f"d{n}", deadline=desk.clock() + HOUR)
    desk.decide(desk.take(desk.ann), desk.ann)
    desk.take(desk.ann)
    held = desk.take(desk.bob)
    desk.queue.request_info(held.review_id, desk.bob, held.epoch, "?")
    listed = desk.queue.list(desk.pool)
    desk.queue.escalate(listed[0].review_id, desk.ann)
    desk.queue.delegate(listed[1].review_id, desk.ann, desk.cat)
    desk.clock.advance(HOUR + 1)
    stats = desk.queue.stats()[0]
    assert (stats.open, stats.claimed, stats.waiting, stats.supervisor, stats.offered) == (1, 1, 1, 1, 1)
    assert (stats.overdue, stats.oldest_age, stats.unpublished) == (4, HOUR + 1, len(desk.outbox()))
    assert len(desk.queue.list(desk.pool, ReviewState.DECIDED)) == 1
    assert len(desk.queue.list(desk.pool, ReviewState.WAITING)) == 1


def test_list_pages(desk):
    ids = [desk.enter(f"d{n}") for n in range(7)]
    pages = [desk.queue.list(desk.pool, offset=offset, limit=3) for offset in (0, 3, 6)]
    assert [review.review_id for page in pages for review in page] == ids


def test_steps_are_counted_without_a_gap(desk):
    desk.enter()
    review = desk.take(desk.ann)
    desk.queue.extend(review.review_id, desk.ann, review.epoch)
    with pytest.raises(errors.StaleLease):
        desk.queue.release(review.review_id, desk.ann, 9)
    desk.decide(review, desk.ann)
    assert [step for _, _, step in desk.outbox()] == [1, 2, 3, 4]
