"""A table as one file, written row by row: CSV, or Parquet where the extra is installed."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from types import ModuleType

from app.domain.training_set import Kind, Value
from app.errors import UsageError

GROUP = 10_000
"""Rows of a Parquet row group."""


class Format(StrEnum):
    """What a training set is written as."""

    CSV = "csv"
    PARQUET = "parquet"


def require(form: Format) -> None:
    """Raises ``UsageError`` if the format can not be written here, before any work is done."""
    if form is Format.PARQUET:
        _parquet()


def write_table(
    path: Path, form: Format, columns: Mapping[str, Kind], rows: Iterable[Mapping[str, Value]]
) -> None:
    """Write the rows under a temporary name, then rename: what has the final name is whole."""
    partial = path.with_name(path.name + ".part")
    if form is Format.CSV:
        _write_csv(partial, columns, rows)
    else:
        _write_parquet(partial, columns, rows)
    partial.replace(path)


def text_of(value: Value) -> str:
    """A value as CSV has it: empty for nothing, ``true`` and ``false``, numbers as short as exact.

    >>> [text_of(value) for value in (None, True, 40.0, 0.1, "a")]
    ['', 'true', '40', '0.1', 'a']
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return str(value)


def _write_csv(path: Path, columns: Mapping[str, Kind], rows: Iterable[Mapping[str, Value]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows([text_of(row.get(name)) for name in columns] for row in rows)


def _write_parquet(path: Path, columns: Mapping[str, Kind], rows: Iterable[Mapping[str, Value]]) -> None:
    arrow = _parquet()
    from pyarrow import parquet  # noqa: PLC0415 - an extra

    types = {Kind.TEXT: arrow.string(), Kind.NUMBER: arrow.float64(), Kind.BOOLEAN: arrow.bool_()}
    schema = arrow.schema([(name, types[kind]) for name, kind in columns.items()])
    group: list[dict[str, Value]] = []

    with parquet.ParquetWriter(path, schema) as writer:
        for row in rows:
            group.append({name: _as(kind, row.get(name)) for name, kind in columns.items()})
            if len(group) == GROUP:
                writer.write_table(arrow.Table.from_pylist(group, schema))
                group.clear()
        if group:
            writer.write_table(arrow.Table.from_pylist(group, schema))


def _as(kind: Kind, value: Value) -> Value:
    return text_of(value) if kind is Kind.TEXT and value is not None else value


def _parquet() -> ModuleType:
    try:
        import pyarrow  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed",
            hint="pip install 'hitl-stream[parquet]', or --format csv",
        ) from error
    return pyarrow  # type: ignore[no-any-return]
