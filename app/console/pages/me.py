"""My numbers: everybody sees their own, the same as their lead does."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.console.identity import parts_of
from app.console.pages.frame import Who
from app.console.pages.numbers import snapshot_of
from app.console.pages.plots import column_chart
from app.console.rendering import render
from app.domain import words
from app.domain.quality.figures import ReviewerFigures

router = APIRouter(include_in_schema=False)


@router.get("/me")
def my_numbers(request: Request, visitor: Who) -> Response:
    """One's own numbers."""
    snapshot = snapshot_of(parts_of(request))
    figures = snapshot.reviewers.get(visitor.name, ReviewerFigures(name=visitor.name))
    days = [(words.moment(day.day)[5:10], day) for day in figures.days[-28:]]
    return render(
        request,
        "me.html",
        figures=figures,
        snapshot=snapshot,
        days=days,
        coaching=snapshot.coaching.get(visitor.name, ()),
        chart=column_chart([(name, float(day.answered)) for name, day in days], every=max(1, len(days) // 7)),
    )
