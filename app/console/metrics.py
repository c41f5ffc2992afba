"""Metrics of the console, for Prometheus. Labels are route templates, never addresses with ids."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class ConsoleMetrics:
    """Counters of one console process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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
