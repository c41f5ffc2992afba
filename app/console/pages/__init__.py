"""The pages of the console: what people see. Programs use ``app.console.api``.

Every page works without scripts; scripts add what is live. Nothing a page shows is trusted: templates
escape all of it.
"""

from __future__ import annotations

from fastapi import APIRouter

from app.console.pages import (
    answer,
    calibration,
    capacity,
    case,
    decision,
    hand_on,
    lead,
    me,
    operations,
    rules,
    work,
)

routers: list[APIRouter] = [
    work.router,
    case.router,
    answer.router,
    hand_on.router,
    lead.router,
    calibration.router,
    capacity.router,
    operations.router,
    decision.router,
    rules.router,
    me.router,
]
