"""Progress: plain lines now and then where there is no terminal, never on standard output."""

import io

from rich.console import Console

from app.demo.progress import PLAIN_EVERY, Progress


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def plain():
    clock = Clock()
    out = io.StringIO()
    return Progress(Console(file=out, width=120), clock=clock), clock, out


def test_steps_are_announced_with_their_seconds():
    progress, clock, out = plain()
    with progress, progress.step("broker up"):
        clock.now += 1.5
    assert out.getvalue() == "[  1.5 s] broker up (1.5 s)\n"
    assert progress.stages == {"broker up": 1.5}


def test_without_a_terminal_a_line_is_due_only_now_and_then():
    progress, clock, out = plain()
    with progress:
        progress.counts.total, progress.counts.resolved = 100, 40
        for _ in range(20):
            clock.now += PLAIN_EVERY / 10
            progress.tick()
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert "40 resolved" in lines[0]


def test_a_step_that_fails_is_not_announced_as_done():
    progress, _, out = plain()
    try:
        with progress, progress.step("store up"):
            raise OSError
    except OSError:
        pass
    assert out.getvalue() == ""


def test_on_a_terminal_the_counts_are_drawn():
    clock = Clock()
    out = io.StringIO()
    progress = Progress(Console(file=out, width=120, force_terminal=True), clock=clock)
    with progress:
        progress.counts.total, progress.counts.resolved, progress.counts.threshold = 100, 50, 0.93
        with progress.step("broker up"):
            pass
    drawn = out.getvalue()
    assert "broker up" in drawn
    assert "50 of 100" in drawn
    assert "0.930" in drawn
