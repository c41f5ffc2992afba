"""Faust without its Kafka: agents, channels, services, timers. Kafka is ours (source.py)."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import faust
from faust.app.base import BootStrategy
from mode import Service

from app.errors import HitlError


class NoKafka(BootStrategy):
    """Starts Faust's agents and nothing of its Kafka clients, tables and web server."""

    enable_kafka = False
    enable_web = False


class HitlApp(faust.App):
    """A Faust app whose records come from sources and whose answers go to them."""

    BootStrategy = NoKafka

    def __init__(self, *arguments: Any, **settings: Any) -> None:  # noqa: ANN401 - whatever Faust takes
        super().__init__(*arguments, **settings)
        self._sources: list[Service] = []

    def _create_directories(self) -> None:
        """Nothing is kept on disk: without tables, Faust's data directory would stay empty."""

    def work_channel(self) -> Any:  # noqa: ANN401 - Faust's channel type says less than our protocol
        """A channel of ``Work`` that holds one batch: back-pressure down to the broker's fetches."""
        return self.channel(maxsize=1)

    def host(self, service: Service) -> None:
        """Start a source, or any other service, after the agents and stop it before them, in the
        reverse order of ``host`` calls."""
        self.service(cast(Any, service))  # takes instances too, whatever its annotation says

    def host_source(self, source: Service) -> None:
        """As ``host``; but all sources stop side by side and before anything else, so that no batch begins
        while another source finishes its last one."""
        self._sources.append(source)
        self.host(source)

    async def on_stop(self) -> None:
        """Sources first: the agents are there to answer, and what counts batches has counted them all."""
        for failed in await asyncio.gather(*(one.stop() for one in self._sources), return_exceptions=True):
            if isinstance(failed, BaseException):
                self.log.error("a source did not stop well: %r", failed)
        await super().on_stop()

    async def on_started_init_extra_services(self) -> None:
        """Open the channels before the first source runs. Once: opening clears what is in them."""
        if not self.flow_control.is_active():
            self.flow_control.resume()
        await super().on_started_init_extra_services()


def create_app(name: str) -> HitlApp:
    """A Faust app that never talks to a broker of its own."""
    return HitlApp(
        name,
        broker="kafka://nowhere:1",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
    )


def run(app: HitlApp) -> None:
    """Run until SIGTERM or SIGINT; raises what crashed the app, so that the process exits non-zero."""
    worker = faust.Worker(
        app,
        loglevel="WARNING",
        quiet=True,
        override_logging=False,
        redirect_stdouts=False,
        console_port=0,
        debug=False,
    )
    worker.spinner = None  # it writes for a terminal, whatever it is given
    try:
        worker.execute_from_commandline()
    except SystemExit:
        # Whoever reads the log should find what helps, too.
        if isinstance(worker.crash_reason, HitlError):
            raise worker.crash_reason from None
        raise
