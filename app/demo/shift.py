"""A working day of the simulated reviewers: they list, claim, extend, reveal, decide, escalate and ask,
through the queue's own verbs, in simulated time.

It is a discrete event simulation in one thread: whoever is free takes the most urgent review that may
be theirs, works on it as long as the profile says, keeps the lease alive meanwhile, and answers. The
queue's clock is the simulation's, so deadlines and waits are in simulated time. Which review is taken
depends on the queue's order without the arrival, which depends on timing; so a run can be repeated.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from itertools import count

import msgspec

from app.demo.reviewers import Profile, Reply, Shown, draw, reply
from app.domain.answers import Verdict
from app.domain.events import ReviewKind, ReviewRequested
from app.domain.review import CLASS_RANK, Review, Reviewer, ReviewState
from app.domain.terms import Terms
from app.review_queue.queue import ReviewQueue
from app.stream.codec import Codec

MINUTE = 60_000
LOOK_AGAIN = 5 * MINUTE
HEARTBEAT = 0.8
"""Share of the lease after which a reviewer at work extends it."""
REVEALED_AFTER = 0.7
"""Share of the handling time after which a blind first answer is given."""
ASKED_AFTER = 2 * MINUTE
INFORMED_AFTER = 120 * MINUTE
"""How long the applicant takes to hand in what was missing."""
ESCALATED = 0.02
"""Share of reviews that a reviewer without supervisor's rights hands to a supervisor."""
PAGE = 500


class SimulatedClock:
    """Simulated time in ms UTC, for the queue and everything that asks what time it is."""

    def __init__(self, start: int) -> None:
        self.now = start

    def __call__(self) -> int:
        """This moment."""
        return self.now


class Person(msgspec.Struct, frozen=True):
    """A simulated reviewer as the queue knows them, and the pools they take ordinary work from."""

    profile: Profile
    reviewer: Reviewer
    ordinary: frozenset[str]


def people(profiles: Sequence[Profile], terms: Terms) -> list[Person]:
    """The reviewers of a decision type: each profile's roles in the pools of the policy."""
    pools = {"pool": terms.pool, "expert_pool": terms.expert_pool}
    made = []
    for profile in profiles:
        ordinary = frozenset(pools[name] for name in profile.role.pools)
        supervises = profile.role.supervises
        reach = frozenset(pools.values()) if supervises else ordinary
        made.append(
            Person(profile, Reviewer(name=profile.name, pools=reach, supervisor=supervises), ordinary)
        )
    return made


class _Task(msgspec.Struct):
    """A review in somebody's hands."""

    person: Person
    review: Review
    requested: ReviewRequested
    reply: Reply
    until: int


