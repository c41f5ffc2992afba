"""How far a consumer is behind, from what the client says of itself."""

from __future__ import annotations

import json

from app.stream.lag import Lag

HERE = {("decisions.submitted", 0)}


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        return self.now


def said(*, app: int, following: int, end: int, queued: int = 0, partition: int = 0, **more: int) -> str:
    place = {"app_offset": app, "next_offset": following, "ls_offset": end, "fetchq_cnt": queued, **more}
    partitions = {str(partition): place, "-1": {"ls_offset": -1001}}
    return json.dumps({"name": "x", "topics": {"p.decisions.submitted": {"partitions": partitions}}})


def lag(clock: Clock) -> Lag:
    return Lag(lambda name: name.removeprefix("p."), clock)


def test_at_the_end_nothing_waits_though_marks_of_transactions_lie_behind():
    found = lag(Clock()).behind(said(app=10, following=11, end=11), HERE)
    assert found == {"decisions.submitted": (0, 0.0)}


def test_what_was_fetched_and_not_taken_waits():
    found = lag(Clock()).behind(said(app=10, following=25, end=25, queued=15), HERE)
    assert found["decisions.submitted"][0] == 15


def test_before_the_first_record_the_committed_offset_counts_or_the_beginning():
    empty = lag(Clock())
    assert (
        empty.behind(said(app=-1001, following=0, end=9, committed_offset=4), HERE)["decisions.submitted"][0]
        == 5
    )
    assert empty.behind(said(app=-1001, following=0, end=9, lo_offset=2), HERE)["decisions.submitted"][0] == 7


def test_partitions_of_others_are_theirs():
    found = lag(Clock()).behind(said(app=0, following=0, end=9, partition=3), HERE)
    assert found == {"decisions.submitted": (0, 0.0)}


def test_while_records_are_read_the_last_one_says_how_old_the_next_is():
    clock = Clock()
    reader = lag(clock)
    reader.behind(said(app=0, following=0, end=9), HERE)
    clock.now += 1000
    reader.read({("decisions.submitted", 0): clock.now - 60_000})
    assert reader.behind(said(app=5, following=5, end=9), HERE)["decisions.submitted"] == (4, 60.0)


def test_while_nothing_is_read_the_age_grows_from_when_it_was_first_seen():
    clock = Clock()
    reader = lag(clock)
    reader.read({("decisions.submitted", 0): clock.now - 3_600_000})  # long ago; then it was quiet
    clock.now += 1000
    assert reader.behind(said(app=9, following=9, end=10), HERE)["decisions.submitted"] == (1, 0.0)
    clock.now += 30_000
    assert reader.behind(said(app=9, following=9, end=10), HERE)["decisions.submitted"] == (1, 30.0)
    assert reader.behind(said(app=10, following=10, end=10), HERE)["decisions.submitted"] == (0, 0.0)
