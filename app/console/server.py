"""The web server of the console: one process, which stops gracefully."""

from __future__ import annotations

import asyncio
from types import FrameType

import uvicorn

from app.console.app import create_console
from app.console.feed import Feed
from app.console.parts import ConsoleParts

GRACE = 10
"""Seconds that a request in hand may take when the console is stopped."""


class ConsoleServer(uvicorn.Server):
    """Lets the streams of events go as soon as it is told to stop: they would hold up the end."""

    def __init__(self, parts: ConsoleParts, host: str, port: int) -> None:
        app = create_console(parts)
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                workers=1,
                log_level="warning",
                access_log=False,
                server_header=False,
                date_header=True,
                timeout_graceful_shutdown=GRACE,
                h11_max_incomplete_event_size=64 * 1024,
            )
        )
        self._feed: Feed = app.state.feed

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM or SIGINT."""
        super().handle_exit(sig, frame)
        self.release()

    def release(self) -> None:
        """End the streams of events."""
        loop = asyncio.get_running_loop()
        self._closing = loop.create_task(self._feed.close())
