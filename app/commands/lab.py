"""``hitl lab``: try a policy before it acts."""

from __future__ import annotations

import contextlib
import gc
import gzip
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import msgspec
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.agents.drift import learning_terms
from app.commands.output import errors
from app.commands.topics import recorded_events
from app.domain.events import Record
from app.errors import HitlError, UsageError
from app.lab.page import page
from app.lab.recorded import events, log_of
from app.lab.rendering import text
from app.lab.replay import replay as replayed
from app.lab.replay_report import replay_report
from app.lab.replay_report import text as replay_text
from app.lab.report import Rejects
from app.lab.requirements import Requirement, failures, requirements
from app.lab.reviewers import Reviewers
from app.lab.reviewers_file import reviewers_from
from app.lab.run import Run, secret_of
from app.policy.compiled import compile_policy
from app.policy.load import load_policy
from app.settings import load_settings
from app.stream.topics import Topic

app = typer.Typer(
    help="Try a policy before it acts: on decisions whose truth is known, or on what was recorded.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

GZIP = b"\x1f\x8b"
RECORDED = (
    Topic.DECISIONS_ROUTED,
    Topic.DECISIONS_RESOLVED,
    Topic.REVIEWS_OUTCOMES,
    Topic.OUTCOMES_OBSERVED,
    Topic.THRESHOLDS_UPDATED,
    Topic.CALIBRATION_UPDATED,
)
"""What a replay reads."""


@app.callback()
def root() -> None:
    """Try a policy before it acts."""


@app.command()
def simulate(
    decisions: Annotated[
        str,
        typer.Option(
            help="JSON Lines, one decision with its `truth` a line, in time order; may be gzipped; '-' reads"
            " standard input."
        ),
    ],
    policy: Annotated[
        Path | None, typer.Option(help="Policy file; HITL_POLICY, or else the example, unless given.")
    ] = None,
    reviewers: Annotated[
        Path | None,
        typer.Option(help="How simulated people answer (YAML); without it they are always right, at once."),
    ] = None,
    seed: Annotated[int, typer.Option(help="All draws follow from it.", min=0)] = 1,
    out: Annotated[
        Path | None,
        typer.Option(help="Write one JSON line for each decision.", dir_okay=False),
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the report as JSON.", dir_okay=False)] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write the report as one HTML page with plots.", dir_okay=False)
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(help="A figure of the report that has to hold, else exit code 1. May be repeated."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON instead of words.")
    ] = False,
) -> None:
    """Simulate a policy: the decisions go through the rules of the stream, without a broker.

    Simulated reviewers see what the routing reveals; the learner sees their answers and nothing else. The
    same seed gives the same lines, byte for byte. Lines that can not be taken are counted in the report with
    their reasons.

    Example: `hitl lab simulate --policy policy.yaml --decisions decisions.jsonl --reviewers reviewers.yaml
    --seed 7 --out out.jsonl --report report.json --html report.html`

    In a pipeline: `hitl lab simulate ... --require 'automated_error<=0.02' --require 'automation_rate>=0.5'`
    """
    if out is not None and decisions != "-" and out.resolve() == Path(decisions).resolve():
        raise UsageError(f"--out {out} is the file of the decisions", hint="write to another one")
    tried = compile_policy(load_policy(policy or load_settings().policy_path))
    run = Run(tried, _reviewers(reviewers), seed, learning_terms, time.perf_counter)
    required = requirements(require or [], run.report())
    encoder = msgspec.json.Encoder()
    with _uncollected(), source(decisions) as lines, _sink(out) as write, _progress() as advance:
        count = 0
        for stride in run.lines(lines):
            write(encoder.encode_lines(stride))
            count += len(stride)
            advance(count)
    result = run.report()
    failed = failures(required, result)
    if report is not None:
        _written(report, msgspec.json.format(encoder.encode(result), indent=2) + b"\n")
    if html is not None:
        _written(html, page(result).encode())
    print(encoder.encode(result).decode() if as_json else text(result))
    _judge(required, failed)


@app.command()
def replay(
    log: Annotated[
        list[str] | None,
        typer.Option(help="What `hitl topics tail` printed; may be repeated. Without it the broker is read."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="Policy file; HITL_POLICY, or else the example, unless given.")
    ] = None,
    by: Annotated[
        list[str] | None, typer.Option("--by", help="A fact to slice by, such as a protected group.")
    ] = None,
    seed: Annotated[int, typer.Option(help="All draws follow from it.", min=0)] = 1,
    report: Annotated[Path | None, typer.Option(help="Write the report as JSON.", dir_okay=False)] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(help="A figure of the report that has to hold, else exit code 1. May be repeated."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON instead of words.")
    ] = False,
) -> None:
    """Replay what was recorded under another policy: who would have decided, at what price, how wrongly.

    Reads `decisions.resolved`, `decisions.routed`, `reviews.outcomes`, `outcomes.observed`,
    `thresholds.updated` and `calibration.updated`, from files or from the broker. What nobody reviewed
    stays unknown: the error comes with an interval, or with bounds alone.

    Example: `hitl lab replay --policy policy.yaml --log decisions.jsonl --log reviews.jsonl --by region`
    """
    began = time.perf_counter()
    settings = load_settings()
    tried = compile_policy(load_policy(policy or settings.policy_path))
    rejected = Rejects()
    with _progress() as advance:
        found = _exported(log, rejected) if log else recorded_events(settings, RECORDED)
        recorded = log_of(found, rejected)
        again = replayed(recorded, tried, secret_of(seed), advance)
    names = (tried.name, tried.version)
    result = replay_report(recorded, again, by or [], names, time.perf_counter() - began)
    required = requirements(require or [], result)
    failed = failures(required, result)
    data = msgspec.json.encode(result)
    if report is not None:
        _written(report, msgspec.json.format(data, indent=2) + b"\n")
    print(data.decode() if as_json else replay_text(result))
    _judge(required, failed)


def _exported(names: Iterable[str], rejected: Rejects) -> Iterator[Record]:
    for name in names:
        with source(name) as lines:
            yield from events(lines, rejected)


def _judge(required: list[Requirement], failed: list[str]) -> None:
    for line in failed:
        errors.print(f"not met: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
    if failed:
        raise typer.Exit(1)
    if required:
        errors.print(f"all {len(required)} requirements are met", markup=False, highlight=False)


def _reviewers(path: Path | None) -> Reviewers:
    if path is None:
        return Reviewers()
    try:
        return reviewers_from(path.read_text(encoding="utf-8-sig"), str(path))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", hint="give a YAML file, see docs/lab.md") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: the file is not UTF-8 text", hint="save it as UTF-8") from error


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
def _sink(path: Path | None) -> Iterator[Callable[[bytes], object]]:
    if path is None:
        yield lambda _data: None
        return
    try:
        stream = path.open("wb")
    except OSError as error:
        raise _unwritable(path, error) from error
    with stream:
        yield stream.write


def _written(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{path} can not be written: {error.strerror}", hint="choose a folder that exists and is writable"
    )


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for cycles, of which a run makes none: a tenth of its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    if not sys.stderr.isatty():
        yield lambda _count: None
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task("simulating")
        yield lambda count: progress.update(task, description=f"{count:,} decisions simulated")
