"""The queues of the story: reviews wait, are taken in their order, and miss deadlines when nobody comes."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from app.telemetry import catalogue as c
from grafana.picture import story
from grafana.picture.ledger import Ledger


class Queues:
    """For each queue and SLA class what waits: since when, how many, and whether they are late."""

    def __init__(self, ledger: Ledger, random: np.random.Generator) -> None:
        self._ledger = ledger
        self._random = random
        self._waiting: dict[tuple[str, str], deque[list[float]]] = {(story.SENIORS, "complex"): deque()}
        for kind in story.KINDS:
            self._waiting.setdefault((kind.queue, kind.sla_class), deque())

    @property
    def undecided(self) -> float:
        """Reviews in all queues."""
        return sum(batch[1] for waiting in self._waiting.values() for batch in waiting)

    def ask(self, queue: str, sla_class: str, now: int, many: int) -> None:
        """So many reviews are requested."""
        self._ledger.add(c.REVIEWS_ENQUEUED, many, story.WORKERS[0], queue=queue, sla_class=sla_class)
        if many:
            self._waiting[queue, sla_class].append([now, many, 0])

    def work(self, now: int, hours: float) -> None:
        """People took what they could in the last ``hours``; the queues as they are now."""
        reader = story.WORKERS[0]
        for (queue, sla_class), waiting in self._waiting.items():
            own = {"queue": queue, "sla_class": sla_class}
            working = story.CAPACITY[queue] * story.at_work(now) * story.there(queue, now)
            self._take(queue, sla_class, waiting, now, hours, int(self._random.poisson(working * hours)))
            missed = 0.0
            for batch in waiting:
                if now - batch[0] > story.LIMITS[sla_class] and not batch[2]:
                    missed, batch[2] = missed + batch[1], 1
            self._ledger.add(c.SLA, missed, reader, result="missed", **own)
            depth = sum(batch[1] for batch in waiting)
            held = min(depth, 4) if story.there(queue, now) else 0
            asked = 1 if depth - held > 9 else 0
            for state, n in (("open", depth - held - asked), ("claimed", held), ("waiting", asked)):
                self._ledger.set(c.QUEUE_DEPTH, n, reader, state=state, **own)
            oldest = now - waiting[0][0] if waiting else 0
            self._ledger.set(c.QUEUE_OLDEST, oldest, reader, **own)
            overdue = sum(batch[1] for batch in waiting if batch[2])
            self._ledger.set(c.QUEUE_OVERDUE, overdue, reader, queue=queue)
            self._ledger.set(c.QUEUE_UNPUBLISHED, float(self._random.poisson(1.5)), reader, queue=queue)
            self._ledger.set(c.QUEUE_BROKEN, 0.0, reader, queue=queue)
            self._ledger.set(c.REVIEWERS, math.ceil(working / 12), reader, queue=queue)
            self._ledger.set(c.SLA_TARGET, story.LIMITS[sla_class], reader, sla_class=sla_class)

    def _take(
        self, queue: str, sla_class: str, waiting: deque[list[float]], now: int, hours: float, able: int
    ) -> None:
        waits: list[float] = []
        met = 0.0
        while able and waiting:
            since, many, late = waiting[0]
            taken = min(able, many)
            able -= int(taken)
            waited = now - since + self._random.uniform(30, min(1500.0, 1800 * hours))
            waits.extend([waited] * int(taken))
            met += 0 if late else taken
            waiting[0][1] -= taken
            if not waiting[0][1]:
                waiting.popleft()
        worker = story.WORKERS[0]
        self._ledger.observe(c.WAIT_SECONDS, np.array(waits), worker, queue=queue)
        self._ledger.add(c.SLA, met, worker, queue=queue, sla_class=sla_class, result="met")
        moved = int(self._random.binomial(len(waits), 0.03))
        shares = {"reviewer": 0.5, "sla_at_risk": 0.25, "deadline_rule": 0.05, "disagreement": 0.2}
        for reason, n in zip(shares, self._random.multinomial(moved, list(shares.values())), strict=True):
            self._ledger.add(c.ESCALATIONS, n, worker, queue=queue, reason=reason)
