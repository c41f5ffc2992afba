"""Taking work from the queues."""

from __future__ import annotations

import heapq
from collections.abc import Container, Iterator, Sequence
from itertools import takewhile

from app.desk.authority import Authority
from app.desk.case import leased
from app.desk.errors import NotAllowedError
from app.desk.matter import not_in_pool
from app.domain.authority import Deed
from app.domain.people import Profile
from app.domain.review import Refusal, Review, locate
from app.review_queue.errors import BreakDue, QueueError
from app.review_queue.values import Entry, Lease

_TAKEN_MEANWHILE = frozenset(
    {
        Refusal.ALREADY_CLAIMED,
        Refusal.ALREADY_DECIDED,
        Refusal.NOT_DISTINCT,
        Refusal.OFFERED,
        Refusal.NOT_SUPERVISOR,
        Refusal.WAITING,
        Refusal.UNKNOWN,
    }
)


class Taking(Authority):
    """Claims: the next one, or one that is named."""

    def claim_next(self, who: Profile, pool: str | None = None) -> Lease | None:
        """The most urgent review that this person may decide, in ``pool`` or in all of theirs.

        Raises ``BreakDue`` when there is none but where the person has taken enough for now."""
        if pool is not None and pool not in (*self.pools_of(who), *self._helps_out(who)):
            raise NotAllowedError(not_in_pool(who, pool, self.pools_of(who)))
        if who.absent(self._clock()):
            return None
        if pool is not None and who.unlimited and (lease := self._claim_head(who, pool)) is not None:
            return lease
        pools = [pool] if pool else [*self.pools_of(who), *self._helps_out(who)]
        resting: dict[str, BreakDue] = {}
        for review in self._candidates(who, pools, resting):
            case = self._case(review.review_id)
            if self._refused(who, Deed.CLAIM, case) is not None:
                continue
            try:
                return leased(self._queue.claim(review.review_id, self._reviewer(who, review.pool)))
            except BreakDue as error:
                resting[review.pool] = error
            except QueueError as error:
                if error.refusal not in _TAKEN_MEANWHILE:
                    raise
        if resting:
            raise min(resting.values(), key=lambda error: error.wait)
        return None

    def _claim_head(self, who: Profile, pool: str) -> Lease | None:
        """One round trip, where nothing but a conflict of interest can stand in the way."""
        reviewer = self._reviewer(who, pool)
        lease = self._queue.claim_next(pool, reviewer)
        if lease is None:
            return None
        case = self._opened(Entry(lease.review, lease.record, None))
        if self._refused(who, Deed.CLAIM, case) is None:
            return leased(lease)
        self._queue.release(
            lease.review.review_id, reviewer, lease.review.epoch, reason="not for this person"
        )
        return None

    def _candidates(self, who: Profile, pools: Sequence[str], resting: Container[str]) -> Iterator[Review]:
        """What waits in the queues that this person takes from, most urgent first; nothing more of a pool
        once it is among those that are ``resting``."""
        helps_out = self._helps_out(who)
        people = {pool: self._reviewer(who, pool) for pool in pools if pool in self._queue.pools}
        shelves = [
            takewhile(lambda review: review.pool not in resting, self._queue.candidates(pool, reviewer))
            for pool, reviewer in people.items()
            if pool in reviewer.pools or pool in helps_out  # an auditor sees others
        ]
        return heapq.merge(*shelves, key=lambda review: review.order)

    def claim(self, who: Profile, review_id: str) -> Lease:
        """Claim one review. Whoever holds it already gets a new epoch (another tab loses its own)."""
        self._admit(who, Deed.CLAIM, review_id)
        return leased(self._queue.claim(review_id, self._reviewer(who, locate(review_id)[0])))

    def _helps_out(self, who: Profile) -> Sequence[str]:
        """Other pools, whose work is offered to one of this person's pools when it gets late."""
        return self._queue.helps_out(who.as_reviewer(""))
