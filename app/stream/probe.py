"""Does the broker answer? For readiness probes: quick, and never an exception."""

from __future__ import annotations

from threading import Lock

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from app.stream.connection import Connection


class BrokerProbe:
    """One client for all questions, made with the first, and anew after a *no*: one that lost its broker says
    no until it refreshes what it knows, 15 minutes later. ``patience`` in seconds."""

    def __init__(self, connection: Connection, patience: float = 2.0) -> None:
        self._connection = connection
        self._patience = patience
        self._lock = Lock()
        self._admin: AdminClient | None = None

    def __call__(self) -> bool:
        """Whether it answers now."""
        with self._lock:
            if self._admin is None:
                config = self._connection.client("hitl-probe", {})
                self._admin = AdminClient(config)  # type: ignore[arg-type]  # takes callables too
            admin = self._admin
        try:
            admin.list_topics(timeout=self._patience)
        except KafkaException:
            with self._lock:
                if self._admin is admin:
                    self._admin = None
            return False
        return True
