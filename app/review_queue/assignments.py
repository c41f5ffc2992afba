"""Reviews that the system hands out: what each person has, an assignment, its end. One round trip each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from app.domain.assignment import Workload
from app.domain.fatigue import FatigueLimits, rests_until
from app.domain.review import Refusal, Review, ReviewState, locate
from app.review_queue import keys as names
from app.review_queue.keys import Keys
from app.review_queue.queue import ReviewQueue
from app.review_queue.state import from_fields, pairs
from app.review_queue.store import TOGETHER, Client, Script, reachable

_HELD_AT_MOST = 1000
"""Claimed reviews of a pool that are looked at for who is busy: more than a pool has people."""


class Assignments:
    """The assignments of every pool. ``clock`` gives ms UTC."""

    def __init__(self, client: Client, keys: Keys, queue: ReviewQueue, clock: Callable[[], int]) -> None:
        self._client = client
        self._keys = keys
        self._queue = queue
        self._clock = clock
        self._assign, self._unassign = Script("assign"), Script("unassign")

    def workloads(
        self, pool: str, people: Sequence[str], decision_type: str, limits: FatigueLimits
    ) -> Mapping[str, Workload]:
        """What each of these people has in the pool. O(people + claimed reviews)."""
        held = Counter(
            review.holder for review in self._queue.list(pool, ReviewState.CLAIMED, limit=_HELD_AT_MOST)
        )
        pipe = self._client.pipeline(transaction=False)
        for name in people:
            pipe.execute_command("ZCARD", self._keys.pool(pool, names.OFFER, name))
            pipe.execute_command("ZSCORE", self._keys.pool(pool, names.GIVEN, decision_type), name)
            pipe.execute_command("ZRANGE", self._keys.pool(pool, names.TAKEN, name), 0, -1, "WITHSCORES")
        with reachable:
            found = pipe.execute() if people else []
        return {
            name: Workload(
                held=held[name],
                reserved=reserved,
                last_of_type=int(last or 0),
                rests_until=rests_until([int(at) for at in taken[1::2]], limits),
            )
            for name, reserved, last, taken in zip(people, found[::3], found[1::3], found[2::3], strict=True)
        }

    def assign(
        self, review_id: str, to: str, until: int, *, most: int, decision_type: str
    ) -> Review | Refusal:
        """Reserve a review for one person until ``until`` (ms UTC), or why not: another worker was first,
        or the person has ``most`` waiting, or takes part in the decision."""
        pool, name = locate(review_id)
        detail = msgspec.json.encode({"to": to, "until": until})
        with reachable:
            answer = self._assign.run(
                self._client,
                self._keys.pool(pool),
                [self._clock(), name, to, until, most, decision_type, detail],
            )
        if answer[0] != b"ok":
            return Refusal(answer[0].decode())
        return from_fields(review_id, pairs(answer[1]))

    def end(self, pool: str, *, at_most: int = TOGETHER) -> list[str]:
        """Give back to everybody what was not taken in time, at most so many; their review ids."""
        with reachable:
            answer = self._unassign.run(self._client, self._keys.pool(pool), [self._clock(), at_most])
        return [f"{pool}.{name.decode()}" for name in answer[1:]]
