"""Operations: the 14 targets at a glance, from the formulas that Prometheus records."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from app.console.identity import parts_of
from app.console.pages.frame import Who, oversees
from app.console.rendering import render
from app.desk.errors import NotAllowedError
from app.domain import words
from app.domain.authority import Denial
from app.review_queue.tallies import Tallies
from app.telemetry.standing import Standing, Verdict, standings
from app.telemetry.targets import Group, Target

router = APIRouter(include_in_schema=False)

GROUPS = {Group.EFFICIENCY: "Efficiency", Group.QUALITY: "Quality", Group.LEARNING: "Learning"}
LOOKS = {Verdict.MET: "good", Verdict.BELOW: "bad", Verdict.ABOVE: "bad", Verdict.UNKNOWN: "tint"}
SAID = {
    Verdict.MET: "met",
    Verdict.BELOW: "not met: too low",
    Verdict.ABOVE: "not met: too high",
    Verdict.UNKNOWN: "not known yet",
}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One target as the page says it."""

    title: str
    says: str
    value: str
    compared: str
    """The number its band is about, where that is another than the value; else empty."""
    look: str
    verdict: str
    runbook: str


@router.get("/operations")
def operations_page(request: Request, visitor: Who) -> Response:
    """For leads, auditors and admins."""
    if not oversees(visitor.profile):
        raise NotAllowedError(Denial("not_lead", "this page is for leads, auditors and admins"))
    parts = parts_of(request)
    now = parts.clock()
    kept = Tallies(parts.client, parts.queue_keys).read(now)
    found = standings(kept, now)
    groups = [
        (title, [_row(one) for one in found if one.target.group is group]) for group, title in GROUPS.items()
    ]
    return render(
        request,
        "operations.html",
        groups=groups,
        missed=sum(one.verdict in (Verdict.BELOW, Verdict.ABOVE) for one in found),
        unknown=sum(one.verdict is Verdict.UNKNOWN for one in found),
        total=len(found),
        read=kept.gauges is not None,
    )


def _row(standing: Standing) -> Row:
    target = standing.target
    compared = ""
    if target.judged is not None and standing.judged is not None:
        compared = f"{standing.judged:.2f} times what it was"
    return Row(
        title=target.title,
        says=target.says,
        value=_said(target, standing.value).replace(" ", "\u00a0"),
        compared=compared,
        look=LOOKS[standing.verdict],
        verdict=SAID[standing.verdict],
        runbook=target.alert,
    )


def _said(target: Target, value: float | None) -> str:
    """A number with its unit; a gain of shares in percentage points."""
    if value is None:
        return "–"
    if target.unit == "s":
        return words.duration(round(value * 1000))
    if target.unit == "percentunit":
        share = f"{value * 100:.1f} %"
        return f"{value * 100:+.1f} percentage points" if target.name == "model_improvement" else share
    return f"{value:.0f}"
