"""Workers, Kafka and the store of the story; one worker is away for a while."""

from __future__ import annotations

import numpy as np

from app.telemetry import catalogue as c
from grafana.picture import story
from grafana.picture.ledger import Ledger
from grafana.picture.queues import Queues

_STALLED = 'alertname="HitlQueueStalled",severity="page",queue="finance-senior"'
_AT_RISK = 'alertname="HitlReviewAtRisk",severity="ticket",queue="support",sla_class="urgent"'


class Machines:
    """What reads, counts and waits."""

    def __init__(self, ledger: Ledger, random: np.random.Generator, queues: Queues) -> None:
        self._ledger = ledger
        self._random = random
        self._queues = queues

    def run(self, now: int, hours: float) -> None:
        """The last ``hours``."""
        total = sum(kind.hourly for kind in story.KINDS) * hours * story.busy(now)
        self._alert(_STALLED, story.SENIORS_STOPPED + story.HOUR, now)
        self._alert(_AT_RISK, story.END - 8 * story.MINUTE, now)
        for place, worker in enumerate(story.WORKERS):
            down = place == 1 and story.BROKEN_WORKER < now <= story.BROKEN_WORKER + 20 * story.MINUTE
            for source, topic in story.SOURCES.items():
                share = {"decide": 0.5, "review-request": 0.5, "outcome": 0.15, "drift": 0.6}[source]
                many = 0 if down else int(self._random.poisson(total * share))
                batches = min(many, int(self._random.poisson(max(many / 4, 0))))
                self._ledger.add(c.CONSUMED, many, worker, source=source)
                self._ledger.add(c.TRANSACTIONS, batches, worker, source=source, result="committed")
                failed = int(self._random.poisson(0.05 * hours)) + (2 if down else 0)
                self._ledger.add(c.TRANSACTIONS, failed, worker, source=source, result="aborted")
                took = self._random.lognormal(-3.6, 0.35, batches)
                self._ledger.observe(c.BATCH_SECONDS, took, worker, source=source)
                self._ledger.set(c.PAUSED, int(down), worker, source=source)
                behind = now - story.BROKEN_WORKER if down else self._random.exponential(0.3)
                self._ledger.set(c.LAG_SECONDS, behind, worker, source=source, topic=topic)
                waiting = behind * total / max(hours, 0.01) / story.HOUR * share
                self._ledger.set(c.LAG_MESSAGES, round(waiting), worker, source=source, topic=topic)
            for reason, rate in (("malformed", 0.08), ("unknown_type", 0.03), ("not_avro", 0.05)):
                dead = int(self._random.poisson(rate * hours))
                self._ledger.add(c.DEAD_LETTERS, dead, worker, reason=reason)
                self._ledger.add(c.FAILURES, dead, worker, stage="scoring", reason=reason)
            self._ledger.set(c.CLOCK_SKEW, 0.002 * (place + 1), worker)
            twice = int(self._random.poisson(1.2 * hours))
            self._ledger.add(c.FAILURES, twice, worker, stage="scoring", reason="duplicate")
        self._ledger.set(c.STORE_MEMORY, 38e6 + 21e3 * self._queues.undecided, story.WORKERS[0])
        self._ledger.set(c.STORE_CLIENTS, 14 + int(self._random.poisson(1)), story.WORKERS[0])
        self._ledger.set(c.STORE_SECONDS, float(self._random.lognormal(-6.4, 0.3)), story.WORKERS[0])

    def _alert(self, labels: str, since: int, now: int) -> None:
        """As Prometheus notes an alert that fires."""
        firing = now >= since
        self._ledger.remark(f'ALERTS{{alertstate="firing",{labels}}}', 1 if firing else -1)
        self._ledger.remark(f"ALERTS_FOR_STATE{{{labels}}}", since if firing else -1)
