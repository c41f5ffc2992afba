"""Calendars and SLA classes in the policy file."""

from datetime import date

import pytest

from app.domain.sla import Ladder
from app.domain.working_time import DAY_MINUTES
from app.policy.compiled import compile_policy
from app.policy.load import policy_from_text
from app.policy.problems import PolicyError
from app.policy.sla import parse_hours

from .texts import MINIMAL

OFFICE = """\
calendars:
  office:
    zone: Europe/Berlin
    hours: {monday: "09:00-12:30, 13:30-18:00", friday: 9:00-15:00, sunday: 00:00-24:00}
    holidays: [2026-12-25, "2027-01-01"]
sla_classes:
  standard: {duration: 16h, calendar: office, supervisor_at: 0.9}
  urgent: 4h
"""


def compiled(text):
    return compile_policy(policy_from_text(MINIMAL + text))


def problems(text):
    with pytest.raises(PolicyError) as refused:
        policy_from_text(MINIMAL + text)
    return "\n".join(str(problem) for problem in refused.value.problems)


def test_a_calendar_compiles_to_its_week():
    policy = compiled(OFFICE)
    calendar = policy.sla_classes["standard"].calendar
    assert calendar.zone == "Europe/Berlin"
    assert calendar.week == (
        ((540, 750), (810, 1080)), (), (), (), ((540, 900),), (), ((0, DAY_MINUTES),),
    )  # fmt: skip
    assert calendar.holidays == {date(2026, 12, 25), date(2027, 1, 1)}
    assert policy.calendars == {"standard": calendar}
    assert policy.terms["expense.approval"].sla_calendars == {"standard": calendar}
    assert policy.sla_classes["urgent"].calendar is None


def test_the_ladder_has_its_defaults_between_at_risk_and_the_deadline():
    policy = compiled(OFFICE)
    assert policy.sla_classes["urgent"].ladder == Ladder(0.75, 0.8125, 0.875, 0.9375)
    assert policy.sla_classes["standard"].ladder == Ladder(0.75, 0.8125, 0.875, 0.9)


def test_backup_pools():
    text = MINIMAL.replace(
        "{title: Reviewers}", "{title: Reviewers, backup_pools: [others]}\n  others: {title: O}"
    )
    assert compile_policy(policy_from_text(text)).backups == {"reviewers": frozenset({"others"})}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{zone: Berlin, hours: {monday: 09:00-17:00}}", "'Berlin' is not a time zone"),
        ("{zone: ../etc/passwd, hours: {monday: 09:00-17:00}}", "is not a time zone"),
        ("{zone: UTC, hours: {}}", "hours"),
        ("{zone: UTC, hours: {mon: 09:00-17:00}}", "allowed: monday"),
        ("{zone: UTC, hours: {monday: nine to five}}", "are no hours; write them like"),
        ("{zone: UTC, hours: {monday: 22:00-06:00}}", "put what is after midnight on the next day"),
        ("{zone: UTC, hours: {monday: 09:00-24:30}}", "is not on a clock"),
        ("{zone: UTC, hours: {monday: '09:00-12:00, 11:00-13:00'}}", "overlap"),
        ("{zone: UTC, hours: {monday: 09:00-17:00}, holidays: [Christmas]}", "is not a date"),
    ],
)
def test_what_is_wrong_with_a_calendar_is_said(text, said):
    assert said in problems(f"calendars:\n  office: {text}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sla_classes:\n  standard: {duration: 8h, calendar: offic}", "calendar 'offic' does not exist"),
        ("sla_classes:\n  standard: {duration: 8h, at_risk: 0.9, raise_at: 0.5}", "must not fall"),
        ("sla_classes:\n  standard: {duration: 8h, backups_at: 1.5}", "less than 1"),
    ],
)
def test_what_is_wrong_with_an_sla_class_is_said(text, said):
    assert said in problems(text)


def test_more_than_a_year_of_work_is_no_deadline():
    assert "a year of working time" in problems(OFFICE.replace("16h", "366d"))


def test_a_pool_is_not_its_own_backup():
    text = MINIMAL.replace("{title: Reviewers}", "{title: Reviewers, backup_pools: [reviewers, nobody]}")
    with pytest.raises(PolicyError) as refused:
        policy_from_text(text)
    said = str(refused.value)
    assert "no pool is its own backup" in said
    assert "pool 'nobody' does not exist" in said


@pytest.mark.parametrize(
    "text", ["", "9-17", "09:00", "09:00-17:00,", "25:00-26:00", "09:60-10:00", "10:00-10:00"]
)
def test_hours_that_are_none(text):
    with pytest.raises(ValueError, match=r"hours|clock|ends"):
        parse_hours(text)
