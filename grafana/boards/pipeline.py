"""Kafka, workers and the store: rate, errors and duration of the work, saturation of what does it."""

from __future__ import annotations

from app.telemetry import catalogue as c
from grafana.board import SOURCE, Board, Row
from grafana.panels import PLAIN, SCOPE, Bands, Panel, Query, at_most, bars, curves, value

FROM = 'source=~"$source"'
PICKED = f"{{{FROM}}}"
LAG = at_most(60, warn=10)
ABORTED = at_most(0.05, warn=0.01)


def board() -> Board:
    """The machinery in the last hours."""
    return Board(
        uid="hitl-pipeline",
        title="Pipeline",
        about="Kafka, workers and the store: is something stopped, slow, failing or full?",
        since="12h",
        filters=(SOURCE,),
        rows=(
            Row("Is anything stopped?", 4, _stopped()),
            Row("Rate: how much comes through?", 8, _rate()),
            Row("Errors: what fails?", 8, _errors()),
            Row("Duration: how long does it take?", 8, _duration()),
            Row("Saturation of Kafka and workers: what waits?", 8, _saturation()),
            Row("Store (Redis or Valkey): is it used up or slow?", 7, _store()),
        ),
    )


def _stopped() -> tuple[tuple[int, Panel], ...]:
    now = f"count(count by (instance) ({c.PAUSED.name}{{{SCOPE}}}))"
    workers = value(
        "Workers at work, of the most in a day",
        "Those whose metrics Prometheus reads. Less than all: one is down, cannot be reached, or was taken"
        " away on purpose in the last 24 hours.",
        Query(f"({now} or vector(0)) / max_over_time({now}[1d:10m])", "workers"),
        "percentunit",
        Bands((("red", None), ("green", 1))),
        decimals=0,
    )
    paused = value(
        "Sources that wait out an outage",
        "A worker stops reading when Kafka, the store or the registry does not answer, and goes on by"
        " itself.",
        Query(f"sum(max by (instance, source) ({c.PAUSED.name}{{{SCOPE}, {FROM}}}))", "paused"),
        "short",
        at_most(1),
        decimals=0,
    )
    lag = value(
        "Lag: age of the oldest record that waits",
        "The worst of all sources.",
        Query(f"max(source:hitl_consumer_lag_seconds:max{PICKED})", "lag"),
        "s",
        LAG,
    )
    dead = value(
        "Dead letters in a day",
        "Records that no retry can mend. See them with `hitl dlq list`.",
        Query(f"sum(increase({c.DEAD_LETTERS.name}{{{SCOPE}}}[1d]))", "dead letters"),
        "short",
        Bands((("green", None), ("yellow", 1), ("red", 100))),
        decimals=0,
    )
    aborted = value(
        "Aborted batches",
        "Share of transactions that did not commit; their records are read again.",
        Query(f"max(source:hitl_transactions_aborted:ratio_rate5m{PICKED})", "aborted"),
        "percentunit",
        ABORTED,
    )
    return ((5, workers), (5, paused), (5, lag), (5, dead), (4, aborted))


def _rate() -> tuple[tuple[int, Panel], ...]:
    consumed = f"{c.CONSUMED.name}{{{SCOPE}, {FROM}}}"
    sources = curves(
        "Records per second, by source",
        "Read and committed. decide: submissions; review-request: routed decisions; outcome: answers and"
        " truths; drift: labels.",
        [Query(f"sum by (source) (rate({consumed}[$__rate_interval]))", "{{source}}")],
        "cps",
    )
    workers = curves(
        "Records per second, by worker",
        "Unequal: partitions are not spread evenly, or keys are not.",
        [Query(f"sum by (instance) (rate({consumed}[$__rate_interval]))", "{{instance}}")],
        "cps",
        stacked=True,
    )
    return ((12, sources), (12, workers))