class Shift:
    """The reviewers with their queue. ``truth`` gives what the lender did, ``None`` if unknown."""

    def __init__(
        self,
        queue: ReviewQueue,
        codec: Codec,
        staff: Sequence[Person],
        terms: Terms,
        *,
        clock: SimulatedClock,
        lease: int,
        truth: Callable[[str], str | None],
        seed: int,
    ) -> None:
        self._queue = queue
        self._codec = codec
        self._staff = list(staff)
        self._terms = terms
        self._clock = clock
        self._heartbeat = max(1, round(lease * HEARTBEAT))
        self._truth = truth
        self._seed = seed
        self._open: dict[str, Review] = {}
        self._part: dict[str, set[str]] = {}
        self._handed_on: set[str] = set()
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._order = count()
        self.answered = 0

    def work(self, opens_at: int, closes_at: int, *, between: Callable[[], None] | None = None) -> int:
        """One day, from ``opens_at`` until nobody has anything in hand after ``closes_at`` (ms UTC).

        ``between`` is called whenever an hour has passed and at the end. Returns how many reviews are
        left open. Whoever holds a review at closing time finishes it.
        """
        self._clock.now = max(self._clock.now, opens_at)
        self._climb()
        self._open = {review.review_id: review for review in self._listed()}
        for person in self._staff:
            self._at(opens_at, lambda person=person: self._look(person, closes_at))  # type: ignore[misc]
        hour = 3_600_000
        next_break = opens_at + hour
        while self._events:
            time, _, happens = heapq.heappop(self._events)
            while time >= next_break:
                if self._climb():
                    self._open = {review.review_id: review for review in self._listed()}
                if between is not None:
                    between()
                next_break += hour
            self._clock.now = max(self._clock.now, time)
            happens()
        if between is not None:
            between()
        return len(self._open)

    def _climb(self) -> bool:
        """The SLA clock, which workers run all the time: here with each simulated hour, so that the same seed
        gives the same. Whether anything was due."""
        return bool([step for pool in self._pools() for step in self._queue.sla(pool)])

    def _pools(self) -> list[str]:
        return sorted({pool for person in self._staff for pool in person.reviewer.pools})

    def _listed(self) -> list[Review]:
        found: list[Review] = []
        for pool in self._pools():
            for escalated in (False, True):
                offset = 0
                while page := self._queue.list(pool, ReviewState.OPEN, offset, PAGE, escalated=escalated):
                    found += page
                    offset += len(page)
        return found

    def _at(self, time: int, happens: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._order), happens))

    # --- one person ---------------------------------------------------------------------------------

    def _look(self, person: Person, closes_at: int) -> None:
        """Take the most urgent review that may be this person's, or look again a little later."""
        now = self._clock.now
        if now >= closes_at:
            return
        chosen = min(
            (review for review in self._open.values() if self._may_take(person, review, now)),
            key=_urgency,
            default=None,
        )
        if chosen is None:
            self._at(now + LOOK_AGAIN, lambda: self._look(person, closes_at))
            return
        task = self._claim(person, self._open.pop(chosen.review_id))
        beat = now + self._heartbeat
        while beat < task.until:
            self._at(beat, lambda: self._extend(task))
            beat += self._heartbeat
        self._at(task.until, lambda: self._finish(task, closes_at))

    def _may_take(self, person: Person, review: Review, now: int) -> bool:
        if review.requested_at > now or person.reviewer.name in self._part.get(review.decision_id, ()):
            return False
        if review.tier:
            return person.reviewer.supervisor and review.pool in person.reviewer.pools
        if person.reviewer.supervisor and (review.approvals > 1 or review.kind is ReviewKind.SECOND_LOOK):
            return False  # somebody who took no part must be left to break a tie
        return review.pool in person.ordinary

    def _claim(self, person: Person, review: Review) -> _Task:
        now = self._clock.now
        lease = self._queue.claim(review.review_id, person.reviewer)
        requested = self._codec.decode_as(lease.record, ReviewRequested)
        answer = self._answer(person, requested)
        self._part.setdefault(review.decision_id, set()).add(person.reviewer.name)
        task = _Task(person, lease.review, requested, answer, now + answer.handling)
        if self._asks(task):
            task.until = now + ASKED_AFTER
        elif answer.first_action is not None:
            self._at(now + round(answer.handling * REVEALED_AFTER), lambda: self._reveal(task))
        return task

    def _answer(self, person: Person, requested: ReviewRequested) -> Reply:
        decision = requested.routed.scored.decision
        package = msgspec.json.decode(requested.request.package)
        advice = package.get("ai_recommendation")
        kind = requested.request.kind
        told_later = advice is None and kind in (ReviewKind.REVIEW, ReviewKind.DECIDE, ReviewKind.AUDIT)
        advised = decision.recommendation.action
        shown = Shown(
            decision_id=decision.decision_id,
            recommendation=advice["action"] if advice else None,
            revealed=advised if told_later and requested.routed.route.level < 5 else None,
            facts=package["key_facts"],
            reason_codes=self._terms.reason_codes,
        )
        truth = self._truth(decision.decision_id) or advised
        return reply(person.profile, shown, advised=advised, truth=truth, seed=self._seed)

    def _extend(self, task: _Task) -> None:
        self._queue.extend(task.review.review_id, task.person.reviewer, task.review.epoch)

    def _reveal(self, task: _Task) -> None:
        self._queue.reveal(
            task.review.review_id,
            task.person.reviewer,
            task.review.epoch,
            task.reply.first_action or task.reply.action,
        )

    def _finish(self, task: _Task, closes_at: int) -> None:
        if self._asks(task):
            self._ask(task)
        elif self._hands_on(task):
            self._escalate(task)
        else:
            self._decide(task)
        self._look(task.person, closes_at)

    # --- what it ends with --------------------------------------------------------------------------

    def _decide(self, task: _Task) -> None:
        answer = task.reply
        decided = self._queue.decide(
            task.review.review_id,
            task.person.reviewer,
            task.review.epoch,
            task.review.digest,
            Verdict(
                action=answer.action,
                reasoning=answer.reasoning,
                reason_code=answer.reason_code,
                category=answer.category,
                note=answer.note,
                tags=tuple(answer.tags),
            ),
        )
        if decided.answer is not None:
            self.answered += 1
        else:
            self._open[task.review.review_id] = decided.review

    def _asks(self, task: _Task) -> bool:
        """Whether what the policy requires is missing and nobody has asked for it yet."""
        facts: Mapping[str, object] = msgspec.json.decode(task.requested.request.package)["key_facts"]
        missing = any(facts.get(name) is None for name in self._terms.required_facts)
        return missing and task.review.review_id not in self._handed_on

    def _ask(self, task: _Task) -> None:
        review_id, person = task.review.review_id, task.person.reviewer
        self._handed_on.add(review_id)
        self._part[task.review.decision_id].discard(person.name)
        self._queue.request_info(review_id, person, task.review.epoch, "What is missing, please?")
        self._at(self._clock.now + INFORMED_AFTER, lambda: self._inform(review_id, person))

    def _inform(self, review_id: str, person: Reviewer) -> None:
        self._open[review_id] = self._queue.answer_info(review_id, person, "The applicant handed it in.")

    def _hands_on(self, task: _Task) -> bool:
        review = task.review
        if task.person.reviewer.supervisor or review.kind not in (ReviewKind.REVIEW, ReviewKind.DECIDE):
            return False
        if review.blind or review.approvals > 1 or review.review_id in self._handed_on:
            return False
        return draw(self._seed, review.decision_id, "escalate") < ESCALATED

    def _escalate(self, task: _Task) -> None:
        review = task.review
        self._handed_on.add(review.review_id)
        self._part[review.decision_id].discard(task.person.reviewer.name)
        self._open[review.review_id] = self._queue.escalate(
            review.review_id, task.person.reviewer, review.epoch, reason="I want a second opinion on this one"
        )


def _urgency(review: Review) -> tuple[int, int, int, str]:
    """The queue's own order, apart from the arrival."""
    return (review.urgency, CLASS_RANK[review.consequence_class], review.requested_at, review.review_id)
