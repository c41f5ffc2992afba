"""What is remembered of one pool while answers come in, and the figures that follow from it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping

import msgspec

from app.domain.learning.override_rates import Expectation
from app.domain.quality.agreement import agreement
from app.domain.quality.figures import PoolFigures
from app.domain.quality.funnel import funnel
from app.domain.quality.reviewer_record import RECENT, GoldRecord, ReviewerRecord, Times, handling

MOST_PAIRS = 300
"""Pairs of independent answers that agreement is measured on."""


class PoolRecord(msgspec.Struct):
    """One pool, from the start of the horizon."""

    name: str
    answered: int = 0
    overridden: int = 0
    late: int = 0
    decided: int = 0
    events: Counter[str] = msgspec.field(default_factory=Counter)
    times: Times = msgspec.field(default_factory=lambda: deque(maxlen=RECENT))
    pairs: deque[tuple[str, str]] = msgspec.field(default_factory=lambda: deque(maxlen=MOST_PAIRS))
    gold: GoldRecord = msgspec.field(default_factory=GoldRecord)

    def figures(self, everybody: Mapping[str, ReviewerRecord], stamped: frozenset[str]) -> PoolFigures:
        """Everything that is shown of the pool; of ``everybody``, those who answered in it."""
        people = sorted(who for who, person in everybody.items() if self.name in person.pools)
        groups: dict[str, Expectation] = {
            who: group for who in people if (group := everybody[who].by_pool.get(self.name)) is not None
        }
        return PoolFigures(
            pool=self.name,
            answered=self.answered,
            overridden=self.overridden,
            on_time=self.decided - self.late,
            late=self.late,
            escalated=self.events["escalated"],
            delegated=self.events["delegated"],
            lapsed=self.events["lease_expired"],
            paused=self.events["paused"],
            reviewers=tuple(people),
            handling=handling(self.times),
            funnel=funnel(groups),
            agreement=agreement(list(self.pairs)),
            gold=self.gold.figures(),
            stamped=tuple(who for who in people if who in stamped),
        )
