"""The ``console`` section of the policy: how long sessions last, and how often is too often."""

from __future__ import annotations

from typing import Annotated

import msgspec
from pydantic import AfterValidator, Field

from app.policy.durations import format_duration
from app.policy.fields import Duration, Part

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


def between(shortest: int, longest: int) -> AfterValidator:
    """Bounds of a duration, in ms."""

    def check(duration: int) -> int:
        if not shortest <= duration <= longest:
            said = f"{format_duration(shortest)} to {format_duration(longest)}"
            raise ValueError(f"{format_duration(duration)} is out of bounds; use {said}")
        return duration

    return AfterValidator(check)


class Guesses(Part):
    """How often a password may be tried for one account: there is always a limit that stops guessing."""

    burst: Annotated[int, Field(ge=3, le=100)] = 10
    """So many at once."""
    per_minute: Annotated[float, Field(gt=0, le=60)] = 2
    """And then so many a minute."""


class Rate(Part):
    """How often something may be done."""

    burst: Annotated[int, Field(ge=1, le=100_000)]
    """So many at once."""
    per_minute: Annotated[float, Field(gt=0, le=100_000)]
    """And then so many a minute."""


class Console(Part):
    """Sessions and limits of the reviewer console and the JSON API."""

    session_idle: Annotated[Duration, between(MINUTE, 12 * HOUR)] = 30 * MINUTE
    """A session ends after this long without a request, 1m to 12h. A page in use sends signs of life."""
    session_longest: Annotated[Duration, between(5 * MINUTE, 7 * DAY)] = 12 * HOUR
    """A session ends this long after the sign-in, whatever happens, 5m to 7d."""
    sign_in_time: Annotated[Duration, between(MINUTE, HOUR)] = 10 * MINUTE
    """How long a sign-in page, or a sign-in at the identity provider, may take, 1m to 1h."""
    guesses: Guesses = Guesses()
    """Passwords tried for one account from one address, or in one browser where it was signed in before.
    A right one starts the count again."""
    guesses_anywhere: Guesses = Guesses(burst=10, per_minute=6)
    """Passwords tried for one account from anywhere. Beyond that each waits; nobody can be locked out."""
    sign_in_delay: Annotated[Duration, between(SECOND, MINUTE)] = 5 * SECOND
    """The longest of these waits, 1s to 1m."""
    sign_ins_by_address: Rate = Rate(burst=30, per_minute=30)
    """Sign-ins from one address that failed or were not finished. Beyond that each waits for `sign_in_delay`,
    and none is refused: an office behind one address signs in every morning."""
    changes: Rate = Rate(burst=120, per_minute=240)
    """Changes by one session or token: far more than hands can do, far less than a runaway script."""
    requests: Rate = Rate(burst=600, per_minute=1200)
    """Pages and answers for one session or token: twenty a second, and a morning's burst."""
    submissions: Rate = Rate(burst=1_000, per_minute=6_000)
    """Decisions and outcomes handed in with one token: a producer, not hands. More belongs on the topic."""
    answers_kept: Annotated[Duration, between(5 * MINUTE, 7 * DAY)] = DAY
    """How long the answer to an Idempotency-Key is kept, 5m to 7d."""
    streams: Annotated[int, Field(ge=1, le=1000)] = 8
    """Event streams that one session or token may have open at once: tabs."""
    waits: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    """Decisions that one token may wait for at once, by long-poll or by event stream."""


class Allowance(msgspec.Struct, frozen=True):
    """A bucket of ``burst`` tokens that gains one every ``every`` ms."""

    burst: int
    every: int


class ConsoleTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The section as the console works with it; durations in ms."""

    session_idle: int
    session_longest: int
    sign_in_time: int
    guesses: Allowance
    guesses_anywhere: Allowance
    sign_in_delay: int
    sign_ins_by_address: Allowance
    changes: Allowance
    requests: Allowance
    submissions: Allowance
    answers_kept: int
    streams: int
    waits: int


def console_terms(section: Console) -> ConsoleTerms:
    """The section compiled."""
    return ConsoleTerms(
        session_idle=section.session_idle,
        session_longest=section.session_longest,
        sign_in_time=section.sign_in_time,
        guesses=_allowance(section.guesses),
        guesses_anywhere=_allowance(section.guesses_anywhere),
        sign_in_delay=section.sign_in_delay,
        sign_ins_by_address=_allowance(section.sign_ins_by_address),
        changes=_allowance(section.changes),
        requests=_allowance(section.requests),
        submissions=_allowance(section.submissions),
        answers_kept=section.answers_kept,
        streams=section.streams,
        waits=section.waits,
    )


def _allowance(rate: Guesses | Rate) -> Allowance:
    return Allowance(rate.burst, max(1, round(MINUTE / rate.per_minute)))
