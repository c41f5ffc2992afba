"""Decisions: submitted, told, and what turned out later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Request
from fastapi import Path as InPath
from starlette.concurrency import run_in_threadpool

from app.console.api.models import AcceptedOut, Name, StoryOut, StoryReview
from app.console.api.route import ApiRoute, Parts, Reader, Submitter
from app.console.api.shapes import answer_out, finite, review_out
from app.console.errors import UnacceptableError
from app.console.identity import Visitor
from app.console.parts import ConsoleParts
from app.desk.story import tell
from app.domain.events import DecisionSubmitted
from app.domain.submission import Rejected, json_schemas, parse_decision, parse_observation
from app.domain.words import moment
from app.review_queue.cases import Brief, Case, Observed

router = APIRouter(prefix="/v1", route_class=ApiRoute, tags=["decisions"])

SUBMITTED = "decisions.submitted"
OBSERVED = "outcomes.observed"
(_DECISION, _OBSERVATION), SCHEMAS = json_schemas("#/components/schemas/{name}")
"""What is submitted, described; ``SCHEMAS`` are the components that the descriptions refer to."""


def _body(schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


_EXAMPLE = {
    "decision_id": "exp-001",
    "decision_type": "expense.approval",
    "occurred_at": "2026-03-02T09:30:00Z",
    "subject": "emp-17",
    "submitted_by": "svc-expenses",
    "recommendation": {"action": "approve", "probability": 0.93, "rationale": "matches policy 4.2"},
    "alternatives": [{"action": "reject", "probability": 0.05, "rationale": "unusual vendor"}],
    "facts": {"amount": 1240.5, "currency": "EUR", "category": "travel", "tenure_days": 40},
    "signals": {"similarity": 0.81, "consensus": 1.0, "rule_clarity": 0.9},
    "model": {"name": "expenses", "version": "3"},
}
_TRUTH = {
    "decision_id": "exp-001",
    "kind": "downstream_error",
    "observed_at": "2026-04-02T09:30:00Z",
    "correct_action": "reject",
    "source": "bookkeeping",
}


@router.post("/decisions", status_code=202, openapi_extra=_body(_DECISION, _EXAMPLE))
async def submit(parts: Parts, visitor: Submitter, request: Request) -> AcceptedOut:
    """Submit a decision. 202: it is stored in the log. A repeated id is recognised later on, as a
    duplicate."""
    decision = _parsed(await request.body(), parse_decision)
    if decision.decision_type not in parts.policy.terms:
        known = ", ".join(sorted(parts.policy.terms))
        raise UnacceptableError(
            f"the policy has no decision type '{decision.decision_type[:100]}'",
            code="unknown_type",
            hint=f"one of: {known}",
        )
    decision = msgspec.structs.replace(decision, submitted_by=_submitter(parts, visitor, decision))
    await run_in_threadpool(parts.publisher.publish, SUBMITTED, decision.decision_id, decision)
    return AcceptedOut(id=decision.decision_id, at=f"/v1/decisions/{quote(decision.decision_id, safe='')}")


@router.post("/outcomes", status_code=202, openapi_extra=_body(_OBSERVATION, _TRUTH))
async def observe(parts: Parts, visitor: Submitter, request: Request) -> AcceptedOut:
    """Report what turned out later about a decision. Reported twice, it counts once."""
    outcome = _parsed(await request.body(), parse_observation)
    outcome = msgspec.structs.replace(outcome, source=outcome.source or visitor.name)
    await run_in_threadpool(parts.publisher.publish, OBSERVED, outcome.decision_id, outcome)
    return AcceptedOut(id=outcome.observation_id, at=f"/v1/decisions/{quote(outcome.decision_id, safe='')}")


@router.get("/decisions/{decision_id}")
def story(parts: Parts, visitor: Reader, decision_id: Annotated[Name, InPath()]) -> StoryOut:
    """A decision from its arrival to what turned out later, as far as you may see it."""
    told = tell(parts.desk, parts.cases, parts.policy, visitor.profile, decision_id)
    case = told.case if told.open_book else None
    return StoryOut(
        decision_id=told.decision_id,
        decision_type=told.decision_type,
        subject=told.subject,
        received_at=moment(told.received_at),
        level=case.brief.level if case else None,
        consequence_class=case.brief.consequence_class if case else None,
        ai=_ai(case.brief) if case else None,
        resolution=_resolution(case) if case else None,
        observed=_observed(case.observed) if case else None,
        reviews=[
            StoryReview(
                review=review_out(look.review, visitor.name),
                answer=None if look.answer is None else answer_out(look.answer),
            )
            for look in told.reviews
        ],
    )


T = TypeVar("T")


def _parsed(body: bytes, parse: Callable[[bytes], T | Rejected]) -> T:
    parsed = parse(body)
    if isinstance(parsed, Rejected):
        raise UnacceptableError(parsed.message, code=parsed.reason)
    return parsed


def _submitter(parts: ConsoleParts, visitor: Visitor, decision: DecisionSubmitted) -> str:
    """Who counts as the submitter, whom four-eyes keeps away from the answer. A person's token can not
    name somebody else; a program's may, as a gateway does."""
    if parts.directory.people.get(visitor.name) is not None:
        return visitor.name
    return decision.submitted_by or visitor.name


def _ai(brief: Brief) -> dict[str, Any]:
    told: dict[str, Any] = finite(
        {
            "recommendation": brief.recommendation,
            "probability": brief.probability,
            "score": brief.score,
            "threshold": brief.threshold,
            "automated": brief.automated,
        }
    )
    return told


def _resolution(case: Case) -> dict[str, Any] | None:
    if case.resolved is not None:
        what = case.resolved
        return {
            "action": what.action,
            "decided_by": what.decided_by.value,
            "agreed": what.agreed,
            "reason_code": what.reason_code,
            "resolved_at": moment(what.resolved_at),
        }
    return {"action": case.brief.action, "decided_by": "ai"} if case.brief.action else None


def _observed(what: Observed | None) -> dict[str, Any] | None:
    if what is None:
        return None
    return {
        "kind": what.kind.value,
        "correct_action": what.correct_action,
        "observed_at": moment(what.observed_at),
    }
