"""``calendars`` and ``sla_classes`` of the policy: when people work, and how long a review may take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from app.domain.sla import Ladder
from app.domain.working_time import DAY_MINUTES, Calendar, Spans
from app.policy.fields import Duration, Part, Word

_SPAN = re.compile(r"(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)")


class Weekday(StrEnum):
    """A day of the week."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


def parse_hours(text: str) -> Spans:
    """The spans of ``text`` in minutes after midnight; raises ``ValueError`` saying what was expected.

    >>> parse_hours("09:00-12:30, 13:30-18:00")
    ((540, 750), (810, 1080))
    """
    spans: list[tuple[int, int]] = []
    for part in text.split(","):
        found = _SPAN.fullmatch(part.strip())
        if not found:
            raise ValueError(
                f"{text!r} are no hours; write them like 09:00-17:00, or 09:00-12:30, 13:30-18:00"
            )
        begin, end = (60 * int(found[i]) + int(found[i + 1]) for i in (1, 3))
        if int(found[2]) > 59 or int(found[4]) > 59 or end > DAY_MINUTES:
            raise ValueError(f"{part.strip()!r} is not on a clock; use 00:00 to 24:00")
        if begin >= end:
            raise ValueError(
                f"{part.strip()!r} ends before it begins; put what is after midnight on the next day"
            )
        if spans and begin < spans[-1][1]:
            raise ValueError(f"{text!r} overlap; write them in order")
        spans.append((begin, end))
    return tuple(spans)


def _hours(text: str) -> str:
    parse_hours(text)
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone; write it like Europe/Berlin or UTC") from None
    return name


def _day(value: object) -> object:
    try:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is not a date; write it like 2026-12-25") from None


Hours = Annotated[str, AfterValidator(_hours)]
"""Working hours of a day, such as ``09:00-12:30, 13:30-18:00``."""

Zone = Annotated[str, AfterValidator(_zone)]
"""An IANA time zone, such as ``Europe/Berlin``."""

Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]


class BusinessCalendar(Part):
    """When people work: what an SLA class with this calendar counts as time."""

    zone: Zone
    """The time zone of the hours and holidays, such as Europe/Berlin."""
    hours: Annotated[dict[Weekday, Hours], Field(min_length=1)]
    """Working hours by day, such as 09:00-17:00 or 09:00-12:30, 13:30-18:00. Other days are free."""
    holidays: Annotated[tuple[Day, ...], Field(max_length=1000)] = ()
    """Days on which nobody works."""

    def compiled(self) -> Calendar:
        """As the domain works with it."""
        week = tuple(parse_hours(self.hours[day]) if day in self.hours else () for day in Weekday)
        return Calendar(zone=self.zone, week=week, holidays=frozenset(self.holidays))


ShareOfBudget = Annotated[float, Field(gt=0, lt=1)]


class SlaClass(Part):
    """How long a review of this class may take, and what happens while time runs out.
    ``urgent: 4h`` is short for ``{duration: 4h}``."""

    duration: Duration
    """From the request to the deadline; with a calendar, in working time."""
    calendar: Word | None = None
    """Whose working time counts; around the clock unless given."""
    at_risk: ShareOfBudget = 0.75
    """Share of the time after which the review is at risk."""
    raise_at: ShareOfBudget | None = None
    """Share after which its priority rises. A quarter of the way from at_risk to 1 unless given."""
    backups_at: ShareOfBudget | None = None
    """Share after which the pool's backup_pools may take it as well. Half of that way unless given."""
    supervisor_at: ShareOfBudget | None = None
    """Share after which it is a supervisor's. Three quarters of that way unless given."""

    def ladder(self) -> Ladder:
        """The shares with their defaults, whether or not they rise."""
        usual = [self.at_risk + (1 - self.at_risk) * quarter / 4 for quarter in (1, 2, 3)]
        given = (self.raise_at, self.backups_at, self.supervisor_at)
        return Ladder(self.at_risk, *(u if g is None else g for g, u in zip(given, usual, strict=True)))


def _sla_class(value: object) -> object:
    return {"duration": value} if isinstance(value, str) else value


SlaClassOrDuration = Annotated[
    SlaClass, BeforeValidator(_sla_class, json_schema_input_type=Duration | SlaClass)
]


def usual_sla_classes() -> dict[str, SlaClass]:
    """Urgent, standard, complex and policy_exception, around the clock."""
    hours = {"urgent": "4h", "standard": "24h", "complex": "72h", "policy_exception": "7d"}
    return {name: SlaClass.model_validate({"duration": text}) for name, text in hours.items()}


class SlaTerms(msgspec.Struct, frozen=True, kw_only=True):
    """An SLA class: ``duration`` ms of working time from request to deadline, at risk after
    ``at_risk_after`` ms of them. ``calendar`` is ``None`` around the clock."""

    name: str
    duration: int
    at_risk_after: int
    calendar: Calendar | None
    ladder: Ladder


def sla_terms(
    classes: Mapping[str, SlaClass], calendars: Mapping[str, BusinessCalendar]
) -> dict[str, SlaTerms]:
    """Every SLA class as the domain works with it."""
    compiled = {name: calendar.compiled() for name, calendar in calendars.items()}
    return {
        name: SlaTerms(
            name=name,
            duration=sla.duration,
            at_risk_after=round(sla.duration * sla.at_risk),
            calendar=None if sla.calendar is None else compiled[sla.calendar],
            ladder=sla.ladder(),
        )
        for name, sla in classes.items()
    }
