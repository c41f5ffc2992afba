"""People who do not work as the others do."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable

from app.composition.parts import open_queue
from app.domain.answers import Verdict
from app.domain.events import Answer
from app.domain.review import Review, Reviewer
from app.review_queue.errors import QueueError
from app.review_queue.values import Lease
from bench.drill.site import Site
from tests.chaos.whole_loop import Desk

SUPERVISOR = "cy"
MOST_IN_HAND = 200


class SlowDesk(Desk):
    """A team of people each of whom thinks about a review for ``takes`` seconds: it has many in hand."""

    def __init__(self, site: Site, name: str, takes: float) -> None:
        super().__init__(site.settings, site.policy, name, 1_000_000, site.agrees)
        self._takes = takes
        self._in_hand: deque[tuple[float, Lease]] = deque()

    def _answer_one(self, draw: random.Random) -> bool:
        """Answer what was thought about for long enough, or take one more."""
        if self._in_hand and self._in_hand[0][0] <= time.monotonic():
            self._answer(self._in_hand.popleft()[1], draw)
            return True
        lease = self._claim() if len(self._in_hand) < MOST_IN_HAND else None
        if lease is not None:
            self._in_hand.append((time.monotonic() + self._takes, lease))
        return lease is not None


def one_answer(
    site: Site, verdict: Verdict, meanwhile: Callable[[Review], None] = lambda _review: None
) -> Answer:
    """The supervisor takes one review, something happens ``meanwhile``, and it is answered so."""
    queue = open_queue(site.settings, site.policy).queue
    (pool,) = site.policy.pool_names
    person = Reviewer(name=SUPERVISOR, pools=frozenset({pool}), supervisor=True)
    while True:
        lease = queue.claim_next(pool, person)
        if lease is None:
            time.sleep(0.05)
            continue
        review = lease.review
        meanwhile(review)
        try:
            answer = queue.decide(review.review_id, person, review.epoch, review.digest, verdict).answer
        except QueueError:
            continue  # the lease ran out: the next one
        if answer is not None:
            site.answered[review.review_id] = verdict.action
            return answer
