"""Hands out the work of the pools whose policy says so, to those who may do it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.desk.matter import matter_of
from app.domain.assignment import Colleague, candidates
from app.domain.events import ReviewRequested
from app.domain.fatigue import FatigueLimits
from app.domain.people import Directory, Profile
from app.domain.review import Refusal, Review
from app.policy.compiled import CompiledPolicy
from app.review_queue.assignments import Assignments
from app.review_queue.errors import UnknownReview
from app.review_queue.queue import ReviewQueue
from app.stream.errors import DecodeError

LOOKED_AT = 100
"""How far down a queue one pass looks for what can be handed out."""
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

    def __call__(self, pool: str) -> Sequence[str]:
        """End what is over, then hand out what waits; the ids of the reviews that moved."""
        moved = self._assignments.end(pool)
        if pool in self._policy().push:
            waiting = self._assignments.waiting(pool, at_most=LOOKED_AT)
            moved += [review.review_id for review in waiting if self._hand_out(review)]
        return moved

    def _hand_out(self, review: Review) -> bool:
        policy, now = self._policy(), self._clock()
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
