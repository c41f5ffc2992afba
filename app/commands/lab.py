"""``hitl lab``: try a policy before it acts."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from app.agents.drift import learning_terms
from app.commands.lab_log import RECORDED, begin_anew, recorded
from app.commands.lab_output import (
    By,
    Html,
    PolicyFile,
    Report,
    Require,
    judge,
    progress,
    sink,
    source,
    write_reports,
)
from app.commands.lab_shadow import shadow
from app.domain.events import Record
from app.errors import HitlError, UsageError
from app.lab.beside import Beside
from app.lab.comparison import compare
from app.lab.comparison_words import text as comparison_text
from app.lab.page import comparison_page, page
from app.lab.recorded import events, log_of
from app.lab.rendering import text
from app.lab.replay import replay as replayed
from app.lab.report import Rejects
from app.lab.requirements import failures, requirements
from app.lab.reviewers import Reviewers
from app.lab.reviewers_file import reviewers_from
from app.lab.run import Run, secret_of
from app.policy.compiled import compile_policy
from app.policy.load import load_policy
from app.settings import load_settings

app = typer.Typer(
    help="Try a policy before it acts: on decisions whose truth is known, or on what was recorded.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

app.command()(shadow)


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
    policy: PolicyFile = None,
    reviewers: Annotated[
        Path | None,
        typer.Option(help="How simulated people answer (YAML); without it they are always right, at once."),
    ] = None,
    seed: Annotated[int, typer.Option(help="All draws follow from it.", min=0)] = 1,
    out: Annotated[
        Path | None,
        typer.Option(help="Write one JSON line for each decision.", dir_okay=False),
    ] = None,
    report: Report = None,
    html: Html = None,
    require: Require = None,
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
    with _uncollected(), source(decisions) as lines, sink(out) as write, progress("simulated") as advance:
        count = 0
        for stride in run.lines(lines):
            write(encoder.encode_lines(stride))
            count += len(stride)
            advance(count)
    result = run.report()
    failed = failures(required, result)
    write_reports(report, html, result, lambda: page(result))
    print(encoder.encode(result).decode() if as_json else text(result))
    judge(required, failed)
    if result.rejected.total and not result.decisions:
        raise HitlError(
            f"none of the {result.rejected.total:,} lines of {decisions} could be simulated",
            hint="the first of them, and what is wrong, are in the report; docs/lab.md says what a line has",
        )


@app.command()
def replay(
    log: Annotated[
        list[str] | None,
        typer.Option(help="What `hitl topics tail` printed; may be repeated. Without it the broker is read."),
    ] = None,
    policy: PolicyFile = None,
    by: By = None,
    seed: Annotated[int, typer.Option(help="All draws follow from it.", min=0)] = 1,
    report: Report = None,
    html: Html = None,
    require: Require = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON instead of words.")
    ] = False,
) -> None:
    """Replay what was recorded under another policy: who would have decided, at what price, how wrongly.

    Reads `decisions.routed`, `reviews.outcomes`, `outcomes.observed`, `thresholds.updated`,
    `calibration.updated` and `policy.activated`, from the broker or from files. What nobody reviewed stays
    unknown: the error comes with an interval, or with bounds alone.

    Example: `hitl lab replay --policy policy.yaml --by region --html replay.html`

    From files: `hitl lab replay --policy policy.yaml --log decisions.jsonl --log reviews.jsonl`

    In a pipeline: `hitl lab replay ... --require 'automated_error_upper<=0.05'`
    """
    began = time.perf_counter()
    settings = load_settings()
    tried = compile_policy(load_policy(policy or settings.policy_path))
    required = requirements(require or [], compare(Beside(tried, b""), 0.0))
    rejected = Rejects()
    with progress("replayed") as advance:
        found = _exported(log, rejected) if log else recorded(settings, RECORDED, rejected)
        past = log_of(found, rejected)
        again = replayed(past, tried, secret_of(seed), by or [], advance)
    result = compare(again, time.perf_counter() - began, begin_anew(past.activated, tried))
    failed = failures(required, result)
    write_reports(report, html, result, lambda: comparison_page(result))
    print(msgspec.json.encode(result).decode() if as_json else comparison_text(result))
    judge(required, failed)


def _exported(names: Iterable[str], rejected: Rejects) -> Iterator[Record]:
    for name in names:
        with source(name) as lines:
            yield from events(lines, rejected)


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
def _uncollected() -> Iterator[None]:
    """Without looking for cycles, of which a run makes none: a tenth of its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
