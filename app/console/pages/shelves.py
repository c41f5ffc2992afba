"""A page of the open cases that a person may take: filtered, in queue order, with a bounded look.

However many are open, a page reads at most :data:`LOOKED_AT` reviews and shows :data:`SHOWN`; the next
page goes on where this one stopped.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from urllib.parse import urlencode

import msgspec

from app.console.pages.standing import Standing, standing
from app.desk.desk import ReviewDesk
from app.desk.errors import NotAllowedError
from app.desk.looking import Look
from app.domain.events import ReviewKind
from app.domain.people import Profile
from app.domain.review import Review
from app.policy.compiled import CompiledPolicy
from app.review_queue.errors import QueueError

SHOWN = 20
LOOKED_AT = 200
"""Reviews that one page reads at most while it filters; the rest is a page further."""
READ = 100
"""Of those, how many are read with their package (a filter by type needs it)."""
DEEPEST = 2_000
"""How far down a list over several pools goes; one pool can be read to its end."""


TASKS: Mapping[str, str] = {
    "decide": "approve or decide",
    "first": "answer before you see the AI's recommendation",
    "check": "check a decision after the fact",
}


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What the person wants to see; empty means everything."""

    pool: str = ""
    type: str = ""
    consequence: str = ""
    kind: str = ""
    show: str = ""

    @property
    def any(self) -> bool:
        """Whether anything is left out."""
        return any((self.pool, self.type, self.consequence, self.kind, self.show))

    def query(self, offset: int = 0) -> str:
        """As an address says it."""
        named = {
            "pool": self.pool,
            "type": self.type,
            "class": self.consequence,
            "kind": self.kind,
            "show": self.show,
            "from": str(offset) if offset else "",
        }
        return urlencode({name: value for name, value in named.items() if value})


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a list of cases."""

    review: Review
    title: str
    task: str
    standing: Standing
    told: bool
    """Whether the consequence may be shown."""
    denial: str = ""
    """Why this person may not decide it, if so."""


class Paging(msgspec.Struct, frozen=True):
    """Addresses of the pages before and after; ``None`` where there is none."""

    before: str | None
    after: str | None


class Shelf(msgspec.Struct, frozen=True):
    """A page of the list."""

    rows: Sequence[Row]
    paging: Paging


def page_of(
    desk: ReviewDesk, who: Profile, policy: CompiledPolicy, filters: Filters, offset: int, now: int
) -> Shelf:
    """The rows from ``offset`` of the queue on."""
    pools = [filters.pool] if filters.pool else list(desk.pools_of(who))
    most = offset + LOOKED_AT if len(pools) == 1 else min(offset + LOOKED_AT, DEEPEST)
    rows: list[Row] = []
    at, more, read = offset, False, 0
    for review in _in_order(desk, who, pools, filters, offset, most):
        if len(rows) == SHOWN or read == READ:
            more = True
            break
        at += 1
        if not _fits(review, filters, who.name):
            continue
        read += 1
        if row := _row(desk, who, policy, review, filters, now):
            rows.append(row)
    more = more or (at == most and at > offset and most < (1 << 40))
    before = f"/?{filters.query(max(0, offset - SHOWN))}" if offset else None
    return Shelf(rows, Paging(before, f"/?{filters.query(at)}" if more and at < _deepest(pools) else None))


def _deepest(pools: Sequence[str]) -> int:
    return DEEPEST if len(pools) > 1 else 1 << 40


def _in_order(
    desk: ReviewDesk, who: Profile, pools: Sequence[str], filters: Filters, offset: int, most: int
) -> Iterator[Review]:
    """Open reviews of the pools from ``offset`` to ``most`` of their common order."""
    chosen: Mapping[str, Callable[[str, int, int], Sequence[Review]]] = {
        "": lambda pool, first, count: desk.list(who, pool, offset=first, limit=count),
        "escalated": lambda pool, first, count: desk.list(
            who, pool, offset=first, limit=count, escalated=True
        ),
        "offered": lambda pool, first, count: desk.list(
            who, pool, offset=first, limit=count, offered_to=who.name
        ),
    }
    read = chosen.get(filters.show, chosen[""])
    if len(pools) == 1:
        yield from _paged(lambda first, count: read(pools[0], first, count), offset, most)
        return
    streams = [
        _paged(lambda first, count, pool=pool: read(pool, first, count), 0, most)  # type: ignore[misc]
        for pool in pools
    ]
    for place, review in enumerate(heapq.merge(*streams, key=lambda review: review.order)):
        if place >= most:
            return
        if place >= offset:
            yield review


def _paged(read: Callable[[int, int], Sequence[Review]], first: int, most: int) -> Iterator[Review]:
    """Reads a little at a time, so that a page that is full early has not read all."""
    step = SHOWN + 5
    while first < most:
        found = read(first, min(step, most - first))
        yield from found
        if len(found) < min(step, most - first):
            return
        first += len(found)


def _fits(review: Review, filters: Filters, name: str) -> bool:
    """A blind case fits no filter that would tell what is kept from the person who is asked."""
    if filters.consequence and (
        in_confidence(review, name) or review.consequence_class.value != filters.consequence
    ):
        return False
    return not filters.kind or task_of(review, name) == filters.kind


def in_confidence(review: Review, name: str) -> bool:
    """Whether kind and class stay untold: the kind tells how sure the AI is, and under some policies the
    class tells what it recommends."""
    return review.blind and not review.over and name not in review.first_answers


def task_of(review: Review, name: str) -> str:
    """What a person is asked to do, by name of :data:`TASKS`. Items with known truth look like any other."""
    if in_confidence(review, name):
        return "first"
    return "check" if review.kind is ReviewKind.AUDIT else "decide"


def _row(
    desk: ReviewDesk, who: Profile, policy: CompiledPolicy, review: Review, filters: Filters, now: int
) -> Row | None:
    """``None`` for what this person may not even see, and for what is gone meanwhile."""
    try:
        look = desk.glance(who, review.review_id)
    except (NotAllowedError, QueueError):
        return None
    if filters.type and look.decision_type != filters.type:
        return None
    return Row(
        review=review,
        title=title_of(look, policy),
        task=TASKS[task_of(review, who.name)],
        told=not in_confidence(review, who.name),
        standing=standing(review, now),
        denial=look.denial.text if look.denial else "",
    )


def title_of(look: Look, policy: CompiledPolicy) -> str:
    """What a case is called: the question and whom it is about."""
    if look.erased:
        return f"Erased: {look.review.decision_id}"
    terms = policy.terms.get(look.decision_type)
    question = terms.question if terms else look.decision_type
    return f"{question} {look.subject}".strip()
