"""Metrics of the console, for Prometheus. Labels are route templates, never addresses with ids."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.types import Scope

from app.console.outgoing import Outgoing
from app.errors import HitlError

LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class ConsoleMetrics:
    """Counters of one console process."""

    def __init__(self, messages: Outgoing | None = None) -> None:
        self.registry = CollectorRegistry()
        if messages is not None:
            self.registry.register(WebhookFigures(messages))
        self._requests = Counter(
            "hitl_console_requests_total",
            "Requests by route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "hitl_console_request_seconds",
            "From the request to the end of its answer; streams of events are left out.",
            ["route"],
            buckets=LATENCIES,
            registry=self.registry,
        )
        self.listeners = Gauge(
            "hitl_console_event_listeners", "Open streams of events.", registry=self.registry
        )
        self.sign_ins = Counter(
            "hitl_console_sign_ins_total",
            "Attempts to sign in.",
            ["method", "result"],
            registry=self.registry,
        )
        for result in ("accepted", "refused"):
            self.sign_ins.labels("password", result)
            self.sign_ins.labels("oidc", result)

    def served(self, scope: Scope, status: int, seconds: float) -> None:
        """A request was answered."""
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        if route != "/v1/events":
            self._seconds.labels(route).observe(seconds)

    def page(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self.registry)


class WebhookFigures(Collector):
    """What the store knows of webhooks, whichever process sends: read at each scrape. A receiver whose
    messages are given up is what an alert watches."""

    def __init__(self, messages: Outgoing) -> None:
        self._messages = messages

    def describe(self) -> Iterator[Metric]:
        """Nothing is read when the console starts."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """The figures of each receiver."""
        waiting = GaugeMetricFamily("hitl_webhook_waiting", "Messages on their way.", labels=["webhook"])
        failures = GaugeMetricFamily("hitl_webhook_failures", "Failures in a row.", labels=["webhook"])
        arrived = CounterMetricFamily("hitl_webhook_arrived", "Messages that arrived.", labels=["webhook"])
        lost = CounterMetricFamily("hitl_webhook_given_up", "Messages given up.", labels=["webhook"])
        try:
            for name in sorted(self._messages.receivers()):
                found = self._messages.standing(name)
                waiting.add_metric([name], found.waiting)
                failures.add_metric([name], found.failures)
                arrived.add_metric([name], found.arrived)
                lost.add_metric([name], found.given_up)
        except HitlError:  # /readyz says what is the matter
            return
        yield from (waiting, failures, arrived, lost)
