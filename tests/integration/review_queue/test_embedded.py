"""The embedded store: comes up, goes away, survives what was left behind."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from app.errors import ServiceUnreachableError
from app.review_queue import embedded
from app.review_queue.embedded import EmbeddedStore, store
from app.review_queue.store import open_client


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def ending(pid):
    """A test that fails does not leave its orphan behind; one that passes has seen it go."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        raise


def test_it_keeps_its_data_and_leaves_no_process(tmp_path):
    with EmbeddedStore(tmp_path) as first:
        client = open_client(first.url)
        client.execute_command("SET", "k", "v")
        settings = client.execute_command("CONFIG", "GET", "maxmemory-policy")
        pid = first.pid
        client.close()
    assert "noeviction" in str(settings)
    assert not alive(pid)
    with store(None, tmp_path) as url:
        client = open_client(url)
        assert client.execute_command("GET", "k") == b"v"
        client.close()


def test_an_allocator_from_libc_keeps_what_scripts_need_at_hand(tmp_path, monkeypatch):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    with EmbeddedStore(tmp_path) as running:
        told = Path(f"/proc/{running.pid}/environ").read_bytes()
    assert b"GLIBC_TUNABLES=glibc.malloc.tcache_count=1000\0" in told


def test_ctrl_c_in_a_terminal_does_not_reach_it(tmp_path):
    """A terminal sends SIGINT to the whole foreground group; who uses the store is not done with it yet."""
    with EmbeddedStore(tmp_path) as running:
        assert os.getpgid(running.pid) != os.getpgid(0)


def test_a_directory_has_one_store(tmp_path):
    with (
        EmbeddedStore(tmp_path),
        pytest.raises(ServiceUnreachableError, match="in use"),
        EmbeddedStore(tmp_path),
    ):
        pass


def test_a_server_left_by_a_killed_process_is_replaced_and_its_data_kept(tmp_path):
    program = f"""
        import pathlib, sys
        from app.review_queue.embedded import EmbeddedStore
        from app.review_queue.store import open_client
        with EmbeddedStore(pathlib.Path({str(tmp_path)!r})) as left:
            open_client(left.url).execute_command("SET", "k", "v")
            print(left.pid, flush=True)
            sys.stdin.read()
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    orphan = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    with socket.socket(socket.AF_UNIX) as line, ending(orphan):
        line.settimeout(120)
        line.connect(f"{tmp_path}/store.sock")
        with EmbeddedStore(tmp_path) as heir:
            client = open_client(heir.url)
            assert client.execute_command("GET", "k") == b"v"
            assert heir.pid != orphan
            client.close()
            assert line.recv(1) == b""  # the old one is gone: two servers would share the files


def test_a_long_path_has_its_socket_elsewhere(tmp_path):
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with EmbeddedStore(deep) as started:
        client = open_client(started.url)
        assert client.execute_command("PING")
        client.close()


def test_an_address_is_taken_as_it_is(tmp_path):
    with store("redis://elsewhere:1/0", tmp_path / "unused") as url:
        assert url == "redis://elsewhere:1/0"
    assert not (tmp_path / "unused").exists()


def test_without_any_server_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded.shutil, "which", lambda _: None)
    monkeypatch.setattr(embedded, "_packaged_server", lambda: None)
    with pytest.raises(ServiceUnreachableError, match="no store") as missing, EmbeddedStore(tmp_path):
        pass
    assert "HITL_REDIS_URL" in missing.value.hint


def test_a_server_that_does_not_start_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "find_server", lambda: "/bin/false")
    with pytest.raises(ServiceUnreachableError, match="did not start"), EmbeddedStore(tmp_path):
        pass


def test_an_old_server_on_the_path_is_passed_over(tmp_path, monkeypatch):
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.2.14 sha=0'\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert embedded.find_server() != old
    old.write_text("#!/bin/sh\necho 'Redis server v=7.0.15 sha=0'\n")
    assert embedded.find_server() == old
