"""Enough people in each pool: the same people counted by hand."""

from __future__ import annotations

from app.domain.people import Directory, Period, Profile
from app.domain.quality.forecast import HOUR
from app.domain.quality.pool_staffing import pool_staffing

START = 1_000 * HOUR


def people(**pools) -> Directory:
    return Directory({name: Profile(name=name, pools=frozenset(where)) for name, where in pools.items()})


def test_the_busiest_hour_is_what_counts_and_who_is_there_then():
    night = Period(START + HOUR, START + 2 * HOUR)
    there = people(ann=["claims"], bob=["claims"])
    ann = Profile(name="ann", pools=frozenset({"claims"}), away=(night,))
    absent = Directory({**there.people, "ann": ann})
    for busy, found in ((0, (2, 0)), (1, (1, 1)), (2, (2, 0))):
        loads = [3.0 if hour == busy else 0.3 for hour in range(3)]
        [claims] = pool_staffing({"claims": loads}, START, absent, {})
        assert claims.hour == START + busy * HOUR
        assert (claims.there, claims.away) == found
        assert (claims.needed, claims.short) == (4, 4 - claims.there)


def test_those_who_work_in_two_pools_are_said_and_never_counted_as_their_own_backups():
    directory = people(ann=["claims", "fraud"], bob=["fraud"], cat=["fraud"])
    found = pool_staffing(
        {"fraud": [0.1], "claims": [0.1]}, START, directory, {"claims": frozenset({"fraud"})}
    )
    assert [(one.pool, one.there, one.elsewhere, one.backups) for one in found] == [
        ("claims", 1, 1, 2),
        ("fraud", 3, 1, 0),
    ]
    assert not any(one.short for one in found)


def test_a_share_that_is_away_asks_for_more():
    directory = people(ann=["claims"], bob=["claims"])
    [now] = pool_staffing({"claims": [1.5]}, START, directory, {})
    [holiday] = pool_staffing({"claims": [1.5]}, START, directory, {}, shrinkage=0.5)
    assert (now.needed, now.short, holiday.needed, holiday.short) == (2, 0, 4, 2)
