"""What tests start, torment and stop: processes of ours, and a store that comes back on its data."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from app.review_queue.embedded import EmbeddedStore

ROOT = Path(__file__).resolve().parent.parent


PATIENCE = 180.0
"""Seconds to wait for what normally takes one or two: a busy machine may stand still for a while."""


def until(condition: Callable[[], Any], what: str, timeout: float = PATIENCE) -> None:
    """Poll with a deadline."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(0.02)


def environment(kafka: str, redis_url: str, prefix: str, **more: str) -> dict[str, str]:
    """What our processes see: these places, and nothing of the tester's own settings."""
    own = {
        "HITL_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "HITL_REDIS_URL": redis_url,
        "HITL_TOPIC_PREFIX": prefix,
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "200",
    }
    return {**{k: v for k, v in os.environ.items() if not k.startswith("HITL_")}, **own, **more}


class Process:
    """A command as a process of its own, started with ``start``, also again. Its output goes to ``log``."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], log: Path, cwd: Path = ROOT) -> None:
        self.log = log
        self._cwd = cwd
        self._command = command
        self._env = env
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._cwd, env=self._env, stdout=log, stderr=log
            )
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def worker(self) -> int | None:
        """Process id of the worker below `hitl worker`, which does the work; ``None`` while there is none."""
        with suppress(FileNotFoundError, ProcessLookupError):
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
            return next(map(int, children.split()), None)
        return None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def says(self, text: str) -> bool:
        """Whether its log holds this."""
        return text in self.log.read_text(encoding="utf-8", errors="replace")

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Its exit code. Raises ``subprocess.TimeoutExpired`` when it takes longer."""
        assert self._process is not None
        return self._process.wait(timeout)

    def terminate(self, timeout: float = PATIENCE) -> int:
        """SIGTERM; its exit code. Raises ``subprocess.TimeoutExpired`` when it takes longer."""
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self) -> None:
        """SIGKILL, and gone, with the worker below it."""
        if self.running:
            self.signal(signal.SIGKILL)
            self.wait()

    def signal_worker(self, number: signal.Signals) -> None:
        """For the process that works, and not for the one above, which starts the next when it is killed."""
        with suppress(ProcessLookupError):
            if worker := self.worker:
                os.kill(worker, number)

    def stop(self) -> None:
        """SIGTERM, and by force when that takes too long."""
        if self.running:
            try:
                self.terminate(60)
            except subprocess.TimeoutExpired:
                self.kill()


class RestartableStore:
    """An embedded store that can be stopped and started again on the same data and address."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.start()

    def start(self) -> None:
        self._store = EmbeddedStore(self._directory).__enter__()
        self.url = self._store.url

    def restart(self, away: float) -> None:
        """Away for so many seconds."""
        address = self.url
        self.stop()
        time.sleep(away)
        self.start()
        assert self.url == address

    def stop(self) -> None:
        self._store.__exit__(None, None, None)
