"""What the types of problems mean: the page that their addresses lead to."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.console.problems import KINDS, PAGE
from app.console.rendering import render

router = APIRouter(include_in_schema=False)


@router.get(PAGE)
def problems(request: Request) -> Response:
    """Every kind of problem, each at its anchor. Open: it says nothing about anybody."""
    return render(request, "problems.html", kinds=KINDS)
