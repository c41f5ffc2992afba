"""For leads: what is late or at risk, who has how much in hand, and how well people decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from app.console.identity import Visitor, parts_of
from app.console.pages.frame import Form, Who, leads, text_of
from app.console.pages.notices import notice_of
from app.console.pages.numbers import led_pools, snapshot_of
from app.console.pages.plots import FunnelPlot, funnel_plot
from app.console.pages.refusals import Refused, not_allowed, refused_words
from app.console.pages.shelves import title_of
from app.console.pages.standing import Standing, standing
from app.console.parts import ConsoleParts
from app.console.rendering import render
from app.desk.errors import NotAllowedError
from app.domain.authority import Denial
from app.domain.people import Profile
from app.domain.quality.figures import FunnelPoint, PoolFigures, ReviewerFigures
from app.domain.quality.reviewer_record import DAYS
from app.domain.quality.snapshot import Snapshot
from app.domain.review import Review, ReviewState
from app.review_queue.errors import QueueError
from app.review_queue.values import PoolStats

router = APIRouter(include_in_schema=False)

_LOOKED_AT = 50
"""Heads of a queue that are looked through for late ones. Order is by urgency, so late ones come first;
how many are late in all is counted by the queue itself."""
_HELD = 200
"""Leases of a pool that are counted by person."""
_SHOWN = 40
_PEOPLE = 30
"""People of one page; most in hand first."""
_STAMPS = 20
"""Rubber-stamp scores that are shown in full; most signals first."""
_POINTS = 40
"""Rows of the table beside a funnel plot."""
_CHOICES = 20
"""People that one can choose from; of more one types the name, and the list is on the page once."""


class Late(msgspec.Struct, frozen=True):
    """A case that is late or at risk."""

    review: Review
    title: str
    pool: str
    standing: Standing
    receivers: Sequence[Profile]
    """To whom it can be given."""
    among: str
    """Where they are too many to choose from: the list on the page that has them. Else empty."""


class Load(msgspec.Struct, frozen=True):
    """What one person has to do and does."""

    name: str
    title: str
    pools: str
    in_hand: int
    away: bool
    figures: ReviewerFigures


class PoolPanel(msgspec.Struct, frozen=True):
    """One pool: its queue at this moment, its people's numbers, and the funnel plot."""

    title: str
    stats: PoolStats | None
    figures: PoolFigures
    plot: FunnelPlot | None
    points: Sequence[FunnelPoint]
    """Of the plot, as many as its table has rows: those outside first, then who answered most."""


@router.get("/lead")
def lead_page(
    request: Request,
    visitor: Who,
    notice: str = "",
    people: Annotated[int, Query(ge=0, le=10**6)] = 0,
) -> Response:
    """The page of a lead; ``people`` is how many of them are on the pages before."""
    return _page(request, visitor, notice=notice, people=people)


@router.post("/lead/reassign")
def reassign(request: Request, visitor: Who, form: Form) -> Response:
    """Give a case to somebody else."""
    review_id, to, reason = text_of(form, "review_id"), text_of(form, "to"), text_of(form, "reason")
    if not to:
        refused = Refused("Nothing was reassigned", "Choose to whom the case should go.")
        return _page(request, visitor, refused=refused, status_code=422)
    try:
        parts_of(request).desk.reassign(visitor.profile, review_id, to, reason or "reassigned by a lead")
    except QueueError as error:
        return _page(request, visitor, refused=refused_words(error, visitor.name), status_code=409)
    except NotAllowedError as error:
        refused = not_allowed(error)
        return _page(request, visitor, refused=refused, status_code=403)
    return RedirectResponse("/lead?notice=reassigned", 303)


def _page(
    request: Request,
    visitor: Visitor,
    *,
    notice: str = "",
    people: int = 0,
    refused: Refused | None = None,
    status_code: int = 200,
) -> Response:
    if not leads(visitor.profile):
        raise NotAllowedError(
            Denial("not_lead", "this page is for leads of a pool", "your own numbers are under My numbers")
        )
    parts = parts_of(request)
    return render(
        request,
        "lead.html",
        status_code=status_code,
        notice=notice_of(notice),
        refused=refused,
        **_lead(parts, visitor.profile, people),
    )


