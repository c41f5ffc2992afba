"""Answers of people -> a folder with one table and its data card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from app.domain.events import Feedback
from app.domain.training_card import Tally, card
from app.domain.training_set import COLUMNS, Plan, Value, row_of, with_truth
from app.training.spool import Spool
from app.training.tables import Format, write_table

SPOOL = ".spool"
CARD = "README.md"

Partition = tuple[str, int]
Told = tuple[Partition, int, Feedback | None]
"""Partition and offset of a record, and what it tells; ``None`` if it is not part of the set."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What was written where."""

    table: Path
    card: Path
    rows: int
    repeated: int


def write_training_set(
    out: Path,
    form: Format,
    plan: Plan,
    source: Mapping[str, str],
    answers: Callable[[Mapping[Partition, int]], Iterable[Told]],
    truths: Callable[[], Mapping[str, str]],
    progress: Callable[[str, int], None] = lambda _doing, _rows: None,
) -> Written:
    """Write every answer as one row of ``training.csv`` (or Parquet) in ``out``, with a data card.

    ``answers`` gives the log from the offsets that it is handed on, ``truths`` the action that a later truth
    calls right, by decision; ``source`` says in words what was asked for. Interrupted, the next call with the
    same ``source`` and ``plan`` goes on where this one stopped. Raises ``OSError``.
    """
    asked = {**source, "test_share": str(plan.test_share), "largest_weight": str(plan.largest_weight)}
    spool = Spool(out / SPOOL, asked)
    for partition, offset, answer in answers(spool.start):
        spool.add(partition, offset, None if answer is None else row_of(answer, plan))
        progress("reading answers", spool.note.rows)
    spool.flush()
    progress("reading later truths", spool.note.rows)
    known, tally = truths(), Tally()
    columns = {column: kind for column, (kind, _) in COLUMNS.items()}
    facts = dict(sorted(spool.note.facts.items()))
    progress("writing", spool.note.rows)
    table = out / f"training.{form.value}"
    write_table(table, form, columns | facts, _each_once(spool, known, tally))
    (out / CARD).write_text(card(tally, (table.name,), facts, plan, source), encoding="utf-8")
    spool.remove()
    return Written(table=table, card=out / CARD, rows=tally.rows, repeated=tally.repeated)


def _each_once(spool: Spool, truths: Mapping[str, str], tally: Tally) -> Iterator[dict[str, Value]]:
    """The rows as they are written, each answer once, counted."""
    last = None
    for row in spool.rows():
        if row.order[:2] == last:
            tally.repeated += 1
            continue
        last = row.order[:2]
        values = with_truth(row.values, truths.get(str(row.values["decision_id"])))
        tally.add(values)
        yield values
