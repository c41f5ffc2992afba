"""The Lua scripts and the pure state machine, driven side by side: whatever people do, both agree."""

import itertools
import json

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.domain import review_steps as rules
from app.domain import working_time
from app.domain.answers import Verdict
from app.domain.assignment import assign, unassign
from app.domain.events import Answer, ConsequenceClass, OnDeadline, ReviewKind
from app.domain.fatigue import FatigueLimits, rests_until
from app.domain.review import OVER, Refusal, Review, ReviewState, answer_id, requested
from app.domain.sla import EVENTS, Ladder, climb, next_step, take_step
from app.domain.undo import settle, undo
from app.review_queue.errors import BreakDue, QueueError

PEOPLE = ("ann", "bob", "cat", "sue", "sam")
ACTIONS = ("approve", "reject")
LADDER = Ladder(0.5, 0.6, 0.7, 0.8)

people = st.sampled_from(PEOPLE)
everybody = st.sampled_from((*PEOPLE, "kim"))  # kim works in a backup pool of this one
epochs = st.sampled_from([0, 0, 0, -1])  # how far behind the present epoch
mostly = st.sampled_from([True, True, True, False])


class SideBySide(RuleBasedStateMachine):
    make_desk = None

    @initialize()
    def begin(self):
        self.desk = type(self).make_desk()
        limits = FatigueLimits(per_hour=5, per_day=12, rest=20 * 60_000)
        # Two at a time, so that claims have to look on.
        self.desk.terms = msgspec.structs.replace(self.desk.terms, fatigue={"expenses": limits}, candidates=2)
        self.desk.queue.follow(self.desk.terms, ["expenses", "claims"])
        self.reviews = {}
        self.arrivals = itertools.count(1)
        self.bodies = {}
        self.taken = {}

    # --- what people do ---

    @rule(
        decision=st.sampled_from(["d1", "d2", "d3"]),
        kind=st.sampled_from([ReviewKind.REVIEW, ReviewKind.SECOND_LOOK]),
        cls=st.sampled_from(list(ConsequenceClass)),
        approvals=st.integers(1, 3),
        blind=st.booleans(),
        due=st.sampled_from([None, 60_000, 3_600_000, 40 * 3_600_000]),
        sla_class=st.sampled_from(["standard", "office"]),
        rule=st.sampled_from(list(OnDeadline)),
        backups=st.booleans(),
    )
    def enqueue(self, decision, kind, cls, approvals, blind, due, sla_class, rule, backups):
        now, calendar = self.desk.clock(), self.desk.terms.calendars.get(sla_class)
        deadline = None if due is None else working_time.due(calendar, now, due)
        new = self.desk.new(
            decision, kind=kind, consequence_class=cls, approvals=approvals, blind=blind, deadline=deadline,
            sla_class=sla_class, on_deadline=rule, safe_default="reject",
            ladder=list(climb(now, deadline, LADDER, calendar, backups=backups)),
        )  # fmt: skip
        identifier = new.request.review_id
        done = self.desk.queue.enqueue(new)
        assert done.repeated == (identifier in self.reviews)
        if not done.repeated:
            arrival = next(self.arrivals)
            self.reviews[identifier] = requested(new.request, decision, arrival, self.desk.terms)

    @rule(ms=st.sampled_from([1, 1_000, 30_000, 60_001, 3_600_000, 30 * 3_600_000]))
    def time_passes(self, ms):
        self.desk.clock.advance(ms)

    @rule(early=st.sampled_from([0, 0, 1]))
    @precondition(lambda self: self.reviews and any(map(next_step, self.reviews.values())))
    def a_step_is_due(self, early):
        soonest = min(step[1] for r in self.reviews.values() if (step := next_step(r)) is not None)
        self.desk.clock.advance(max(0, soonest - early - self.desk.clock()))

    @rule(data=st.data(), after=st.sampled_from([0, 1]))
    @precondition(lambda self: self.in_state(ReviewState.CLAIMED))
    def a_deadline_passes_in_somebodys_hands(self, data, after):
        deadline = self.pick(data, ReviewState.CLAIMED).deadline or 0
        self.desk.clock.advance(max(0, deadline + after - self.desk.clock()))

    @rule(most=st.integers(1, 4))
    def sla_clock(self, most):
        due = sorted(
            (step[1], name, step[0])
            for name, review in self.reviews.items()
            if (step := next_step(review)) and step[1] <= self.desk.clock()
        )[:most]
        assert self.desk.queue.sla("expenses", at_most=most) == [
            (name, EVENTS[step]) for _, name, step in due
        ]
        for _, name, _ in due:
            self.reviews[name] = take_step(self.reviews[name], self.desk.clock(), self.desk.terms)
            assert self.desk.queue.get(name).review == self.reviews[name]

    @rule(who=everybody)
    def claim_next(self, who):
        reviewer = self.person(who)
        self.lapsed(2)
        if rests_until(self.takes(who), self.desk.terms.fatigue["expenses"]) > self.desk.clock():
            with pytest.raises(BreakDue):
                self.desk.queue.claim_next("expenses", reviewer)
            return
        expected = next(
            (
                after
                for review in sorted(self.in_state(ReviewState.OPEN), key=lambda r: r.order)
                if self.sees(who, review) and isinstance(after := self.claimed(review, reviewer), Review)
            ),
            None,
        )
        lease = self.desk.queue.claim_next("expenses", reviewer)
        assert (lease and lease.review) == expected
        if expected:
            self.count_taken(self.reviews[expected.review_id], expected)
            self.reviews[expected.review_id] = expected

    @rule(data=st.data(), who=everybody)
    @precondition(lambda self: self.reviews)
    def claim_one(self, data, who):
        review = self.pick(data, ReviewState.OPEN)
        if review.state is ReviewState.CLAIMED and review.lease_until <= self.desk.clock():
            review = self.reviews[review.review_id] = rules.lapse(review)
        self.both(
            review,
            lambda: self.claimed(review, self.person(who)),
            lambda: self.desk.queue.claim(review.review_id, self.person(who)).review,
            recorded=False,
        )
        self.count_taken(review, self.reviews[review.review_id])

    @rule(
        data=st.data(),
        to=st.sampled_from(["ann", "bob"]),
        most=st.integers(1, 2),
        ms=st.sampled_from([1_000, 60_000]),
    )
    @precondition(lambda self: self.reviews)
    def assign(self, data, to, most, ms):
        review = self.pick(data, ReviewState.OPEN)
        until = self.desk.clock() + ms
        waiting = sum(r.offered_to == to for r in self.in_state(ReviewState.OPEN))
        expected = assign(review, to, until, reserved=waiting, most=most, siblings=self.siblings(review))
        kind = data.draw(st.sampled_from("ab"))
        found = self.desk.assignments.assign(review.review_id, to, until, most=most, decision_type=kind)
        assert found == expected
        if not isinstance(expected, Refusal):
            self.reviews[review.review_id] = expected
        assert self.desk.queue.get(review.review_id).review == self.reviews[review.review_id]

    @rule(most=st.integers(1, 3), early=st.sampled_from([0, 1]))
    @precondition(lambda self: self.reserved())
    def unassign(self, most, early):
        soonest = min(review.reserved_until for review in self.reserved())
        self.desk.clock.advance(max(0, soonest - early - self.desk.clock()))
        over = [r for r in self.reserved() if r.reserved_until <= self.desk.clock()]
        over = sorted(over, key=lambda r: (r.reserved_until, r.review_id))[:most]
        assert self.desk.assignments.end("expenses", at_most=most) == [r.review_id for r in over]
        for review in over:
            self.reviews[review.review_id] = unassign(review)
            assert self.desk.queue.get(review.review_id).review == unassign(review)

    @rule(most=st.integers(1, 3))
    def expire(self, most):
        assert self.desk.queue.expire("expenses", at_most=most) == self.lapsed(most)

    @rule(data=st.data(), behind=epochs)
    @precondition(lambda self: self.in_state(ReviewState.CLAIMED))
    def extend(self, data, behind):
        review, epoch = self.lease(data, behind)
        who = self.holder(data, review)
        self.both(
            review,
            lambda: rules.extend(review, who, epoch, self.desk.clock(), self.desk.terms.lease),
            lambda: self.desk.queue.extend(review.review_id, self.person(who), epoch),
        )

    @rule(data=st.data(), behind=epochs)
    @precondition(lambda self: self.in_state(ReviewState.CLAIMED))
    def release(self, data, behind):
        review, epoch = self.lease(data, behind)
        who = self.holder(data, review)
        self.both(
            review,
            lambda: rules.release(review, who, epoch),
            lambda: self.desk.queue.release(review.review_id, self.person(who), epoch),
        )

    @rule(data=st.data(), behind=epochs, action=st.sampled_from(ACTIONS))
    @precondition(lambda self: self.in_state(ReviewState.CLAIMED))
    def reveal(self, data, behind, action):
        review, epoch = self.lease(data, behind)
        who = review.holder or "ann"
        self.both(
            review,
            lambda: rules.reveal(review, who, epoch, action),
            lambda: self.desk.queue.reveal(review.review_id, self.person(who), epoch, action),
        )

    @rule(
        data=st.data(),
        behind=epochs,
        action=st.sampled_from(ACTIONS),
        digest=st.sampled_from("aaaaab"),
        window=st.sampled_from([0, 10_000, 60_000]),
    )
    @precondition(lambda self: self.in_state(ReviewState.CLAIMED))
    def decide(self, data, behind, action, digest, window):
        review, epoch = self.lease(data, behind)
        who = self.holder(data, review)
        answer = Answer(
            answer_id="", review_id=review.review_id, reviewer=who, action=action, changes=None,
            reasoning="r", reason_code="", category=None, note="", tags=[], first_action=None,
            package_digest=digest * 64, lease_epoch=epoch, claimed_at=0, decided_at=self.desk.clock(),
        )  # fmt: skip
        answer = msgspec.structs.replace(answer, answer_id=answer_id(answer))
        self.both(
            review,
            lambda: rules.decide(review, answer, self.desk.terms, window),
            lambda: (
                self.desk.queue.decide(
                    review.review_id,
                    self.person(who),
                    epoch,
                    digest * 64,
                    Verdict(action=action, reasoning="r"),
                    undo_window=window,
                ).review
            ),
        )

    @rule(data=st.data(), behind=epochs, early=st.sampled_from([None, 1, 0]))
    @precondition(lambda self: self.held())
    def undo(self, data, behind, early):
        """Also at the very moment from which it is too late, and one before it."""
        held = sorted(review.review_id for review in self.held())
        review = self.reviews[data.draw(st.sampled_from(held))] if data.draw(mostly) else self.pick(data)
        if early is not None:
            self.desk.clock.advance(max(0, review.undo_until - early - self.desk.clock()))
        who, epoch = self.holder(data, review), review.epoch + behind
        self.both(
            review,
            lambda: undo(review, who, epoch, self.desk.clock(), self.desk.terms.lease),
            lambda: self.desk.queue.undo(review.review_id, self.person(who), epoch).review,
        )

    @rule(most=st.integers(1, 4), early=st.sampled_from([None, 1, 0]))
    @precondition(lambda self: self.held())
    def settle(self, most, early):
        held = sorted(self.held(), key=lambda r: (r.undo_until, r.review_id))
        if early is not None:
            self.desk.clock.advance(max(0, held[0].undo_until - early - self.desk.clock()))
        due = [review for review in held if review.undo_until <= self.desk.clock()][:most]
        assert self.desk.queue.settle("expenses", at_most=most) == [review.review_id for review in due]
        for review in due:
            self.reviews[review.review_id] = settle(review)
            assert self.desk.queue.get(review.review_id).review == settle(review)

    @rule(data=st.data(), behind=epochs)
    @precondition(lambda self: self.in_state(ReviewState.CLAIMED))
    def request_info(self, data, behind):
        review, epoch = self.lease(data, behind)
        who = review.holder or "ann"
        self.both(
            review,
            lambda: rules.request_info(review, who, epoch, self.desk.clock(), "Which?", self.desk.terms),
            lambda: self.desk.queue.request_info(review.review_id, self.person(who), epoch, "Which?"),
        )

    @rule(data=st.data(), who=people)
    @precondition(lambda self: self.in_state(ReviewState.WAITING) or len(self.reviews) > 4)
    def answer_info(self, data, who):
        review = self.pick(data, ReviewState.WAITING)
        self.both(
            review,
            lambda: self.resumed(review, by=who, information="That."),
            lambda: self.desk.queue.answer_info(review.review_id, self.person(who), "That."),
            recorded=False,
        )

    @rule(data=st.data(), by=st.sampled_from(["svc", "ann"]), text=st.sampled_from(["That.", "This."]))
    @precondition(lambda self: self.in_state(ReviewState.WAITING) or len(self.reviews) > 2)
    def inform(self, data, by, text):
        review = self.pick(data, ReviewState.WAITING)
        epoch = review.epoch + data.draw(epochs)
        self.both(
            review,
            lambda: self.resumed(review, by=by, information=text, epoch=epoch),
            lambda: self.desk.queue.inform(review.review_id, by, text, epoch),
            recorded=False,
        )

    @rule(most=st.integers(1, 3), early=st.sampled_from([0, 1]))
    @precondition(lambda self: self.in_state(ReviewState.WAITING))
    def nobody_answers(self, most, early):
        waiting = sorted((r.paused_at, r.review_id) for r in self.in_state(ReviewState.WAITING))
        end = waiting[0][0] + self.desk.terms.max_pause
        self.desk.clock.advance(max(0, end - early - self.desk.clock()))
        since = self.desk.clock() - self.desk.terms.max_pause
        due = [name for paused_at, name in waiting if paused_at <= since][:most]
        assert self.desk.queue.end_pauses("expenses", at_most=most) == due
        for name in due:
            self.reviews[name] = self.resumed(self.reviews[name])
            assert self.desk.queue.get(name).review == self.reviews[name]

    def resumed(self, review, **given):
        calendar = self.desk.terms.calendars.get(review.sla_class)
        return rules.resume(review, self.desk.clock(), calendar, **given)

    @rule(data=st.data(), behind=st.sampled_from([None, 0, -1]))
    @precondition(lambda self: self.reviews)
    def escalate(self, data, behind):
        review, epoch = self.lease(data, behind)
        who = (epoch is not None and review.holder) or "ann"
        self.both(
            review,
            lambda: rules.escalate(review, who, epoch, self.desk.terms),
            lambda: self.desk.queue.escalate(review.review_id, self.person(who), epoch),
        )

    @rule(data=st.data(), behind=st.sampled_from([None, 0, -1]), by=people, to=people)
    @precondition(lambda self: self.reviews)
    def delegate(self, data, behind, by, to):
        review, epoch = self.lease(data, behind)
        who, receiver = (epoch is not None and review.holder) or by, self.person(to)
        self.both(
            review,
            lambda: rules.delegate(
                review,
                self.person(who),
                epoch,
                receiver,
                terms=self.desk.terms,
                siblings=self.siblings(review),
            ),
            lambda: self.desk.queue.delegate(review.review_id, self.person(who), receiver, epoch),
        )

    @rule(data=st.data(), who=people, to=people)
    @precondition(lambda self: self.reviews)
    def reassign(self, data, who, to):
        review = self.pick(data, ReviewState.OPEN, ReviewState.CLAIMED)
        actor, receiver = self.person(who), self.person(to)
        self.both(
            review,
            lambda: rules.reassign(review, actor, receiver, self.siblings(review)),
            lambda: self.desk.queue.reassign(review.review_id, actor, receiver),
        )

    @rule(data=st.data(), really=st.integers(0, 5).map(lambda n: n == 0))
    @precondition(lambda self: len(self.reviews) > 2)
    def cancel(self, data, really):
        if really:
            review = self.pick(data)
            if review.undo_until:
                review = self.reviews[review.review_id] = settle(review)
            self.both(
                review,
                lambda: rules.cancel(review, self.desk.clock()),
                lambda: self.desk.queue.cancel(review.review_id, self.desk.ann),
                recorded=False,
            )

    # --- what must always hold ---

    @invariant()
    def the_same_queues_in_the_same_order(self):
        if not getattr(self, "reviews", None):
            return
        queue = self.desk.queue
        open_ = sorted(self.in_state(ReviewState.OPEN), key=lambda r: r.order)
        shelves = {
            "pool": [r for r in open_ if not r.offered_to and not r.tier],
            "supervisors": [r for r in open_ if not r.offered_to and r.tier],
            **{who: [r for r in open_ if r.offered_to == who] for who in PEOPLE},
        }
        assert queue.list("expenses") == shelves.pop("pool")
        assert queue.list("expenses", escalated=True) == shelves.pop("supervisors")
        for who, offers in shelves.items():
            assert queue.list("expenses", offered_to=who) == offers
        for state in (ReviewState.CLAIMED, ReviewState.WAITING, ReviewState.DECIDED):
            there = OVER if state is ReviewState.DECIDED else {state}
            assert {r.review_id: r for r in queue.list("expenses", state)} == {
                r.review_id: r for r in self.reviews.values() if r.state in there
            }
        for who in ("ann", "sue", "kim"):
            reviewer = self.person(who)
            fitting = [r for r in open_ if self.sees(who, r) and self.may_have(r, reviewer)]
            assert list(queue.candidates("expenses", reviewer)) == fitting
        backed = [r.review_id for r in open_ if r.backups and not r.tier]
        places = self.times_of_the_store("backups")
        assert [f"expenses.{place.rpartition('.')[2]}" for place in places] == backed
        assert self.times_of_the_store("reserved") == {r.review_id: r.reserved_until for r in self.reserved()}
        stats = queue.stats()[0]
        clocks = [r for r in self.reviews.values() if r.state in (ReviewState.OPEN, ReviewState.CLAIMED)]
        timed = {r.review_id: r.deadline for r in clocks if r.deadline is not None}
        assert self.times_of_the_store("deadlines") == timed
        assert self.times_of_the_store("clock") == {
            r.review_id: step[1] for r in clocks if (step := next_step(r)) is not None
        }
        undecided = [*clocks, *self.in_state(ReviewState.WAITING)]
        assert stats.oldest_age == max((self.desk.clock() - r.requested_at for r in undecided), default=None)
        assert stats.open == sum(not r.offered_to and not r.tier for r in open_)
        assert stats.offered == sum(bool(r.offered_to) for r in open_)
        assert stats.open + stats.supervisor + stats.offered == len(open_)
        assert stats.claimed == len(self.in_state(ReviewState.CLAIMED))
        assert stats.waiting == len(self.in_state(ReviewState.WAITING))
        assert stats.overdue == sum(r.deadline is not None and r.deadline < self.desk.clock() for r in clocks)
        assert self.times_of_the_store("held") == {r.review_id: r.undo_until for r in self.held()}

    def teardown(self):
        """The outbox tells of each step of the ladder once, in order, and never before it was due; of each
        answer that was not taken back once, and of no other."""
        if not getattr(self, "reviews", None):
            return
        order, seen, outcomes = list(EVENTS.values()), {}, {}
        for _, entry in self.desk.client.execute_command(
            "XRANGE", self.desk.keys.pool("expenses", "outbox"), "-", "+"
        ):
            event = entry[b"@event"].decode()
            if b"@answer" in entry:
                name = f"expenses.{entry[b'@id'].decode()}"
                outcomes.setdefault(name, []).append(json.loads(entry[b"@answer"])["answer_id"])
            if event in order:
                seen.setdefault(entry[b"@id"], []).append(order.index(event))
                assert json.loads(entry[b"@detail"])["due"] <= int(entry[b"@at"])
        assert all(steps == sorted(set(steps)) for steps in seen.values())
        answered = {r.review_id: [r.answer_id] for r in self.in_state(ReviewState.DECIDED) if r.over}
        assert outcomes == answered

    # --- helpers ---

    def reserved(self):
        return [review for review in self.in_state(ReviewState.OPEN) if review.reserved_until]

    def takes(self, who):
        """When this person took reviews, oldest first; each counts by its last time."""
        return sorted(self.taken.get(who, {}).values())

    def count_taken(self, before, after):
        taken = after.state is ReviewState.CLAIMED and after.epoch > before.epoch
        if taken and before.holder != after.holder:
            self.taken.setdefault(after.holder, {})[after.review_id] = self.desk.clock()

    def held(self):
        return [review for review in self.reviews.values() if review.undo_until]

    def times_of_the_store(self, name):
        key = self.desk.keys.pool("expenses", name)
        flat = self.desk.client.execute_command("ZRANGE", key, 0, -1, "WITHSCORES")
        return {f"expenses.{name.decode()}": int(at) for name, at in zip(flat[::2], flat[1::2], strict=True)}

    def person(self, name):
        return getattr(self.desk, name)

    def in_state(self, state):
        return [review for review in self.reviews.values() if review.state is state]

    def pick(self, data, *states):
        """Any review, but mostly one in a state in which something can be done."""
        fitting = [name for name, review in self.reviews.items() if review.state in states]
        names = fitting if fitting and data.draw(mostly) else self.reviews
        return self.reviews[data.draw(st.sampled_from(sorted(names)))]

    def lease(self, data, behind):
        review = self.pick(data, ReviewState.CLAIMED if behind is not None else ReviewState.OPEN)
        return review, None if behind is None else review.epoch + behind

    def holder(self, data, review):
        """Whoever holds it, mostly."""
        return review.holder if review.holder and data.draw(mostly) else data.draw(everybody)

    def siblings(self, review):
        return [other for other in self.reviews.values() if other.decision_id == review.decision_id]

    def claimed(self, review, reviewer):
        return self.claimed_after(self.takes(reviewer.name), review, reviewer)

    def claimed_after(self, taken, review, reviewer):
        if reviewer.name == "kim":
            reviewer = msgspec.structs.replace(reviewer, backup=True)
        now, terms = self.desk.clock(), self.desk.terms
        return rules.claim(review, reviewer, now, terms, self.siblings(review), taken)

    def sees(self, who, review):
        """Whether a review is in one of the queues that a person takes from."""
        return who == "kim" or not review.offered_to or review.offered_to == who

    def may_have(self, review, reviewer):
        """Apart from a break that may be due."""
        return isinstance(self.claimed_after((), review, reviewer), Review)

    def lapsed(self, most):
        over = [r for r in self.in_state(ReviewState.CLAIMED) if r.lease_until <= self.desk.clock()]
        over = sorted(over, key=lambda r: (r.lease_until, r.review_id))[:most]
        self.reviews.update({review.review_id: rules.lapse(review) for review in over})
        return [review.review_id for review in over]

    def both(self, review, model, real, *, recorded=True):
        expected = model()
        if isinstance(expected, Refusal):
            with pytest.raises(QueueError) as refused:
                real()
            assert refused.value.refusal is expected
            expected = msgspec.structs.replace(review, step=review.step + recorded)
        else:
            assert real() == expected
        self.reviews[review.review_id] = expected
        assert self.desk.queue.get(review.review_id).review == expected


def test_scripts_and_rules_agree(make_desk):
    SideBySide.make_desk = staticmethod(make_desk)
    run_state_machine_as_test(
        SideBySide,
        settings=settings(
            max_examples=200, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
