"""What the verbs of ``hitl lab`` read and leave behind: lines, progress, reports, and a gate's exit code."""

from __future__ import annotations

import contextlib
import gzip
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import msgspec
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.commands.output import errors
from app.errors import HitlError, UsageError
from app.lab.requirements import Requirement

GZIP = b"\x1f\x8b"

PolicyFile = Annotated[
    Path | None, typer.Option(help="Policy file; HITL_POLICY, or else the example, unless given.")
]
By = Annotated[list[str] | None, typer.Option("--by", help="A fact to slice by, such as a protected group.")]
Report = Annotated[
    Path | None,
    typer.Option(help="Write the report as JSON, or as a page if its name ends in .html.", dir_okay=False),
]
Html = Annotated[
    Path | None, typer.Option(help="Write the report as one HTML page with plots.", dir_okay=False)
]
Require = Annotated[
    list[str] | None,
    typer.Option(help="A figure of the report that has to hold, else exit code 1. May be repeated."),
]


def write_reports(
    report: Path | None, html: Path | None, data: msgspec.Struct, page: Callable[[], str]
) -> None:
    """The files that were asked for. Raises ``UsageError`` for one that can not be written."""
    for path in {path: None for path in (report, html) if path is not None}:
        if path is html or path.suffix.lower() in (".html", ".htm"):
            written(path, page().encode())
        else:
            written(path, msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n")


def judge(required: list[Requirement], failed: list[str]) -> None:
    """Say what is not met. Raises ``typer.Exit`` with code 1 where anything is not."""
    for line in failed:
        errors.print(f"not met: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)
    if required:
        errors.print(f"all {len(required)} requirements are met", markup=False, highlight=False)


@contextmanager
def source(name: str) -> Iterator[Iterator[bytes]]:
    """Lines of a file, gzipped or not, or of standard input. Raises ``UsageError`` if it can not be read."""
    with contextlib.ExitStack() as open_files:
        try:
            raw: IO[bytes] = (
                sys.stdin.buffer if name == "-" else open_files.enter_context(Path(name).open("rb"))
            )
            packed = raw.peek(2)[:2] == GZIP if hasattr(raw, "peek") else False
        except OSError as error:
            raise UsageError(
                f"{name}: {error.strerror}", hint="give a JSON Lines file, or - for standard input"
            ) from error
        stream = open_files.enter_context(gzip.open(raw)) if packed else raw
        yield _read(stream, name)


def _read(stream: Iterable[bytes], name: str) -> Iterator[bytes]:
    try:
        yield from stream
    except (OSError, EOFError) as error:
        raise HitlError(f"{name} can not be read to its end: {error}", hint="is the file whole?") from error


@contextmanager
def sink(path: Path | None) -> Iterator[Callable[[bytes], object]]:
    """Writes to a file, or nowhere. Raises ``UsageError`` if it can not be written."""
    if path is None:
        yield lambda _data: None
        return
    try:
        stream = path.open("wb")
    except OSError as error:
        raise _unwritable(path, error) from error
    with stream:
        yield stream.write


def written(path: Path, data: bytes) -> None:
    """Write a file whole. Raises ``UsageError`` if it can not be written."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{path} can not be written: {error.strerror}", hint="choose a folder that exists and is writable"
    )


@contextmanager
def progress(what: str) -> Iterator[Callable[[int], None]]:
    """Say how many decisions are done, where somebody watches; ``what`` is done to them."""
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as shown:
        task = shown.add_task(what)
        yield lambda count: shown.update(task, description=f"{count:,} decisions {what}")
