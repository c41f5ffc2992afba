"""Runs of the product are kept by chunks: whatever the chunks, and wherever they stop, the same numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.learning import product, promise, report
from bench.learning.contest import policies, seed_of
from bench.learning.measures import measure, sums
from bench.learning.scenarios import NOISY, SCORING_SEED, SHAPES, Scenario
from bench.learning.streams import draw

SHORT = Scenario("short", SHAPES["calibrated"], 0.2, reviewers=NOISY, decisions=1_000)

OTHER = replace(SHORT, alpha=0.02)


@pytest.fixture
def short(monkeypatch):
    """One short setting, chunks of two runs, and only the cheapest of the others."""
    monkeypatch.setattr(promise, "settings", lambda: [SHORT])
    monkeypatch.setattr(promise, "CHUNK", 2)
    monkeypatch.setattr(promise, "policies", lambda: {"oracle": policies()["oracle"]})


def test_the_settings_are_three_alphas_by_four_kinds_of_reviewers():
    settings = promise.settings()
    assert len({(one.alpha, one.reviewers) for one in settings}) == len(settings) == 12
    assert {one.world for one in settings} == {settings[0].world}
    assert all(one.kind == "stationary" for one in settings)


def test_runs_by_chunks_are_the_runs_of_one_go(tmp_path, short):
    kept = promise.Kept(tmp_path / "kept.json", 5)
    said = []
    promise.play([SHORT], kept, said.append)
    stream = draw(SHORT, 5, seed_of(SHORT, SCORING_SEED))
    at_once = product.play(stream, SCORING_SEED)
    assert at_once.automated.sum(0).min() > 0
    assert len(said) == 1 + 3
    assert kept.of(SHORT, product.NAME) == sums(stream, at_once)
    row = next(row for row in kept.rows() if row["policy"] == product.NAME)
    assert row | {"runs": 5} == row
    for what, value in measure(stream, at_once).items():
        assert row[what] == value


def test_who_goes_on_ends_where_one_go_ends(tmp_path, short):
    whole = promise.Kept(tmp_path / "whole.json", 5)
    promise.play([SHORT], whole, str)
    path = tmp_path / "stopped.json"

    def stop_at(words: str) -> None:
        if "2 of 5" in words:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        promise.play([SHORT], promise.Kept(path, 5), stop_at)
    stopped = promise.Kept.read(path)
    known = stopped.of(SHORT, product.NAME)
    assert known is not None
    assert known.runs == 2
    promise.play([SHORT], stopped, str)
    assert promise.Kept.read(path).sums == whole.sums


def test_what_another_process_kept_stays(tmp_path, short):
    path = tmp_path / "kept.json"
    mine, theirs = promise.Kept(path, 2), promise.Kept(path, 2)
    promise.play([SHORT], mine, str)
    promise.play([OTHER], theirs, str)
    assert {alpha for _, alpha, _ in promise.Kept.read(path).sums} == {0.2, 0.02}


def test_the_page_says_how_many_runs_are_in(tmp_path, short, monkeypatch):
    kept = promise.Kept(tmp_path / "kept.json", 5)
    assert "Not run yet." in report.page({"sets": {}, "promise": kept.shown(), "machine": {}})
    promise.play([SHORT], kept, str)
    whole = report.page({"sets": {}, "promise": kept.shown(), "machine": {}})
    assert "Not all of it is in" not in whole
    assert f"of 5 runs, {0:.3f}" in whole
    monkeypatch.setattr(promise, "settings", lambda: [SHORT, OTHER])
    promise._baselines(OTHER, kept, str)
    kept.runs = 200
    part = report.page({"sets": {}, "promise": kept.shown(), "machine": {}})
    assert "**Not all of it is in: 5 of 400 runs of the product**, between 0 and 5 of each setting" in part
    assert f"| {product.NAME} | not all run yet |" in part


def test_runs_that_two_processes_played_count_once(tmp_path, short):
    path = tmp_path / "kept.json"
    mine, theirs = promise.Kept(path, 2), promise.Kept(path, 2)
    promise.play([SHORT], mine, str)
    promise.play([SHORT], theirs, str)
    assert promise.Kept.read(path).sums == theirs.sums == mine.sums
