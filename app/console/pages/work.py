"""My work: the case in hand, the next one, the pools, and the list of what is open."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from app.console.identity import Visitor, parts_of
from app.console.pages.frame import Form, Who, text_of, unnoticed
from app.console.pages.notices import notice_of
from app.console.pages.shelves import SHOWN, TASKS, Filters, Paging, Row, page_of, title_of
from app.console.pages.standing import Standing, spoken, standing
from app.console.parts import ConsoleParts
from app.console.rendering import render
from app.desk.errors import NotAllowedError
from app.domain import words
from app.domain.events import ConsequenceClass
from app.domain.people import Profile
from app.domain.review import Review, ReviewState
from app.review_queue.errors import QueueError
from app.review_queue.values import PoolStats

router = APIRouter(include_in_schema=False)

_HELD_AT_MOST = 200
"""Leases of a pool that are looked through for one's own: more than a pool has people."""


class Held(msgspec.Struct, frozen=True):
    """A case in hand."""

    review: Review
    title: str
    standing: Standing
    lease: str


class Given(msgspec.Struct, frozen=True):
    """A case that waits for this person: handed out by the system, or handed on by somebody."""

    review: Review
    title: str
    standing: Standing
    until: str
    """For how long it is reserved; empty when it stays."""
    moment: str
    """Until when, as the page says it."""


class Undoable(msgspec.Struct, frozen=True):
    """An answer that this person may still take back, for ``left``."""

    review: Review
    title: str
    left: str


class PoolTile(msgspec.Struct, frozen=True):
    """A pool at a glance."""

    title: str
    stats: PoolStats
    waiting: int
    oldest: str


@router.get("/")
def my_work(
    request: Request,
    visitor: Who,
    pool: str = "",
    type: str = "",  # noqa: A002 - the filter's public name
    consequence: Annotated[str, Query(alias="class")] = "",
    kind: str = "",
    show: str = "",
    start: Annotated[int, Query(alias="from", ge=0, le=10**9)] = 0,
    notice: str = "",
) -> Response:
    """The first page of everybody."""
    filters = Filters(pool=pool, type=type, consequence=consequence, kind=kind, show=show)
    return render(
        request,
        "work.html",
        notice=notice_of(notice),
        query=filters.query(start),
        **_live(parts_of(request), visitor, filters, start),
    )


@router.get("/work/live", dependencies=[Depends(unnoticed)])
def live(
    request: Request,
    visitor: Who,
    pool: str = "",
    type: str = "",  # noqa: A002
    consequence: Annotated[str, Query(alias="class")] = "",
    kind: str = "",
    show: str = "",
    start: Annotated[int, Query(alias="from", ge=0, le=10**9)] = 0,
) -> Response:
    """The same without the frame: fetched whenever a queue has changed."""
    filters = Filters(pool=pool, type=type, consequence=consequence, kind=kind, show=show)
    return render(request, "work_live.html", **_live(parts_of(request), visitor, filters, start))


@router.post("/work/next")
def take_next(request: Request, visitor: Who, form: Form) -> Response:
    """The most urgent case that this person may decide."""
    lease = parts_of(request).desk.claim_next(visitor.profile, text_of(form, "pool") or None)
    where = f"/reviews/{lease.review.review_id}" if lease else "/?notice=none"
    return RedirectResponse(where, 303)


@router.get("/help")
def help_page(request: Request, _visitor: Who) -> Response:
    """How a case goes, and the keys."""
    return render(request, "help.html")


def held_by(parts: ConsoleParts, who: Profile, pool: str) -> list[Review]:
    """The reviews of a pool that this person holds."""
    claimed = parts.desk.list(who, pool, ReviewState.CLAIMED, limit=_HELD_AT_MOST)
    return [review for review in claimed if review.holder == who.name]


def _live(parts: ConsoleParts, visitor: Visitor, filters: Filters, start: int) -> dict[str, Any]:
    desk, who, now, policy = parts.desk, visitor.profile, parts.clock(), parts.policy
    titles = {pool.name: pool.title or pool.name for pool in policy.pools}
    stats = desk.stats(who)
    known = [pool.pool for pool in stats]
    if filters.pool and filters.pool not in known:
        filters = msgspec.structs.replace(filters, pool="")
    tiles = [_tile(pool, titles, supervises=pool.pool in who.supervises) for pool in stats]
    shelf = page_of(desk, who, policy, filters, start, now) if known else None
    return {
        "mine": [held for pool in known for held in _held(parts, who, pool, now)],
        "given": [given for pool in known for given in _given(parts, who, pool, now)],
        "undoable": [undoable for pool in known for undoable in _undoable(parts, who, pool, now)],
        "pools": tiles,
        "pool_titles": titles,
        "waiting_count": sum(tile.waiting for tile in tiles),
        "filters": filters,
        "types": sorted(policy.terms),
        "classes": [c.value for c in ConsequenceClass],
        "kinds": list(TASKS.items()),
        "supervises": bool(who.supervises),
        "rows": list[Row]() if shelf is None else shelf.rows,
        "paging": Paging(None, None) if shelf is None else shelf.paging,
    }


def _held(parts: ConsoleParts, who: Profile, pool: str, now: int) -> list[Held]:
    found: list[Held] = []
    for review in held_by(parts, who, pool):
        try:
            look = parts.desk.glance(who, review.review_id)
        except (NotAllowedError, QueueError):
            continue
        found.append(
            Held(
                review,
                title_of(look, parts.policy),
                standing(review, now),
                spoken(max(0, review.lease_until - now)),
            )
        )
    return found


def _given(parts: ConsoleParts, who: Profile, pool: str, now: int) -> list[Given]:
    found: list[Given] = []
    for review in parts.desk.list(who, pool, limit=SHOWN, offered_to=who.name):
        try:
            look = parts.desk.glance(who, review.review_id)
        except (NotAllowedError, QueueError):
            continue
        end = review.reserved_until
        until, moment = (spoken(max(0, end - now)), words.moment(end)) if end else ("", "")
        found.append(Given(review, title_of(look, parts.policy), standing(review, now), until, moment))
    return found


def _undoable(parts: ConsoleParts, who: Profile, pool: str, now: int) -> list[Undoable]:
    found: list[Undoable] = []
    for review in parts.desk.undoable(who, pool):
        try:
            look = parts.desk.glance(who, review.review_id)
        except (NotAllowedError, QueueError):
            continue
        found.append(Undoable(review, title_of(look, parts.policy), spoken(review.undo_until - now)))
    return found


def _tile(pool: PoolStats, titles: dict[str, str], *, supervises: bool) -> PoolTile:
    waiting = pool.open + (pool.supervisor if supervises else 0)
    oldest = spoken(pool.oldest_age) if pool.oldest_age is not None else ""
    return PoolTile(titles.get(pool.pool, pool.pool), pool, waiting, oldest)
