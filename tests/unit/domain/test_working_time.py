"""Working time: deadlines that an office would agree with, also when clocks are put forward and back."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.working_time import Calendar, due, worked

HOUR = 3_600_000
NINE_TO_FIVE = ((9 * 60, 17 * 60),)
OFFICE = Calendar(
    zone="Europe/Berlin", week=5 * (NINE_TO_FIVE,) + 2 * ((),), holidays=frozenset({date(2026, 4, 3)})
)


def at(text, zone="Europe/Berlin"):
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        ("2026-03-02T09:00", 8, "2026-03-02T17:00"),  # to the end of a day, not the beginning of the next
        ("2026-03-02T09:00", 8.5, "2026-03-03T09:30"),
        ("2026-03-02T03:00", 1, "2026-03-02T10:00"),  # before hours
        ("2026-03-06T16:00", 2, "2026-03-09T10:00"),  # over a weekend
        ("2026-04-02T16:00", 2, "2026-04-06T10:00"),  # over a holiday and a weekend
        ("2026-03-27T16:00", 2, "2026-03-30T10:00"),  # over the night in which clocks are put forward
        ("2026-10-23T16:00", 2, "2026-10-26T10:00"),  # and back
        ("2026-03-07T12:00", 0, "2026-03-07T12:00"),
    ],
)
def test_deadlines_of_an_office(start, hours, end):
    assert due(OFFICE, at(start), round(hours * HOUR)) == at(end)


def test_without_a_calendar_people_work_around_the_clock():
    assert due(None, 5, 7) == 12
    assert worked(None, 5, 12) == 7
    assert worked(None, 12, 5) == 0


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)])
def test_a_whole_day_is_as_long_as_it_is(day, hours):
    always = Calendar(zone="Europe/Berlin", week=7 * (((0, 1440),),))
    begin = at(f"{day}T00:00")
    end = at((datetime.fromisoformat(day) + timedelta(days=1)).isoformat())
    assert worked(always, begin, end) == hours * HOUR
    assert due(always, begin, hours * HOUR) == end


def test_hours_that_are_skipped_begin_when_the_clock_is_put_forward():
    night = Calendar(zone="Europe/Berlin", week=7 * (((150, 240),),))  # 02:30 to 04:00
    begin, end = at("2026-03-29T00:00"), at("2026-03-29T12:00")
    assert worked(night, begin, end) == HOUR  # 03:00 to 04:00; there was no 02:30
    assert due(night, begin, 1) == at("2026-03-29T03:00") + 1


def test_an_hour_that_comes_twice_counts_from_its_first_time():
    night = Calendar(zone="Europe/Berlin", week=7 * (((150, 240),),))
    assert worked(night, at("2026-10-25T00:00"), at("2026-10-25T12:00")) == 2.5 * HOUR


def test_times_that_no_clock_can_have_shown_do_no_harm():
    for start in (-(10**15), 0, 10**17):
        assert due(OFFICE, start, HOUR) == start + HOUR
        assert worked(OFFICE, start, start + HOUR) == HOUR


# --- properties -----------------------------------------------------------------------------------

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Cairo")
FIRST = date(2026, 1, 1).toordinal()


@st.composite
def days(draw, edges):
    marks = sorted(draw(st.sets(edges, max_size=4)))
    return tuple(zip(marks[::2], marks[1::2], strict=False))


anywhere = st.integers(0, 1440)


def calendars(edges=anywhere):
    return st.builds(
        Calendar,
        zone=st.sampled_from(ZONES),
        week=st.lists(days(edges), min_size=7, max_size=7).filter(any).map(tuple),
        holidays=st.frozensets(st.integers(FIRST, FIRST + 400).map(date.fromordinal), max_size=20),
    )


instants = st.integers(at("2026-01-01"), at("2027-01-01"))
spans = st.integers(0, 14 * 24 * HOUR)


@given(calendars(), instants, st.integers(0, 60 * HOUR))
def test_work_that_is_due_has_been_worked(calendar, start, working):
    end = due(calendar, start, working)
    assert end >= start
    assert worked(calendar, start, end) == working
    if working:
        assert worked(calendar, start, end - 1) == working - 1  # and not a moment earlier


@given(calendars(), instants, spans)
def test_a_deadline_from_time_that_was_worked_is_not_later_than_that_time(calendar, start, span):
    assert due(calendar, start, worked(calendar, start, start + span)) <= start + span


@given(calendars(), instants, spans, spans)
def test_time_adds_up(calendar, start, one, two):
    middle, end = start + one, start + one + two
    assert worked(calendar, start, end) == worked(calendar, start, middle) + worked(calendar, middle, end)


@given(calendars(), instants, st.integers(0, 5 * HOUR), st.integers(0, 60 * HOUR), st.integers(0, HOUR))
def test_later_begun_or_longer_is_never_due_earlier(calendar, start, wait, working, more):
    assert due(calendar, start + wait, working) >= due(calendar, start, working)
    assert due(calendar, start, working + more) >= due(calendar, start, working)


@settings(max_examples=60)
@given(
    calendars(st.sampled_from([0, *range(4 * 60, 1441)])),  # no edge within an hour that comes twice
    st.one_of(
        st.sampled_from([at("2026-03-28"), at("2026-10-24"), at("2026-04-04"), at("2026-10-03")]), instants
    ),
    st.integers(0, 3 * 24 * 60),
)
def test_a_minute_counts_when_the_clock_on_the_wall_says_so(calendar, start, minutes):
    start -= start % 60_000
    zone, counted = ZoneInfo(calendar.zone), 0
    for minute in range(minutes):
        wall = datetime.fromtimestamp(start // 1000 + 60 * minute, UTC).astimezone(zone)
        now = 60 * wall.hour + wall.minute
        open_ = any(begin <= now < end for begin, end in calendar.week[wall.weekday()])
        counted += open_ and wall.date() not in calendar.holidays
    assert worked(calendar, start, start + minutes * 60_000) == counted * 60_000
