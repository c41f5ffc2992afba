"""Metrics of a worker, for Prometheus. Labels come from configuration only: never an id, never text."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import start_http_server

disable_created_metrics()  # type: ignore[no-untyped-call]

BATCH_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class WorkerMetrics:
    """Counters of one worker process. One registry, one process, one endpoint."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.events = Counter(
            "hitl_events_consumed_total", "Records read and committed.", ["source"], registry=self.registry
        )
        self.transactions = Counter(
            "hitl_transactions_total",
            "Batches by how they ended.",
            ["source", "result"],
            registry=self.registry,
        )
        self.batch_seconds = Histogram(
            "hitl_batch_seconds",
            "From the read of a batch to its commit.",
            ["source"],
            buckets=BATCH_SECONDS,
            registry=self.registry,
        )
        self.dead = Counter(
            "hitl_dead_letters_total", "Records dead-lettered.", ["stage", "reason"], registry=self.registry
        )
        self.paused = Gauge(
            "hitl_source_paused", "1 while an outage is waited out.", ["source"], registry=self.registry
        )

    def observe(self, source: str) -> SourceObserver:
        """An observer for one source, with every label combination in place from the start."""
        for result in ("committed", "aborted"):
            self.transactions.labels(source, result)
        self.events.labels(source)
        self.paused.labels(source).set(0)
        return SourceObserver(self, source)

    def serve(self, port: int) -> None:
        """Serve `/metrics` on all interfaces at ``port`` from a thread of its own."""
        start_http_server(port, registry=self.registry)


class SourceObserver:
    """What a source reports, as metrics."""

    def __init__(self, metrics: WorkerMetrics, source: str) -> None:
        self._metrics = metrics
        self._source = source

    def batch_committed(self, records: int, seconds: float) -> None:
        """A transaction with so many input records took so long, agents included."""
        self._metrics.events.labels(self._source).inc(records)
        self._metrics.transactions.labels(self._source, "committed").inc()
        self._metrics.batch_seconds.labels(self._source).observe(seconds)

    def batch_aborted(self, reason: str) -> None:  # noqa: ARG002 - reasons are logged, not labelled
        """A transaction was aborted; its records are read again."""
        self._metrics.transactions.labels(self._source, "aborted").inc()

    def paused(self, reason: str) -> None:  # noqa: ARG002 - as above
        """Nothing can go on until an outage is over."""
        self._metrics.paused.labels(self._source).set(1)

    def resumed(self) -> None:
        """The outage is over."""
        self._metrics.paused.labels(self._source).set(0)

    def dead_letter(self, stage: str, reason: str) -> None:
        """A record was dead-lettered, committed."""
        self._metrics.dead.labels(stage, reason).inc()
