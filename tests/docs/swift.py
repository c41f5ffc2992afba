"""`hitl` and `python` for a shell, without a second and a half of imports each time.

``serve`` imports the command once and forks for each call: the call has the caller's arguments, directory,
environment and terminal, as a process of its own. The scripts that ``Swift`` writes are what the shell finds.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path

from app.cli import main
from tests.processes import ROOT, until

_CLIENT = """#!{python} -ISE
import json, os, signal, socket, sys
line = socket.socket(socket.AF_UNIX); line.connect({address!r})
call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(line, [len(call).to_bytes(4, "big")], [0, 1, 2])
line.sendall(call)
pid = int.from_bytes(line.recv(4), "big")
signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
sys.exit(int(line.recv(4) or b"70"))
"""


class Swift:
    """The server as a process, for as long as the ``with`` block lasts. ``path`` goes before PATH."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bin"
        self._address = str(folder / "s")

    def __enter__(self) -> Swift:
        self.path.mkdir()
        script = self.path / "hitl"
        script.write_text(_CLIENT.format(python=sys.executable, address=self._address))
        script.chmod(0o755)
        python = self.path / "python"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.docs.swift", self._address], cwd=ROOT, start_new_session=True
        )

        def listens() -> bool:
            assert self._server.poll() is None
            return Path(self._address).exists()

        until(listens, "the server listens")
        return self

    def __exit__(self, *_error: object) -> None:
        os.killpg(self._server.pid, signal.SIGKILL)  # and whatever it was still asked to do
        self._server.wait()


def serve(address: str) -> None:
    """Until it is told to stop."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    door = socket.socket(socket.AF_UNIX)
    door.bind(address)
    door.listen(8)
    while True:
        line, _ = door.accept()
        if os.fork() == 0:
            door.close()
            _answer(line)
        line.close()


def _answer(line: socket.socket) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, streams, _, _ = socket.recv_fds(line, 4, 3)
    call = b""
    while len(call) < int.from_bytes(length, "big"):
        call += line.recv(1 << 16)
    line.sendall(os.getpid().to_bytes(4, "big"))
    arguments, directory, environment = json.loads(call)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["hitl", *arguments]
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    with contextlib.suppress(BrokenPipeError, ValueError):  # `hitl ... | head`
        sys.stdout.flush()
        sys.stderr.flush()
    line.sendall(str(code).encode())
    os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