def _errors() -> tuple[tuple[int, Panel], ...]:
    failures = curves(
        "Records that failed, per hour, by stage and reason",
        "Duplicates are among them: a producer that sends twice is harmless.",
        [
            Query(
                f"3600 * sum by (stage, reason) (rate({c.FAILURES.name}{{{SCOPE}}}[$__rate_interval]))",
                "{{stage}}: {{reason}}",
            )
        ],
        "short",
        stacked=True,
    )
    dead = bars(
        "Dead letters in the time shown, by reason",
        "docs/delivery.md says what each reason means and what to do.",
        Query(f"sum by (reason) (increase({c.DEAD_LETTERS.name}{{{SCOPE}}}[$__range]))", "{{reason}}"),
        "short",
    )
    aborted = curves(
        "Aborted batches, share by source",
        "A few come with every rebalance. Many: the broker, the store or a record makes batches fail.",
        [Query(f"source:hitl_transactions_aborted:ratio_rate5m{PICKED}", "{{source}}")],
        "percentunit",
        ABORTED,
    )
    return ((8, failures), (8, dead), (8, aborted))


def _duration() -> tuple[tuple[int, Panel], ...]:
    routing = curves(
        "From submission to route: half, and 99 of 100, take at most",
        "From the submission's record to its committed route.",
        [
            Query("all:hitl_routing_seconds:p50_5m", "half"),
            Query("all:hitl_routing_seconds:p99_5m", "99 of 100"),
        ],
        "s",
    )
    batches = curves(
        "A batch: 99 of 100 take at most",
        "From its read to its commit, by source.",
        [Query(f"source:hitl_batch_seconds:p99_5m{PICKED}", "{{source}}")],
        "s",
    )
    return ((12, routing), (12, batches))


def _saturation() -> tuple[tuple[int, Panel], ...]:
    seconds = curves(
        "Lag in seconds, by source",
        "Age of the oldest record that waits. A straight line upwards: nobody reads.",
        [Query(f"source:hitl_consumer_lag_seconds:max{PICKED}", "{{source}}")],
        "s",
        LAG,
    )
    workers = curves(
        "Lag in seconds, by worker",
        "One worker alone: look at that worker. All: look at Kafka, or add workers.",
        [Query(f"max by (instance) ({c.LAG_SECONDS.name}{{{SCOPE}, {FROM}}})", "{{instance}}")],
        "s",
        LAG,
    )
    records = curves(
        "Records that wait, by source",
        "How much work that is.",
        [Query(f"source:hitl_consumer_lag_messages:sum{PICKED}", "{{source}}")],
        "short",
    )
    return ((8, seconds), (8, workers), (8, records))


def _store() -> tuple[tuple[int, Panel], ...]:
    memory = curves(
        "Memory of the store",
        "It must not evict; docs/review-queue.md says how much a million open reviews take.",
        [Query(f"max({c.STORE_MEMORY.name}{{{SCOPE}}})", "used")],
        "bytes",
    )
    answer = curves(
        "Answer time of the store",
        "Of the last look at the queues. Above 100 ms every claim and every batch feels it.",
        [Query(f"max({c.STORE_SECONDS.name}{{{SCOPE}}})", "answer")],
        "s",
        at_most(0.1, warn=0.02),
    )
    clients = curves(
        "Connections to the store",
        "Rising without end: a client leaks them.",
        [Query(f"max({c.STORE_CLIENTS.name}{{{SCOPE}}})", "connections")],
        "short",
        PLAIN,
    )
    outbox = curves(
        "Outbox: not in Kafka yet",
        "Steps of reviews. A queue that rises: the relay does not run, or Kafka does not take it. Nothing is"
        " lost meanwhile. Put aside: could not be published; hitl queue broken list.",
        [
            Query(f"max by (queue) ({c.QUEUE_UNPUBLISHED.name}{{{SCOPE}}})", "{{queue}}"),
            Query(f"sum(max by (queue) ({c.QUEUE_BROKEN.name}{{{SCOPE}}}))", "put aside"),
        ],
        "short",
        at_most(1000, warn=100),
    )
    clocks = curves(
        "Clocks: how far off the store's",
        "Leases and deadlines go by them. Above 5 s: run NTP on that machine.",
        [Query(f"max by (instance) (abs({c.CLOCK_SKEW.name}{{{SCOPE}}}))", "{{instance}}")],
        "s",
        at_most(5, warn=1),
    )
    return ((5, memory), (5, answer), (4, clients), (5, outbox), (5, clocks))
