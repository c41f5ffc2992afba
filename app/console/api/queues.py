"""Queues and the reviews in them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query

from app.console.api import cursors
from app.console.api.cursors import Cursor
from app.console.api.models import Page, PoolName, QueueOut, QueuesOut
from app.console.api.route import ApiRoute, Parts, Reader
from app.console.api.shapes import review_out
from app.domain.review import Review, ReviewState

router = APIRouter(prefix="/v1", route_class=ApiRoute, tags=["queues"])


@router.get("/queues")
def list_queues(parts: Parts, visitor: Reader) -> QueuesOut:
    """The queues that you may see, with their numbers at this moment."""
    titles = parts.policy.pool_titles
    return QueuesOut(
        items=[
            QueueOut(
                pool=one.pool,
                title=titles.get(one.pool, one.pool),
                open=one.open,
                supervisor=one.supervisor,
                offered=one.offered,
                claimed=one.claimed,
                waiting=one.waiting,
                overdue=one.overdue,
                oldest_age_seconds=None if one.oldest_age is None else one.oldest_age / 1000,
            )
            for one in parts.desk.stats(visitor.profile)
        ]
    )


@router.get("/reviews")
def list_reviews(
    parts: Parts,
    visitor: Reader,
    pool: Annotated[PoolName | None, Query(description="One pool; all of yours unless given.")] = None,
    state: ReviewState = ReviewState.OPEN,
    escalated: Annotated[bool, Query(description="Open ones that wait for a supervisor.")] = False,
    offered: Annotated[bool, Query(description="Open ones that were delegated to you.")] = False,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> Page:
    """Reviews pool by pool, each in the order of its queue: the most urgent first.

    A queue moves while it is read: a review may be missed or come twice between two pages.
    """
    pools = [pool] if pool else list(parts.desk.pools_of(visitor.profile))
    at = cursors.read(cursor)
    items: list[Review] = []
    while at.pool < len(pools) and len(items) < limit:
        wanted = limit - len(items)
        found = parts.desk.list(
            visitor.profile,
            pools[at.pool],
            state,
            at.offset,
            wanted,
            escalated=escalated,
            offered_to=visitor.name if offered else None,
        )
        items += found
        # Fewer than asked for may also be one that just went: the pool is over when there are none.
        at = Cursor(at.pool, at.offset + wanted) if found else Cursor(at.pool + 1, 0)
    query = {"pool": pool or "", "state": state.value, "limit": str(limit)}
    query |= {"escalated": "true"} if escalated else {}
    query |= {"offered": "true"} if offered else {}
    query |= {"cursor": at.text()}
    address = f"/v1/reviews?{urlencode({name: value for name, value in query.items() if value})}"
    return Page(
        items=[review_out(review, visitor.name) for review in items],
        next=address if at.pool < len(pools) else None,
    )
