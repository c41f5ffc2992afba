"""``hitl export``: what people decided, as a data set to train the next model on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.commands.output import errors, print_json, print_line
from app.composition.parts import connection_of, open_codec
from app.domain.events import Feedback, ObservedOutcome
from app.domain.training_card import described
from app.domain.training_set import SINKS_IN_ORDER, Plan
from app.errors import HitlError
from app.settings import load_settings
from app.stream.codec import Codec
from app.stream.errors import DecodeError
from app.stream.reader import LogReader
from app.stream.topics import Topic
from app.training.tables import Format, require
from app.training.write import Told, write_training_set

app = typer.Typer(
    help="Data sets from what people decided.", no_args_is_help=True, rich_markup_mode="markdown"
)


@app.callback()
def root() -> None:
    """Data sets from what people decided."""


@app.command()
def training(
    out: Annotated[Path, typer.Option(help="Folder to write to; made if it is not there.")],
    form: Annotated[Format, typer.Option("--format", help="csv, or parquet (an extra).")] = Format.CSV,
    decision_type: Annotated[str | None, typer.Option("--type", help="Only this decision type.")] = None,
    all_sinks: Annotated[
        bool, typer.Option("--all", help="Also what taught rules, the policy and people.")
    ] = False,
    test_share: Annotated[float, typer.Option(help="Share of decisions to test on.", min=0, max=1)] = 0.2,
    largest_weight: Annotated[float, typer.Option(help="No row weighs more.", min=1)] = 100.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write every training example of the log as one table, with a data card beside it.

    Facts are columns, `weight` is 1 / the probability with which a person saw the case, `split` says what to
    test on. The same log gives the same bytes. Interrupted, it goes on where it stopped.

    Example: `hitl export training --out training --type expense.approval`
    """
    require(form)
    settings = load_settings()
    codec, reader = open_codec(settings), LogReader(connection_of(settings))
    plan = Plan(secret=settings.secret, test_share=test_share, largest_weight=largest_weight)
    sinks = SINKS_IN_ORDER if all_sinks else SINKS_IN_ORDER[:1]
    try:
        with _progress() as progress:
            task = progress.add_task("reading answers", total=None, rows=0)
            written = write_training_set(
                out,
                form,
                plan,
                described(sinks, decision_type),
                lambda start: _answers(reader, codec, sinks, decision_type, start),
                lambda: _truths(reader, codec),
                lambda doing, rows: progress.update(task, description=doing, rows=rows),
            )
    except OSError as error:
        raise HitlError(f"{out}: {error.strerror}", hint="choose a folder with space to write to") from error
    if as_json:
        print_json({"file": str(written.table), "rows": written.rows, "repeated": written.repeated})
        return
    text = f"{written.rows} rows in {written.table}; what they are is in {written.card}"
    print_line(text)


def _answers(
    reader: LogReader,
    codec: Codec,
    sinks: tuple[str, ...],
    decision_type: str | None,
    start: Mapping[tuple[str, int], int],
) -> Iterator[Told]:
    for record in reader.read_all([f"feedback.{sink}" for sink in sinks], start=start):
        try:
            event = codec.decode(record.value)
        except DecodeError:
            event = None  # nothing of ours: it taught nobody anything
        wanted = isinstance(event, Feedback) and decision_type in (None, event.decision_type)
        answer = event if isinstance(event, Feedback) and wanted else None
        yield (record.topic, record.partition), record.offset, answer


def _truths(reader: LogReader, codec: Codec) -> dict[str, str]:
    """The action that a later truth calls right, by decision; the last one stands."""
    truths: dict[str, tuple[int, str]] = {}
    for record in reader.read_all([Topic.OUTCOMES_OBSERVED]):
        try:
            event = codec.decode(record.value)
        except DecodeError:
            continue
        if isinstance(event, ObservedOutcome) and event.correct_action is not None:
            known = truths.get(event.decision_id)
            truths[event.decision_id] = max(known or (0, ""), (event.observed_at, event.correct_action))
    return {decision_id: action for decision_id, (_, action) in truths.items()}


def _progress() -> Progress:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[rows]} rows"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
