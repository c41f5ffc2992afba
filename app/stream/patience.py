"""Calls of a Kafka client that are repeated while the broker says "not now" or nothing at all."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from confluent_kafka import KafkaError, KafkaException

from app.stream.errors import FatalStreamError, OverdueError, StoppedError

R = TypeVar("R")

_TRY_SECONDS = 1.0
"""How long one call may block before we look whether we should stop."""


class Patience:
    """Of one client, named ``member`` in errors. ``on_stall`` is told why nothing goes on, and ``None``
    once it does again.

    ``outage`` stays true until its owner has fresh clients: the old ones do not survive every outage.
    """

    def __init__(self, member: str, on_stall: Callable[[str | None], None]) -> None:
        self.outage = False
        self._member = member
        self._on_stall = on_stall
        self._stalled = False
        self._call_began: float | None = None
        self._give_up_at: float | None = None
        self._stopping = threading.Event()

    @property
    def stopping(self) -> bool:
        """Somebody asked to stop."""
        return self._stopping.is_set()

    def stop_by(self, seconds: float) -> None:
        """From any thread: calls that are repeated because the broker is away give up by then."""
        self._give_up_at = time.monotonic() + seconds
        self._stopping.set()

    def hung_for(self) -> float:
        """From any thread: seconds that the present call has taken beyond the one it was given. More
        than a few mean that it will never return, and only a new process helps."""
        began = self._call_began
        return 0.0 if began is None else max(0.0, time.monotonic() - began - _TRY_SECONDS)

    def until_done(self, call: Callable[[float], R], what: str, at_most: float = math.inf) -> R:
        """What ``call(timeout)`` returns once it does.

        Raises ``FatalStreamError`` when the client can not go on, ``StoppedError`` when asked to stop
        meanwhile, ``OverdueError`` after ``at_most`` seconds, and the ``KafkaException`` that wants the
        transaction aborted.
        """
        give_up_at = time.monotonic() + at_most
        while True:
            try:
                with self.watched():
                    result = call(_TRY_SECONDS)
            except KafkaException as failure:
                error = failure.args[0]
                self.raise_if_fatal(error, what)
                if not error.retriable() or error.txn_requires_abort():
                    raise
                self.stall(f"{what}: {error.name()}")
                self.check_stop(what)
                if time.monotonic() > give_up_at:
                    raise OverdueError(f"{what}: no answer in {at_most:g} s: {error.name()}") from failure
            else:
                self.stall(None)
                return result

    @contextmanager
    def watched(self) -> Iterator[None]:
        """A call that is made once, and that ``hung_for`` is to see."""
        self._call_began = time.monotonic()
        try:
            yield
        finally:
            self._call_began = None

    def check_stop(self, what: str) -> None:
        """Raises ``StoppedError`` when the time to stop is over."""
        if self._give_up_at is not None and time.monotonic() > self._give_up_at:
            raise StoppedError(f"{self._member}: stopped while {what} was being repeated")

    def raise_if_fatal(self, error: KafkaError, what: str) -> None:
        """Raises ``FatalStreamError`` for an error after which the client is of no use."""
        if error.fatal() or error.code() in (KafkaError._FATAL, KafkaError._FENCED):
            raise fatal(self._member, what, error)

    def on_error(self, error: KafkaError) -> None:
        """A client's ``error_cb``."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.outage = True

    def stall(self, reason: str | None) -> None:
        """Nothing goes on, for this reason; or it does again."""
        if self._stalled == (reason is not None):
            return
        self._stalled = reason is not None
        self.outage = True
        self._on_stall(reason)


def fatal(member: str, what: str, error: KafkaError) -> FatalStreamError:
    """The error that ends the process."""
    return FatalStreamError(
        f"{member}: {what}: {error.name()}: {error.str()}",
        hint="the process must be restarted; if it repeats, two workers use the same HITL_WORKER_SLOT",
    )
