"""The one thread from which a source calls its Kafka clients."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

log = logging.getLogger("hitl.stream")

R = TypeVar("R")


class KafkaThread:
    """Runs blocking calls one after the other. A daemon thread, unlike an executor's: a call that never
    returns must not keep the process from ending."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to serve calls, unless that was done."""
        if self._thread.ident is None:
            self._thread.start()

    def begin(self, function: Callable[[], object]) -> None:
        """Start, and make a call for which nobody waits. What it raises is only logged: for what a later call
        does if need be."""

        def serve() -> None:
            try:
                function()
            except Exception as error:
                log.debug("%s: %s", self._thread.name, error)

        self._calls.put(serve)
        self.start()

    def end(self) -> None:
        """End after the calls that were made; does not wait."""
        self._calls.put(None)

    async def call(self, function: Callable[..., R], *arguments: object) -> R:
        """The function's result, or what it raised. Cancelling the wait does not stop the call."""
        loop = asyncio.get_running_loop()
        result: asyncio.Future[R] = loop.create_future()

        def settle(method: Callable[[Any], None], value: object) -> None:
            if not result.done():
                method(value)

        def serve() -> None:
            try:
                value = function(*arguments)
            except BaseException as error:
                outcome: tuple[Callable[[Any], None], object] = (result.set_exception, error)
            else:
                outcome = (result.set_result, value)
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, *outcome)

        self._calls.put(serve)
        return await result

    def _run(self) -> None:
        while (serve := self._calls.get()) is not None:
            serve()
