"""Metrics of one worker process: what it counted, what it knows, and its endpoint."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import start_http_server

from app.policy.compiled import CompiledPolicy
from app.telemetry import catalogue as c
from app.telemetry.counting import Counting
from app.telemetry.counts import Counts, Increments
from app.telemetry.gauges import Gauges, Reading
from app.telemetry.labels import REASONS
from app.telemetry.standing import TargetSums

disable_created_metrics()  # type: ignore[no-untyped-call]


class WorkerMetrics:
    """One registry, one process, one endpoint. ``policy`` gives the policy in force, ``clock`` ms UTC."""

    def __init__(self, policy: Callable[[], CompiledPolicy], clock: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self.counts = Counts(c.WORKER)
        self.gauges = Gauges(c.STATE)
        """What this worker knows; other workers know the same."""
        self.shared = Gauges(c.READER)
        """What all workers share; filled by the one that reads it."""
        self._policy = policy
        self.clock = clock
        self._counting = Counting(policy)
        self._prepared: CompiledPolicy | None = None
        self._target_sums = TargetSums()
        self._sums: dict[str, float] = {}
        self.gauges.read(self._policy_state)
        for collector in (self.gauges, self.counts, self.shared):  # reading the policy prepares the counts
            self.registry.register(collector)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def observe(self, source: str) -> SourceObserver:
        """An observer for one source, whose series exist from now on."""
        self.counts.start(c.CONSUMED, source)
        self.counts.start(c.BATCH_SECONDS, source)
        for result in ("committed", "aborted"):
            self.counts.start(c.TRANSACTIONS, source, result)
        self.gauges.set(c.PAUSED, 0, source)
        return SourceObserver(self, source)

    def committed(self, events: Iterable[object]) -> Increments:
        """What the events of a committed batch add; not added yet."""
        self.follow_policy()
        return self._counting(events, self.clock())

    def add(self, increments: Increments) -> None:
        """A committed batch counts."""
        self.counts.add(increments)
        for field, by in self._target_sums(increments).items():
            self._sums[field] = self._sums.get(field, 0.0) + by

    def take_sums(self) -> dict[str, float]:
        """What came together for the targets since the last call. Batches are counted on the same loop."""
        taken, self._sums = self._sums, {}
        return taken

    def keep_sums(self, sums: Mapping[str, float]) -> None:
        """Not stored yet: for the next call."""
        for field, by in sums.items():
            self._sums[field] = self._sums.get(field, 0.0) + by

    def follow_policy(self) -> None:
        """Series of what the policy in force declares, from the start. A type that left keeps its own."""
        policy = self._policy()
        if policy is not self._prepared:
            self._prepared = policy
            self.counts.prepare(policy)

    def serve(self, port: int) -> None:
        """Serve `/metrics` on all interfaces at ``port`` from a thread of its own."""
        start_http_server(port, registry=self.registry)

    def _policy_state(self) -> Iterable[Reading]:
        self.follow_policy()
        policy = self._policy()
        yield Reading(c.POLICY, (policy.version,), 1)
        for name, terms in policy.sla_classes.items():
            if terms.duration is not None:
                yield Reading(c.SLA_TARGET, (name,), terms.duration / 1000)


class SourceObserver:
    """What a source reports, as metrics."""

    def __init__(self, metrics: WorkerMetrics, source: str) -> None:
        self._metrics = metrics
        self._source = source
        self._behind: Mapping[str, tuple[float, int]] = {}
        """By topic, how long the oldest record had waited (s) when the client said so (ms)."""
        self._in_hand: Mapping[str, int] = {}
        """By topic, since when the agents have had what they work on (ms)."""
        metrics.gauges.read(self._lag_seconds)

    def batch_begun(self, topics: Collection[str]) -> None:
        """The agents have a batch with records of these topics."""
        self._in_hand = dict.fromkeys(topics, self._metrics.clock())

    def batch_ended(self) -> None:
        """They have it no more, whatever became of it."""
        self._in_hand = {}

    def batch_committed(self, records: int, seconds: float, events: Sequence[object]) -> None:
        """A transaction with so many input records took so long, agents included; this happened."""
        found = self._metrics.committed(events)
        found.count((c.CONSUMED.name, self._source), records)
        found.count((c.TRANSACTIONS.name, self._source, "committed"))
        found.observe((c.BATCH_SECONDS.name, self._source), seconds)
        self._metrics.add(found)

    def batch_aborted(self, reason: str) -> None:  # noqa: ARG002 - reasons are logged, not labelled
        """A transaction was aborted; its records are read again."""
        self._add((c.TRANSACTIONS.name, self._source, "aborted"))

    def paused(self, reason: str) -> None:  # noqa: ARG002 - as above
        """Nothing can go on until an outage is over."""
        self._metrics.gauges.set(c.PAUSED, 1, self._source)

    def resumed(self) -> None:
        """The outage is over."""
        self._metrics.gauges.set(c.PAUSED, 0, self._source)

    def dead_letter(self, stage: str, reason: str) -> None:
        """A record was dead-lettered, committed."""
        said = reason if reason in REASONS else "other"
        self._add((c.FAILURES.name, stage, said), (c.DEAD_LETTERS.name, said))

    def behind(self, lag: Mapping[str, tuple[int, float]]) -> None:
        """By topic, how many records wait and since when the oldest one does (s)."""
        now = self._metrics.clock()
        self._behind = {topic: (seconds, now) for topic, (_, seconds) in lag.items()}
        for topic, (records, _) in lag.items():
            self._metrics.gauges.set(c.LAG_MESSAGES, records, self._source, topic)

    def _lag_seconds(self) -> Iterable[Reading]:
        """Grows from scrape to scrape: while a batch is worked on the client says nothing, and agents that
        hang would never be behind."""
        now, behind, in_hand = self._metrics.clock(), self._behind, self._in_hand
        for topic in behind.keys() | in_hand.keys():
            seconds, said_at = behind.get(topic, (0.0, now))
            waiting = seconds + (now - said_at) / 1000 if seconds else 0.0
            held = (now - in_hand.get(topic, now)) / 1000
            yield Reading(c.LAG_SECONDS, (self._source, topic), max(waiting, held, 0.0))

    def _add(self, *keys: tuple[str, ...]) -> None:
        found = Increments(0)
        for key in keys:
            found.count(key)
        self._metrics.counts.add(found)
