"""Hands out the work of the pools whose policy says so, to those who may do it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from app.desk.matter import matter_of
from app.domain.assignment import Colleague, candidates
from app.domain.events import ReviewRequested
from app.domain.fatigue import FatigueLimits
from app.domain.people import Directory, Profile
from app.domain.review import Refusal, Review, Reviewer
from app.policy.compiled import CompiledPolicy
from app.review_queue.assignments import Assignments
from app.review_queue.errors import UnknownReview
from app.review_queue.queue import ReviewQueue
from app.stream.errors import DecodeError

LOOKED_AT = 100
"""How many reviews of the head of a queue a pass looks at for what can be handed out; and further down, where
there is nothing."""
_NEXT_PERSON = frozenset({Refusal.RESERVED_ENOUGH, Refusal.NOT_DISTINCT})


class Assigning:
    """One pass over a pool. Any number of workers may make one: the store lets one of them assign.

    ``policy`` gives the policy in force, ``read`` decodes a ReviewRequested record, ``clock`` ms UTC."""

    def __init__(
        self,
        queue: ReviewQueue,
        assignments: Assignments,
        policy: Callable[[], CompiledPolicy],
        read: Callable[[bytes], ReviewRequested],
        clock: Callable[[], int],
    ) -> None:
        self._queue = queue
        self._assignments = assignments
        self._policy = policy
        self._read = read
        self._clock = clock
        self._below: dict[str, Iterator[Review]] = {}
        """By pool, what comes after the head of its queue and no pass has looked at yet."""

    def __call__(self, pool: str) -> Sequence[str]:
        """End what is over, then hand out what waits; the ids of the reviews that moved. One policy holds for
        the whole pass, whatever is activated meanwhile."""
        moved = self._assignments.end(pool)
        policy = self._policy()
        if pool not in policy.push:
            return moved
        head = self._queue.list(pool, limit=LOOKED_AT)
        given = self._handed_out(policy, head)
        if not given and len(head) == LOOKED_AT:
            given = self._handed_out(policy, self._further_down(policy, pool))
        return [*moved, *given]

    def _handed_out(self, policy: CompiledPolicy, reviews: Sequence[Review]) -> list[str]:
        waiting = (review for review in reviews if not review.assigned)
        return [review.review_id for review in waiting if self._hand_out(policy, review)]

    def _further_down(self, policy: CompiledPolicy, pool: str) -> Sequence[Review]:
        """The next ones behind the head of the queue, pass after pass, as long as somebody has room: what
        nobody with room may decide must not hold up what comes after it."""
        if not self._has_room(policy, pool):
            self._below.pop(pool, None)  # the most urgent first, once somebody has
            return ()
        if pool not in self._below:
            anybody = Reviewer(name="", pools=frozenset({pool}))  # sees what is offered to nobody
            self._below[pool] = islice(self._queue.candidates(pool, anybody), LOOKED_AT, None)
        found = list(islice(self._below[pool], LOOKED_AT))
        if not found:
            del self._below[pool]
        return found

    def _has_room(self, policy: CompiledPolicy, pool: str) -> bool:
        now = self._clock()
        everybody = _people(policy.directory, pool, now).items()
        people = [name for name, capacities in everybody if not capacities[0].absent(now)]
        limits = policy.fatigue.get(pool, FatigueLimits())
        work = self._assignments.workloads(pool, people, "", limits).values()
        most = policy.push[pool].most_reserved
        return any(one.reserved < most and one.rests_until <= now for one in work)

    def _hand_out(self, policy: CompiledPolicy, review: Review) -> bool:
        now = self._clock()
        terms = policy.push[review.pool]
        try:
            event = self._read(self._queue.get(review.review_id).record)
        except (UnknownReview, DecodeError):  # gone, or erased since: the others go on
            return False
        kind = event.routed.scored.decision.decision_type
        people = _people(policy.directory, review.pool, now)
        limits = policy.fatigue.get(review.pool, FatigueLimits())
        work = self._assignments.workloads(review.pool, list(people), kind, limits)
        colleagues = [Colleague(people[name], work[name]) for name in people]
        matter = matter_of(review, event, policy.terms.get(kind), policy.backups)
        for name in candidates(matter, colleagues, terms, now):
            done = self._assignments.assign(
                review.review_id, name, now + terms.reserve, most=terms.most_reserved, decision_type=kind
            )
            if not isinstance(done, Refusal):
                return True
            if done not in _NEXT_PERSON:
                return False
        return False


def _people(directory: Directory, pool: str, now: int) -> dict[str, tuple[Profile, ...]]:
    """Everybody who works in the pool at ``now``, with their capacities."""
    everybody = ((one, tuple(directory.capacities(one, now))) for one in directory.people.values())
    return {one.name: own for one, own in everybody if any(pool in c.pools for c in own)}