def _lead(parts: ConsoleParts, who: Profile, first: int) -> dict[str, Any]:
    snapshot, pools = snapshot_of(parts), led_pools(parts, who)
    titles = {pool.name: pool.title or pool.name for pool in parts.policy.pools}
    stats = {pool.pool: pool for pool in parts.desk.stats(who)}
    claimed = [
        review for pool in pools for review in parts.desk.list(who, pool, ReviewState.CLAIMED, limit=_HELD)
    ]
    late = _late(parts, who, pools, claimed, titles)
    loads = _loads(parts, _people(parts, pools, snapshot), claimed, snapshot, titles)
    first = min(first, max(0, len(loads) - 1) // _PEOPLE * _PEOPLE)
    return {
        "late": late,
        "choices": {case.among: case.receivers for case in late if case.among},
        "overdue": sum(stats[pool].overdue for pool in pools if pool in stats),
        "loads": loads[first : first + _PEOPLE],
        "before": max(0, first - _PEOPLE) if first else None,
        "after": first + _PEOPLE if first + _PEOPLE < len(loads) else None,
        "people": len(loads),
        "stamps": _stamps(loads),
        "pools": [
            PoolPanel(
                titles.get(pool, pool),
                stats.get(pool),
                figures := snapshot.pools.get(pool, PoolFigures(pool=pool)),
                funnel_plot(figures.funnel),
                sorted(figures.funnel.points, key=lambda dot: (not dot.flagged, -dot.answers))[:_POINTS],
            )
            for pool in pools
        ],
        "patterns": [(one, parts.policy.audience(one.decision_type)[1]) for one in snapshot.patterns[:10]],
        "snapshot": snapshot,
        "days": DAYS,
        "may_reassign": bool(who.supervises),
    }


def _late(
    parts: ConsoleParts, who: Profile, pools: Sequence[str], claimed: Sequence[Review], titles: dict[str, str]
) -> list[Late]:
    now = parts.clock()
    receivers = {
        (pool, senior): _receivers(parts, pool, senior) for pool in pools for senior in (False, True)
    }
    heads = [
        review
        for pool in pools
        for escalated in (False, True)
        for review in parts.desk.list(who, pool, limit=_LOOKED_AT, escalated=escalated)
    ]
    urgent = [(where, review) for review in (*heads, *claimed) if (where := standing(review, now)).urgent]
    found: list[Late] = []
    for where, review in sorted(urgent, key=lambda case: case[0].until or 0)[:_SHOWN]:
        senior = review.tier > 0
        others = [p for p in receivers[review.pool, senior] if p.name != review.holder]
        among = f"people-{review.pool}-{senior:d}" if len(others) > _CHOICES else ""
        title, pool = _title(parts, who, review), titles.get(review.pool, review.pool)
        found.append(Late(review, title, pool, where, others, among))
    return found


def _title(parts: ConsoleParts, who: Profile, review: Review) -> str:
    try:
        return title_of(parts.desk.glance(who, review.review_id), parts.policy)
    except (NotAllowedError, QueueError):
        return review.decision_id


def _receivers(parts: ConsoleParts, pool: str, senior: bool) -> list[Profile]:
    wanted = [p for p in parts.directory.people.values() if pool in p.all_pools]
    return sorted(
        (p for p in wanted if not senior or pool in p.supervises),
        key=lambda profile: profile.title or profile.name,
    )


def _people(parts: ConsoleParts, pools: Sequence[str], snapshot: Snapshot) -> list[str]:
    """Everybody of these pools; in an open house, whoever has answered in them."""
    named = {p.name for p in parts.directory.people.values() if p.all_pools & set(pools)}
    seen = {name for pool in pools if pool in snapshot.pools for name in snapshot.pools[pool].reviewers}
    return sorted(named | seen)


def _loads(
    parts: ConsoleParts,
    people: Iterable[str],
    claimed: Sequence[Review],
    snapshot: Snapshot,
    titles: dict[str, str],
) -> list[Load]:
    in_hand, now = Counter(review.holder for review in claimed), parts.clock()
    loads = []
    for name in people:
        profile = parts.directory.find(name)
        figures = snapshot.reviewers.get(name, ReviewerFigures(name=name))
        pools = sorted(profile.all_pools) if profile and not parts.directory.open_house else figures.pools
        loads.append(
            Load(
                name,
                (profile and profile.title) or name,
                ", ".join(titles.get(pool, pool) for pool in pools),
                in_hand[name],
                bool(profile and profile.absent(now)),
                figures,
            )
        )
    return sorted(loads, key=lambda load: (-load.in_hand, load.title))


def _stamps(loads: Sequence[Load]) -> list[Load]:
    """Whose score is shown in full."""
    scores = [load for load in loads if load.figures.rubber_stamp.fired or load.figures.rubber_stamp.raw]
    return sorted(scores, key=lambda load: -load.figures.rubber_stamp.fired)[:_STAMPS]
