"""Capacity: how many reviews to expect, how many people they need, and what if."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from app.console.identity import parts_of
from app.console.pages.frame import Who, leads
from app.console.pages.numbers import snapshot_of
from app.console.pages.plots import Columns, column_chart
from app.console.rendering import render
from app.desk.errors import NotAllowedError
from app.domain import words
from app.domain.authority import Denial
from app.domain.quality.figures import HourForecast, VolumeFigures
from app.domain.quality.forecast import HOUR, forecast
from app.domain.quality.pool_staffing import PoolStaffing, pool_staffing
from app.domain.quality.snapshot import Snapshot
from app.domain.quality.staffing import Plan, what_if
from app.policy.compiled import CompiledPolicy

router = APIRouter(include_in_schema=False)

_HANDLING = 5 * 60_000
"""Minutes that a review is taken to last before anybody has answered one."""


class Block(msgspec.Struct, frozen=True):
    """One hour: when, how many decisions, and what they need."""

    hour: str
    volume: float
    lower: float
    upper: float
    plan: Plan


class TypePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One decision type: what is expected, and what it needs."""

    name: str
    figures: VolumeFigures
    handling: int
    automation: float
    blocks: list[Block]
    chart: Columns | None
    peak: int
    hours_of_work: float


@router.get("/capacity")
def capacity_page(
    request: Request,
    visitor: Who,
    automation: Annotated[int | None, Query(ge=0, le=100)] = None,
    volume: Annotated[int, Query(ge=0, le=500)] = 100,
    away: Annotated[int, Query(ge=0, le=90)] = 15,
    hours: Annotated[int, Query(ge=1, le=72)] = 24,
) -> Response:
    """``automation`` and ``away`` in percent, ``volume`` in percent of what is expected."""
    if not leads(visitor.profile):
        raise NotAllowedError(Denial("not_lead", "this page is for leads of a pool"))
    parts = parts_of(request)
    snapshot = snapshot_of(parts)
    plans = [
        _plan(figures, parts.clock(), automation, volume / 100, away / 100, hours)
        for _, figures in sorted(snapshot.volumes.items())
    ]
    return render(
        request,
        "capacity.html",
        plans=plans,
        snapshot=snapshot,
        automation=automation,
        now_automated=_automated(snapshot),
        volume=volume,
        away=away,
        hours=hours,
        peak=_common_peak(plans),
        work=sum(plan.hours_of_work for plan in plans),
        pools=_pools(plans, parts.policy, _next_hour(parts.clock()), away / 100),
        titles=parts.policy.pool_titles,
        hour=_hour,
    )


def _pools(plans: list[TypePlan], policy: CompiledPolicy, first: int, away: float) -> list[PoolStaffing]:
    """What each pool needs and has; a case counts in the pool of its type. Nothing where nobody is named."""
    if policy.directory.open_house:
        return []
    loads: dict[str, list[float]] = {}
    for one in plans:
        terms = policy.terms.get(one.name)
        if terms is not None:
            known = loads.setdefault(terms.pool, [0.0] * len(one.blocks))
            loads[terms.pool] = [
                sum(hour) for hour in zip(known, (block.plan.load for block in one.blocks), strict=True)
            ]
    return pool_staffing(loads, first, policy.directory, policy.backups, shrinkage=away)


def _next_hour(now: int) -> int:
    return now - now % HOUR + HOUR


def _plan(
    figures: VolumeFigures,
    now: int,
    automation: int | None,
    growth: float,
    away: float,
    hours: int,
) -> TypePlan:
    first = _next_hour(now)
    known_from = figures.hours[0].hour if figures.hours else first
    expected = forecast({h.hour: h.routed for h in figures.hours}, first, hours, known_from=known_from)
    share = automation / 100 if automation is not None else figures.automation_rate or 0.0
    handling = figures.handling.median or _HANDLING
    plans = what_if(
        [hour.expected for hour in expected], handling, automation=share, growth=growth, shrinkage=away
    )
    blocks = [_block(hour, plan, growth) for hour, plan in zip(expected, plans, strict=True)]
    return TypePlan(
        name=figures.decision_type,
        figures=figures,
        handling=handling,
        automation=share,
        blocks=blocks,
        chart=column_chart([(b.hour[6:], b.plan.reviews) for b in blocks], every=max(1, hours // 8)),
        peak=max((plan.people for plan in plans), default=0),
        hours_of_work=sum(plan.load for plan in plans),
    )


def _hour(at: int) -> str:
    return words.moment(at)[5:16].replace("T", " ")


def _block(hour: HourForecast, plan: Plan, growth: float) -> Block:
    return Block(
        _hour(hour.hour),
        hour.expected * growth,
        hour.lower * growth,
        hour.upper * growth,
        plan,
    )


def _automated(snapshot: Snapshot) -> int:
    """What the AI decides alone now, over all types, in percent: where the slider begins."""
    routed = sum(figures.routed for figures in snapshot.volumes.values())
    automated = sum(figures.automated for figures in snapshot.volumes.values())
    return round(100 * automated / routed) if routed else 0


def _common_peak(plans: list[TypePlan]) -> int:
    """People needed in the busiest hour over all types."""
    if not plans:
        return 0
    return max(sum(plan.blocks[i].plan.people for plan in plans) for i in range(len(plans[0].blocks)))
