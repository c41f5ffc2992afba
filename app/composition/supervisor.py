"""The process above a worker: holds what every start needs, and forks the worker again when it is killed."""

from __future__ import annotations

import ctypes
import gc
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from app.stream.backoff import Backoff

log = structlog.get_logger("hitl.supervisor")

QUICK_SECONDS = 10.0
"""A worker that is killed younger than this is killed by what it does, not by chance."""

MOST_QUICK = 8
"""So many of those in a row are for whoever is above us: Kubernetes, systemd, a person."""

_PR_SET_PDEATHSIG = 1
"""Option of Linux's prctl(2)."""


def supervise(work: Callable[[], None], backoff: Backoff | None = None) -> None:
    """Call ``work`` in a forked process, where this function returns or raises what ``work`` does; in this
    one, raise ``SystemExit`` with the forked one's exit code once it has ended.

    It is forked again when a signal ends it that nobody asked for: SIGKILL, a crash in native code, the
    kernel short of memory. At once; one that does not live long waits ``backoff``, and ends us after a few
    times, with 128 and the signal's number. An exit code is its own word and ends us too: a mistake in the
    configuration, a client that can not go on. SIGTERM, SIGINT and SIGHUP are passed on.

    To be called while there is one thread, no socket and no Kafka client. Where no process can be made to
    end with the one above it (everywhere but on Linux), ``work`` is called in this process.
    """
    if sys.platform != "linux":
        work()
        return
    gc.collect()
    gc.freeze()  # else the collector writes to pages that both processes share
    above, prctl = os.getpid(), ctypes.CDLL(None).prctl
    stops = {one for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) if _heeded(one)}
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Taken with sigwait only: none is lost between the fork and the wait for what it made.
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {*stops, signal.SIGCHLD})
    quick = 0
    while True:
        born = time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()
        worker = os.fork()
        if worker == 0:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != above:  # it ended before we had asked to end with it
                os.kill(os.getpid(), signal.SIGKILL)
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
            work()
            return
        code, asked = _ended(worker, stops)
        age = time.monotonic() - born
        quick = quick + 1 if age < QUICK_SECONDS else 0
        if code >= 0:
            raise SystemExit(code)
        if asked or -code in stops or quick > MOST_QUICK:
            raise SystemExit(128 - code)
        delay = (backoff or Backoff()).delay(quick - 1, random.random) if quick > 1 else 0.0
        log.warning(
            "the worker's process was killed; it is started again",
            signal=signal.Signals(-code).name,
            age_seconds=round(age, 1),
            delay_seconds=round(delay, 1),
        )
        stop = signal.sigtimedwait(stops, delay)
        if stop is not None:
            raise SystemExit(128 + stop.si_signo)


def _ended(worker: int, stops: set[signal.Signals]) -> tuple[int, bool]:
    """Wait for its end, passing on what asks for it: its exit code, or minus the signal that ended it, and
    whether it was asked. Reaps whatever else is left to us, as process 1 of a container has to."""
    asked = False
    while True:
        number = signal.sigwait({*stops, signal.SIGCHLD})
        if number in stops:
            asked = True
            os.kill(worker, number)
            continue
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == worker:
                    return os.waitstatus_to_exitcode(found[1]), asked


def _heeded(number: signal.Signals) -> bool:
    """Not so under `nohup`, or in the background of a script."""
    return signal.getsignal(number) is not signal.SIG_IGN
