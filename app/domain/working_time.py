"""Working time: when is work of so many hours due, and how much of a span was working time? Pure.

A calendar says in which hours of the week, in which time zone, and on which days nobody works. Clocks
that are put forward or back change how long a working day is, never what the clock on the wall says: an
office that opens at nine opens at nine.

>>> office = Calendar(zone="Europe/Berlin", week=5 * (((9 * 60, 17 * 60),),) + 2 * ((),))
>>> friday = round(datetime(2026, 3, 27, 15, tzinfo=UTC).timestamp() * 1000)  # 16:00 there, in winter
>>> monday = due(office, friday, 2 * 3_600_000)
>>> datetime.fromtimestamp(monday / 1000, UTC).isoformat()  # 10:00 there, in summer
'2026-03-30T08:00:00+00:00'
>>> worked(office, friday, monday)
7200000
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

DAY_MINUTES = 24 * 60

Spans = tuple[tuple[int, int], ...]
"""Working hours of a day: (begin, end) in minutes after midnight, end not included, in order, apart."""

_FIRST = round(datetime(1970, 1, 2, tzinfo=UTC).timestamp() * 1000)
_LAST = round(datetime(2200, 1, 1, tzinfo=UTC).timestamp() * 1000)


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """Working hours. ``zone`` is an IANA name; ``week`` has the hours of Monday to Sunday, at least one
    span in all; ``holidays`` are whole days in that zone."""

    zone: str
    week: tuple[Spans, ...]
    holidays: frozenset[date] = frozenset()


def due(calendar: Calendar | None, start: int, working: int) -> int:
    """The earliest instant at which ``working`` ms of work have passed since ``start`` (ms UTC).

    Without a calendar people work around the clock; so they do before 1970 and after 2199, where no
    clock that we can trust has been. ``due(c, start, 0)`` is ``start``.
    """
    if calendar is None or working <= 0 or not _FIRST <= start < _LAST:
        return start + max(0, working)
    day, left = _local_day(calendar, start), working
    while True:
        for begin, end in _open(calendar, day):
            begins = max(begin, start)
            if end > begins:
                if end - begins >= left:
                    return begins + left
                left -= end - begins
        day += 1


def worked(calendar: Calendar | None, since: int, until: int) -> int:
    """The working time between two instants (ms UTC), in ms; 0 where ``until`` is not later.

    The inverse of ``due``: ``worked(c, s, due(c, s, w)) == w``.
    """
    if until <= since:
        return 0
    if calendar is None or since < _FIRST or until >= _LAST:
        return until - since
    total = 0
    for day in range(_local_day(calendar, since), _local_day(calendar, until) + 1):
        for begin, end in _open(calendar, day):
            total += max(0, min(end, until) - max(begin, since))
    return total


def _local_day(calendar: Calendar, instant: int) -> int:
    """The date in the calendar's zone, counted from year 1."""
    return datetime.fromtimestamp(instant // 1000, ZoneInfo(calendar.zone)).toordinal()


def _open(calendar: Calendar, day: int) -> tuple[tuple[int, int], ...]:
    """The working hours of one date as instants."""
    that = date.fromordinal(day)
    if that in calendar.holidays:
        return ()
    spans = calendar.week[that.weekday()]
    return _instants(calendar.zone, day, spans) if spans else ()


@lru_cache(maxsize=8192)
def _instants(zone: str, day: int, spans: Spans) -> tuple[tuple[int, int], ...]:
    return tuple((_first_instant(zone, day, begin), _first_instant(zone, day, end)) for begin, end in spans)


def _first_instant(zone: str, day: int, minute: int) -> int:
    """The first instant (ms UTC) at which the clock on the wall shows this minute of this date, or later.

    An hour that comes twice counts from its first time; one that is skipped begins when the clock is put
    forward. So spans keep their order, and never overlap.
    """
    over, rest = divmod(minute, DAY_MINUTES)
    wall = datetime.fromordinal(day + over) + timedelta(minutes=rest)
    place = ZoneInfo(zone)
    first, second = (_epoch(wall.replace(tzinfo=place, fold=fold)) for fold in (0, 1))
    if second >= first:
        return 1000 * first
    # Skipped: the clock was put forward somewhere between the two readings, to something later than this.
    low, high = second, first
    while low < high:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, place).replace(tzinfo=None) >= wall:
            high = middle
        else:
            low = middle + 1
    return 1000 * low


def _epoch(at: datetime) -> int:
    return int(at.timestamp())
