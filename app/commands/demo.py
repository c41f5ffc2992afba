"""``hitl demo``: the whole loop on real mortgage applications, with everything embedded."""

from __future__ import annotations

import contextlib
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from app.commands.output import console, errors
from app.errors import HitlError, UsageError
from app.settings import load_settings

if TYPE_CHECKING:
    from app.demo.report import Report
    from app.demo.seat import Seat

MOST = 1_780
FEWEST = 60


def demo(
    decisions: Annotated[
        int, typer.Option(help=f"How many applications to decide, {FEWEST} to {MOST}.", show_default=True)
    ] = MOST,
    seed: Annotated[
        int, typer.Option(help="Split, calendar, draws and reviewers follow from it.", min=0)
    ] = 7,
    exit_: Annotated[
        bool, typer.Option("--exit", help="End by itself when done, as without a terminal.")
    ] = False,
    port: Annotated[
        int, typer.Option(help="Where the console listens afterwards; 0 takes any port.", min=0, max=65535)
    ] = 8080,
    report: Annotated[
        Path | None, typer.Option(help="Write the whole report to this file, as JSON.", dir_okay=False)
    ] = None,
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain",
            help="Another chapter instead: answers, training set, a better model, shadow, certificate.",
        ),
    ] = False,
) -> None:
    """Mortgage applications of 1990, decided by a model and simulated reviewers together.

    Needs nothing but Python: broker and store are embedded and gone afterwards. 2,380 real applications;
    a small model learns from 600 and recommends on the rest; what the lenders really did is the truth.
    The same seed gives the same result. Takes about half a minute. In a terminal, the console then opens on
    a dozen fresh cases, and one reviewer's seat is yours until ctrl-c.

    Example: `hitl demo --seed 8 --report report.json` · `hitl demo --retrain`
    """
    try:
        from app.demo.progress import Progress  # noqa: PLC0415 - loaded when the demo is wanted
        from app.demo.rendering import render  # noqa: PLC0415
        from app.demo.run import Course, run_demo  # noqa: PLC0415
    except ImportError as error:
        raise HitlError(
            f"the demo needs what its extra brings ({error.name} is missing)",
            hint="pip install 'hitl-stream[demo]' (or `make demo`, which does it for you)",
        ) from error

    if not FEWEST <= decisions <= MOST:
        raise UsageError(
            f"--decisions {decisions} is not possible",
            hint=f"the data leaves {MOST} after training; use {FEWEST} to {MOST}",
        )
    if report is not None and not report.parent.is_dir():
        raise UsageError(f"{report.parent} is no folder", hint="create it first")

    if retrain:
        _retrain(seed, report)
        return

    def tell(result: Report) -> None:
        progress.stop()
        render(result, console)
        _write(result, report)

    def invite(result: Report, seat: Seat) -> None:
        tell(result)
        _sit(seat, port)

    seated = console.is_terminal and sys.stdin.isatty() and not exit_
    with Progress(errors) as progress:
        result = run_demo(
            load_settings(),
            course=Course(decisions=decisions),
            seed=seed,
            progress=progress,
            afterwards=invite if seated else None,
        )
        if not seated:
            tell(result)


def _retrain(seed: int, report: Path | None) -> None:
    from app.demo.chapter_page import render_chapter  # noqa: PLC0415 - as above
    from app.demo.progress import Progress  # noqa: PLC0415
    from app.demo.retraining import run_retraining  # noqa: PLC0415

    with Progress(errors) as progress:
        chapter = run_retraining(load_settings(), seed=seed, progress=progress)
    render_chapter(chapter, console)
    _write(chapter, report)


def _write(result: msgspec.Struct, report: Path | None) -> None:
    if report is not None:
        report.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")
        errors.print(f"report written to {report}", highlight=False, markup=False)


def _sit(seat: Seat, port: int) -> None:
    with seat.open(port) as invitation:
        console.print(
            f"\nOne seat is yours: {invitation.waiting} cases wait at {invitation.url}\n"
            f"sign in as '{invitation.name}' with the password {invitation.password}\n"
            "Here, ctrl-c ends the demo and tells how you did; signing out there does not.",
            markup=False,
            highlight=False,
        )
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    score = seat.score()
    if not score.answered:
        console.print("\nYou answered none of the cases; with `hitl demo` they wait again.", highlight=False)
    else:
        console.print(
            f"\nYou answered {score.answered}: {score.person_right} as the lender did; the AI would have had"
            f" {score.ai_right}. (Half of the cases were chosen because the AI was wrong.)",
            highlight=False,
        )
