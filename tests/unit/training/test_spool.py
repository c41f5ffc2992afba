"""Rows sorted in pieces: an interrupted export goes on, and gives the same as one that was not."""

from __future__ import annotations

import pytest

from app.domain.training_set import Row
from app.errors import HitlError
from app.training import spool as module
from app.training.spool import Spool

ASKED = {"topics": "feedback.training_examples"}
LOG = [(("t", i % 3), i // 3, Row((1000 - i, f"d{i}", 0), {"fact_amount": float(i)})) for i in range(50)]


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(module, "PIECE", 7)


def filled(folder, log=LOG):
    spool = Spool(folder, ASKED)
    for partition, offset, row in log:
        if offset >= spool.start.get(partition, 0):
            spool.add(partition, offset, row)
    return spool


def test_rows_come_in_order_however_the_log_is_cut(tmp_path):
    spool = filled(tmp_path / "a")
    spool.flush()
    assert [row.order for row in spool.rows()] == sorted(row.order for _, _, row in LOG)
    assert spool.note.rows == 50
    elsewhere = [(("t", 0), offset, row) for offset, (_, _, row) in enumerate(reversed(LOG))]
    other = filled(tmp_path / "b", elsewhere)
    other.flush()
    assert list(other.rows()) == list(spool.rows())


def test_an_interrupted_export_goes_on_and_ends_the_same(tmp_path):
    whole = filled(tmp_path / "whole")
    whole.flush()
    filled(tmp_path / "cut", LOG[:30])  # 28 rows are in pieces, 2 were only in memory
    resumed = filled(tmp_path / "cut")
    resumed.flush()
    assert list(resumed.rows()) == list(whole.rows())
    assert resumed.note.facts == whole.note.facts


def test_a_piece_whose_note_was_not_written_counts_once(tmp_path, monkeypatch):
    folder = tmp_path / "s"
    written = []

    def crash(path, content):
        if path.name == "note.json" and len(written) >= 3:
            raise KeyboardInterrupt
        written.append(path)
        real(path, content)

    real = module._replace
    monkeypatch.setattr(module, "_replace", crash)
    with pytest.raises(KeyboardInterrupt):
        filled(folder)
    monkeypatch.setattr(module, "_replace", real)
    resumed = filled(folder)
    resumed.flush()
    assert [row.order for row in resumed.rows()] == sorted(row.order for _, _, row in LOG)


def test_another_question_begins_anew(tmp_path):
    filled(tmp_path / "s").flush()
    other = Spool(tmp_path / "s", {"topics": "all"})
    assert (other.start, list(other.rows())) == ({}, [])


def test_a_broken_note_is_named(tmp_path):
    (tmp_path / "note.json").write_text("{")
    with pytest.raises(HitlError, match="can not be gone on with"):
        Spool(tmp_path, ASKED)
