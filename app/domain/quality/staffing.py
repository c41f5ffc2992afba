"""How many people the reviews need, and what changes if automation or volume does.

Reviews wait in a queue, are worked first come first served within their urgency, and nobody hangs up: for
work that has to be done within the hour, Erlang C says how many people keep the wait short; where the
deadline is a day, load over a target occupancy is enough. A. K. Erlang (1917); N. Gans, G. Koole and
A. Mandelbaum, Telephone Call Centers, M&SOM 5 (2003), section 4.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from app.errors import UsageError

OCCUPANCY = 0.75
"""Share of a working hour that is spent on reviews; the rest is breaks, questions and thought. Above about
.85 queues and mistakes grow fast."""
_MOST = 100_000


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """People needed in one hour. ``load`` in erlangs: people busy all the time."""

    reviews: float
    load: float
    people: int
    """By load and occupancy, and by the wait where one is promised; the larger."""
    wait: float | None
    """Mean wait before somebody begins, ms, with so many people; ``None`` with nobody."""
    within: float | None
    """Share that begin within the promised wait."""


def expected_reviews(volume: float, automation: float, audited: float = 0.0) -> float:
    """volume x (1 - automation), and of what is automated the share that people check.

    >>> expected_reviews(1000, 0.8), expected_reviews(1000, 0.8, 0.05)
    (200.0, 240.0)
    """
    if not 0 <= automation <= 1 or not 0 <= audited <= 1 or not volume >= 0:
        raise UsageError(
            f"volume {volume}, automation {automation} and audited {audited} can not be planned with",
            hint="shares are from 0 to 1, the volume is 0 or more",
        )
    return round(volume * (1 - automation * (1 - audited)), 9)


def erlang_c(people: int, load: float) -> float:
    """Probability that a review has to wait when ``people`` share ``load`` erlangs.

    By Erlang B's recursion B(n) = a B(n-1) / (n + a B(n-1)), then C = B / (1 - (1 - B) a / n): stable for
    any size. 1 where the load is more than the people.

    Examples
    --------
    >>> round(erlang_c(10, 8.0), 4), erlang_c(3, 4.0), erlang_c(2, 0.0)
    (0.4092, 1.0, 0.0)
    """
    if load <= 0:
        return 0.0
    if load >= people:
        return 1.0
    blocked = 1.0
    for n in range(1, people + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked / (1 - (1 - blocked) * load / people)


def plan(
    reviews: float,
    handling: float,
    *,
    occupancy: float = OCCUPANCY,
    wait: float | None = None,
    within: float = 0.8,
    shrinkage: float = 0.0,
) -> Plan:
    """People needed for ``reviews`` an hour that take ``handling`` ms each.

    At least load / occupancy; where a ``wait`` (ms) is promised, so many that a share ``within`` of the
    reviews begin in time (Erlang C: P(W > t) = C exp(-(n - a) t / handling)). ``shrinkage`` is the share
    of people who are away, in training or in meetings: the answer is grown by 1 / (1 - shrinkage).

    Examples
    --------
    60 reviews an hour of 6 minutes are 6 erlangs: 8 people by load, 9 if a tenth of them is away. That
    80 % begin within a minute takes 9, with 8 it would be 74 %:

    >>> plan(60, 360_000).people, plan(60, 360_000, shrinkage=0.1).people
    (8, 9)
    >>> tight = plan(60, 360_000, wait=60_000, occupancy=0.95)
    >>> tight.people, round(tight.within, 3), round(tight.wait / 1000)
    (9, 0.881, 24)

    Two short reviews an hour are work for one, also where people are away now and then:

    >>> plan(2, 420_000, shrinkage=0.15).people
    1
    """
    if not 0 < occupancy <= 1 or not 0 <= shrinkage < 1 or not 0 < within < 1:
        raise UsageError(
            f"occupancy {occupancy}, within {within} and shrinkage {shrinkage} can not be planned with",
            hint="use shares such as .75, .8 and .2",
        )
    if not 0 <= reviews * handling / 3_600_000 <= _MOST:
        raise UsageError(f"{reviews:g} reviews of {handling:g} ms an hour can not be planned with")
    load = reviews * handling / 3_600_000
    needed = load / occupancy
    people = math.ceil(needed - 1e-9)
    if wait is not None and load > 0:
        people = max(people, math.floor(load) + 1)
        while _begins_within(people, load, handling, wait) < within:
            people += 1
        needed = people
    return Plan(
        reviews=reviews,
        load=load,
        # Rounded once: somebody who is needed for a part of the hour has time for being away, too.
        people=math.ceil(needed / (1 - shrinkage) - 1e-9),
        wait=_mean_wait(people, load, handling),
        within=None if wait is None else _begins_within(people, load, handling, wait),
    )


def what_if(
    volumes: Iterable[float],
    handling: float,
    *,
    automation: float,
    growth: float = 1.0,
    audited: float = 0.0,
    occupancy: float = OCCUPANCY,
    wait: float | None = None,
    shrinkage: float = 0.0,
) -> list[Plan]:
    """A plan for each hour of a forecast if ``automation`` were this and the volume ``growth`` times as
    much. The peak hour is the one with the most people.

    >>> [p.people for p in what_if([100, 400, 250], 300_000, automation=0.8)]
    [3, 9, 6]
    >>> [p.people for p in what_if([100, 400, 250], 300_000, automation=0.7, growth=1.2)]
    [4, 16, 10]
    """
    return [
        plan(
            expected_reviews(volume * growth, automation, audited),
            handling,
            occupancy=occupancy,
            wait=wait,
            shrinkage=shrinkage,
        )
        for volume in volumes
    ]


def _begins_within(people: int, load: float, handling: float, wait: float) -> float:
    if load >= people:
        return 0.0
    return 1 - erlang_c(people, load) * math.exp(-(people - load) * wait / handling)


def _mean_wait(people: int, load: float, handling: float) -> float | None:
    if load <= 0:
        return 0.0
    return None if load >= people else erlang_c(people, load) * handling / (people - load)
