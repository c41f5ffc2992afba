"""docker-compose.yml for real, as far as that goes without an engine: broker and store from their services'
settings, topics, worker and console as they are started there, and the healthchecks that wait for them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import unavailable
from tests.integration.composed import PLAIN, Composed, composed
from tests.kafka_broker import KafkaUnavailableError
from tests.processes import until

pytestmark = pytest.mark.broker


def healthy(system: Composed, service: str) -> bool:
    """The service's own healthcheck, once."""
    _, program, *words = system.services[service]["healthcheck"]["test"]
    assert program == "python"
    done = subprocess.run(
        [sys.executable, *map(system.here, words)], capture_output=True, check=False, timeout=180
    )
    return done.returncode == 0


def test_worker_and_console_become_healthy() -> None:
    with composed(PLAIN) as system:
        broker = system.broker()
        try:
            broker.start()
            with system.store():
                topics = system.run(
                    "-m", "app", *system.services["topics"]["command"], env=system.env("topics")
                )
                assert topics.returncode == 0, topics.stderr
                port = system.address("worker:9464").rpartition(":")[2]
                worker = system.env("worker", HITL_METRICS_PORT=port)
                assert not healthy(system, "worker")
                started = system.start("-m", "app", "worker", "--slot", "a", env=worker, name="worker")
                port = system.address("console:8080").rpartition(":")[2]
                console = ("-m", "app", "console", "--host", "127.0.0.1", "--port", port)
                system.start(*console, env=system.env("console"), name="console")
                for service in ("worker", "console"):
                    until(lambda name=service: healthy(system, name), f"{service} is healthy")
                assert "\x1b" not in started.log.read_text()  # a log is not a terminal
        except KafkaUnavailableError as error:
            unavailable(str(error))
        finally:
            broker.stop()
