"""Events that the console itself publishes: what was submitted through the API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from threading import Lock
from typing import Protocol

from app.domain.events import Record
from app.errors import HitlError
from app.stream.errors import BrokerUnreachableError

REST = 2.0
"""Seconds after a failure in which nothing is tried: whoever stood in line while it was tried is told at
once, instead of waiting as long again, one after the other."""


class Writer(Protocol):
    """The ``EventWriter`` of the composition root."""

    def write(self, topic: str, key: str, event: Record, trace: str = "") -> None:
        """Send an event, at the latest with ``flush``. ``trace`` is the sender's W3C ``traceparent``."""

    def flush(self) -> None:
        """Wait for the broker's word on everything."""


class EventPublisher:
    """One connection for every thread of the process, made when it is first needed, and again after
    an outage."""

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[Writer]],
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """``timer`` gives seconds."""
        self._connect = connect
        self._timer = timer
        self._rests_until: float | None = None
        self._lock = Lock()
        self._stack = ExitStack()
        self._open: Writer | None = None

    @contextmanager
    def writer(self) -> Iterator[Writer]:
        """``with publisher.writer() as writer``: what was written is stored at the end of the block.
        Raises ``BrokerUnreachableError``: then it may be stored, or not."""
        with self._lock:
            if self._rests_until is not None and self._timer() < self._rests_until:
                raise BrokerUnreachableError("the broker did not answer a moment ago", hint="try again soon")
            try:
                if self._open is None:
                    self._open = self._stack.enter_context(self._connect())
                yield self._open
                self._open.flush()
                self._rests_until = None
            except BaseException as error:
                if isinstance(error, BrokerUnreachableError):
                    self._rests_until = self._timer() + REST
                self._drop()
                raise

    def publish(self, topic: str, key: str, event: Record, trace: str = "") -> None:
        """Return when the broker has stored the event. ``trace`` is the sender's W3C ``traceparent``."""
        with self.writer() as writer:
            writer.write(topic, key, event, trace)

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        self._open = None
        stack, self._stack = self._stack, ExitStack()
        with suppress(HitlError):  # an outage was reported already
            stack.close()
