"""The demo told to stop: the store that it started ends with it, whenever that is."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from app.review_queue.store import open_client
from tests.processes import PATIENCE, ROOT, until

# So many that it does not end before it is told to.
DEMO = [sys.executable, "-m", "app", "demo", "--decisions", "1780", "--exit"]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        DEMO,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # whoever runs the tests may ignore SIGHUP, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    )
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("keys", "ending"),
    [(0, signal.SIGTERM), (1, signal.SIGTERM), (100, signal.SIGTERM), (100, signal.SIGHUP)],
    ids=["as the store comes up", "first record", "at work", "terminal closed"],
)
def test_its_store_ends_with_it(
    demo: subprocess.Popen[bytes], tmp_path: Path, keys: int, ending: signal.Signals
) -> None:
    pids: list[int] = []

    def reached() -> bool:
        found = _store(tmp_path)
        if found is not None and found[1] >= keys:
            pids.append(found[0])
        assert demo.poll() is None, "the demo ended by itself"
        return bool(pids)

    until(reached, f"a store with {keys} keys")
    demo.send_signal(ending)
    assert demo.wait(PATIENCE) == 128 + ending
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    assert list(tmp_path.iterdir()) == []


def _store(folder: Path) -> tuple[int, int] | None:
    """Process id of the store and how many keys it holds; ``None`` while it does not answer."""
    for socket in folder.rglob("store.sock"):
        with (
            contextlib.suppress(redis.RedisError, OSError),
            contextlib.closing(open_client(f"unix://{socket}", timeout=1.0)) as client,
        ):
            info = client.execute_command("INFO", "server")
            text = (
                info.decode() if isinstance(info, bytes) else "\n".join(f"{k}:{v}" for k, v in info.items())
            )
            pid = next(line for line in text.splitlines() if line.startswith("process_id:"))
            return int(pid.partition(":")[2]), int(client.execute_command("DBSIZE"))
    return None
