"""The web server of the console: one process, which stops gracefully."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from app.console.app import create_console
from app.console.feed import Feed
from app.console.parts import ConsoleParts
from app.errors import UsageError

GRACE = 10
"""Seconds that a request in hand may take when the console is stopped."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes any. Raises ``UsageError`` when the address can not be had."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return socket.create_server(found[0][4][:2], family=found[0][0], backlog=512)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = os.strerror(errno.EADDRINUSE) if taken else error.strerror or str(error)
        hint = "choose another --port" if taken else "choose another with --host and --port"
        raise UsageError(f"{host}:{port}: {why}", hint=hint) from error


class ConsoleServer(uvicorn.Server):
    """Lets the streams of events go as soon as it is told to stop: they would hold up the end."""

    def __init__(self, parts: ConsoleParts) -> None:
        app = create_console(parts)
        super().__init__(
            uvicorn.Config(
                app,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=True,
                forwarded_allow_ips=list(parts.settings.trusted_proxies),
                timeout_graceful_shutdown=GRACE,
            )
        )
        self._feed: Feed = app.state.feed
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Remember the loop that serves."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as uvicorn calls it
        """SIGTERM or SIGINT. Uvicorn's own would let the signal end the process once the server has stopped,
        before anything else was closed."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True
        self._release()

    def stop(self) -> None:
        """As a signal, from any thread."""
        self.should_exit = True
        self._release()

    def _release(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._feed.close(), self._loop)


@contextmanager
def beside(parts: ConsoleParts, listening: socket.socket) -> Iterator[None]:
    """The console in a thread of its own, beside whatever runs in the block."""
    server = ConsoleServer(parts)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="console", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join(GRACE + 5)
