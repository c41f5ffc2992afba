"""Tables on disk: whole or not there, the same bytes for the same rows."""

from __future__ import annotations

import csv
import sys

import pytest
from pyarrow import parquet

from app.domain.training_set import Kind
from app.errors import UsageError
from app.training.tables import Format, require, write_table

COLUMNS = {"name": Kind.TEXT, "amount": Kind.NUMBER, "vip": Kind.BOOLEAN}
ROWS = [
    {"name": 'a, "b"\nc', "amount": 40.0, "vip": True},
    {"name": "=1+1", "amount": 0.1, "vip": None},
    {"amount": None},
]


def test_csv_gives_back_what_went_in(tmp_path):
    path = tmp_path / "t.csv"
    write_table(path, Format.CSV, COLUMNS, ROWS)
    with path.open(encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    assert read == [
        {"name": 'a, "b"\nc', "amount": "40", "vip": "true"},
        {"name": "=1+1", "amount": "0.1", "vip": ""},
        {"name": "", "amount": "", "vip": ""},
    ]


def test_what_has_the_final_name_is_whole(tmp_path):
    def broken():
        yield ROWS[0]
        raise OSError("disk full")

    path = tmp_path / "t.csv"
    with pytest.raises(OSError, match="disk full"):
        write_table(path, Format.CSV, COLUMNS, broken())
    assert not path.exists()


def test_parquet_has_types(tmp_path):
    path = tmp_path / "t.parquet"
    write_table(path, Format.PARQUET, COLUMNS, ROWS)
    table = parquet.read_table(path)
    assert [str(field.type) for field in table.schema] == ["string", "double", "bool"]
    assert table.to_pylist()[0] == ROWS[0]
    assert table.to_pylist()[2] == {"name": None, "amount": None, "vip": None}


def test_without_the_extra_it_is_said_before_any_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match="needs pyarrow") as refused:
        require(Format.PARQUET)
    assert "parquet" in refused.value.hint
