"""How verbs print: rows as a table for people, JSON Lines for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

WIDE = 1000
"""Columns when nobody is watching: one row stays one line, for grep."""

console = Console(width=None if sys.stdout.isatty() else WIDE)
errors = Console(stderr=True, width=None if sys.stderr.isatty() else WIDE)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON Lines.")]


def print_line(text: str) -> None:
    """A line of the answer as it is: no markup, no colours, not broken."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


def print_remark(text: str) -> None:
    """As ``print_line``, on standard error: a remark that is no part of the answer."""
    errors.print(text, markup=False, highlight=False, soft_wrap=True)


def print_json(value: object) -> None:
    """One JSON document on one line of standard output."""
    print(msgspec.json.encode(value).decode())


def print_fields(row: Mapping[str, object], *, as_json: bool) -> None:
    """One thing: a JSON document with every field, or a line for each that says something."""
    if as_json:
        print_json(row)
        return
    for name, value in row.items():
        if value not in (None, "", []):
            print_line(f"{name.replace('_', ' ')}: {_shown(value)}")


def print_rows(
    rows: Iterable[Mapping[str, object]], columns: Sequence[str], *, as_json: bool, empty: str
) -> None:
    """JSON Lines with every field, or a table of ``columns``; ``empty`` is said when there is none."""
    if as_json:
        for row in rows:
            print_json(row)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        # What people copy (ids, positions) must stay whole: long cells go on in the next line.
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        # As it is: what producers and people wrote is no markup.
        table.add_row(*("" if row.get(c) is None else escape(str(_shown(row.get(c)))) for c in columns))
    if table.row_count:
        console.print(table)
    else:
        console.print(empty)


def _shown(value: object) -> object:
    """A number as people read it: 0.0475 and not 0.04750000000000001. JSON has it exactly."""
    return round(value, 6) if isinstance(value, float) else value
