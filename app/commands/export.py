"""``hitl export``: what people decided, as a data set to train the next model on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from app.commands.output import console, errors, print_json
from app.composition.parts import connection_of, open_codec
from app.domain.events import Feedback, ObservedOutcome
from app.domain.training_card import Tally, card, described
from app.domain.training_set import COLUMNS, SINKS_IN_ORDER, Plan, Value, row_of, with_truth
from app.errors import HitlError
from app.settings import load_settings
from app.stream.codec import Codec
from app.stream.errors import DecodeError
from app.stream.reader import LogReader
from app.stream.topics import Topic
from app.training.spool import Spool
from app.training.tables import Format, require, write_table

app = typer.Typer(
    help="Data sets from what people decided.", no_args_is_help=True, rich_markup_mode="markdown"
)
SPOOL = ".spool"
CARD = "README.md"


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
    source = described(sinks, decision_type)
    asked = source | {"test_share": str(test_share), "largest_weight": str(largest_weight)}
    try:
        spool = Spool(out / SPOOL, asked)
        with _progress() as progress:
            task = progress.add_task("reading answers", total=None, rows=0)
            for rows in _read(reader, codec, spool, sinks, plan, decision_type):
                progress.update(task, rows=rows)
            progress.update(task, description="reading later truths")
            truths = _truths(reader, codec)
            name, tally = f"training.{form.value}", Tally()
            columns = {column: kind for column, (kind, _) in COLUMNS.items()}
            facts = dict(sorted(spool.note.facts.items()))
            progress.update(task, description="writing")
            write_table(out / name, form, columns | facts, _written(spool, truths, tally))
        (out / CARD).write_text(card(tally, (name,), facts, plan, source), encoding="utf-8")
        spool.remove()
    except OSError as error:
        raise HitlError(f"{out}: {error.strerror}", hint="choose a folder with space to write to") from error
    if as_json:
        print_json({"file": str(out / name), "rows": tally.rows, "repeated": tally.repeated})
        return
    text = f"{tally.rows} rows in {out / name}; what they are is in {out / CARD}"
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def _read(
    reader: LogReader,
    codec: Codec,
    spool: Spool,
    sinks: tuple[str, ...],
    plan: Plan,
    decision_type: str | None,
) -> Iterator[int]:
    """Read the log into the spool; gives the rows so far."""
    for record in reader.read_all([f"feedback.{sink}" for sink in sinks], start=spool.start):
        try:
            event = codec.decode(record.value)
        except DecodeError:
            event = None  # nothing of ours: it taught nobody anything
        wanted = isinstance(event, Feedback) and decision_type in (None, event.decision_type)
        row = row_of(event, plan) if isinstance(event, Feedback) and wanted else None
        spool.add((record.topic, record.partition), record.offset, row)
        yield spool.note.rows
    spool.flush()


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


def _written(spool: Spool, truths: Mapping[str, str], tally: Tally) -> Iterator[dict[str, Value]]:
    """The rows as they are written, each once, counted."""
    last = None
    for row in spool.rows():
        if row.order[:2] == last:
            tally.repeated += 1
            continue
        last = row.order[:2]
        values = with_truth(row.values, truths.get(str(row.values["decision_id"])))
        tally.add(values)
        yield values


def _progress() -> Progress:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[rows]} rows"),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
