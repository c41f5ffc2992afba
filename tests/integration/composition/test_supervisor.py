"""A worker's process and the one above it: who ends with whom, what is started again, and with which code."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from tests.processes import Process, until

BEGIN = """
import os, signal, sys, time
from app.composition.supervisor import supervise
from app.stream.backoff import Backoff

def work():
    with open("pids", "a") as pids:
        print(os.getpid(), file=pids)
    while True:
        time.sleep(60)

def end(number, _):
    signal.signal(number, signal.SIG_IGN)
    raise SystemExit(int(sys.argv[1]))

signal.signal(signal.SIGTERM, end)
"""
RUN = "supervise(work, Backoff(first=0.01, longest=0.02))\n"


class Started(Process):
    """A program around ``supervise``; ``pids`` are the processes that worked, in order."""

    def __init__(self, directory: Path, program: str = "", code: int = 0) -> None:
        self._pids = directory / "pids"
        self._pids.touch()
        command = [sys.executable, "-c", BEGIN + program + RUN, str(code)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        super().__init__(command, env, directory / "log", cwd=directory)

    @property
    def pids(self) -> list[int]:
        return [int(line) for line in self._pids.read_text().split()]

    def working(self, number: int = 1) -> int:
        """The process of the ``number``-th start, once it works."""
        until(lambda: len(self.pids) >= number, f"start {number}")
        return self.pids[number - 1]


@pytest.fixture
def start(tmp_path):
    started = []

    def run(program="", code=0):
        started.append(Started(tmp_path, program, code).start())
        return started[-1]

    yield run
    for process in started:
        process.kill()


def test_a_killed_worker_is_started_again_by_the_same_process(start):
    program = start()
    for number, how in enumerate((signal.SIGKILL, signal.SIGSEGV), start=1):
        os.kill(program.working(number), how)
    third = program.working(3)
    assert psutil.Process(third).ppid() == program.pid
    assert program.says("SIGKILL") and program.says("SIGSEGV")


def test_a_worker_ends_with_the_process_above_it(start):
    program = start()
    worker = program.working()
    program.kill()
    until(lambda: not psutil.pid_exists(worker), "its end")
    assert program.pids == [worker]


def test_a_worker_whose_supervisor_is_gone_before_it_works_never_works(start):
    program = start("os.getppid = lambda: 1\n")
    assert program.wait() == 128 + signal.SIGKILL
    assert not program.pids


@pytest.mark.parametrize("code", [0, 7])
def test_an_end_that_was_asked_for_is_passed_on_and_so_is_its_code(start, code):
    program = start(code=code)
    worker = program.working()
    assert program.terminate() == code
    assert program.pids == [worker]


def test_a_signal_to_both_ends_both_once(start):
    program = start(code=5)
    for pid in (program.working(), program.pid):
        os.kill(pid, signal.SIGTERM)
    assert program.wait() == 5
    assert len(program.pids) == 1


def test_a_worker_that_is_killed_while_it_ends_stays_dead(start):
    program = start("signal.signal(signal.SIGTERM, lambda *_: open('told', 'w').close())\n")
    worker = program.working()
    program.signal(signal.SIGTERM)
    until((program.log.parent / "told").exists, "SIGTERM at the worker")
    os.kill(worker, signal.SIGKILL)
    assert program.wait() == 128 + signal.SIGKILL
    assert program.pids == [worker]


def test_a_worker_that_ends_by_itself_is_not_started_again(start):
    program = start("""
def work():
    print("wrong use")
    raise SystemExit(2)
""")
    assert program.wait() == 2
    assert program.log.read_text() == "wrong use\n"


def test_a_worker_that_always_crashes_waits_longer_each_time_and_is_given_up(start):
    program = start("""
import app.composition.supervisor as supervisor

supervisor.QUICK_SECONDS = 3600.0  # however slowly the machine lets it crash

def work():
    open("pids", "a").write("0\\n")
    os.kill(os.getpid(), signal.SIGSEGV)
""")
    assert program.wait() == 128 + signal.SIGSEGV
    assert len(program.pids) == 9
    assert program.log.read_text().count("started again") == 8


def test_an_end_is_heeded_while_a_crashing_worker_is_waited_for(start):
    program = start("""
def work():
    os.kill(os.getpid(), signal.SIGSEGV)

class Backoff:
    def __init__(self, **_):
        pass

    def delay(self, *_):
        open("pids", "a").write("0\\n")
        return 600.0
""")
    program.working()
    assert program.terminate() == 128 + signal.SIGTERM


def test_ignored_hangups_end_nobody(start):
    program = start("signal.signal(signal.SIGHUP, signal.SIG_IGN)\n")
    first = program.working()
    program.signal(signal.SIGHUP)
    os.kill(first, signal.SIGKILL)
    assert program.working(2) != first


def test_it_reaps_orphans_as_process_1_has_to(start):
    program = start("""
import ctypes

PR_SET_CHILD_SUBREAPER = 36  # orphans come to us
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)

def work(steady=work):
    if os.fork() == 0:
        os.fork()
        os._exit(0)
    os.wait()
    steady()
""")
    worker = program.working()
    children = psutil.Process(program.pid).children
    until(lambda: [child.pid for child in children()] == [worker], "no zombie is left")
