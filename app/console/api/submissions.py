"""What programs hand in: decisions, withdrawals, information that was asked for, later truth.

The order of effects when a decision comes in, each step safe to repeat:

1. who hands it in is noted in the store, under its id;
2. the record is published, and the broker's word that it is stored is waited for;
3. the note says that it is in the log; only then the answer is 202.

A crash after 1 or 2 leaves a note without 3: the repeat publishes again, and scoring recognises the second
record by its id. A repeat after 3 publishes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from urllib.parse import quote

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi import Path as InPath
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from app.console.api.models import AcceptedOut, Name, Part, Said, Words
from app.console.api.progress import resolution_out
from app.console.api.route import ApiRoute, Parts, Submitter
from app.console.errors import AlreadyResolvedError, DecisionConflictError, UnacceptableError
from app.console.identity import Visitor
from app.console.parts import ConsoleParts
from app.console.submissions import Standing, submission_of
from app.desk.errors import NotAllowedError
from app.desk.informing import UNFIT_TEXT
from app.domain.authority import giver_of
from app.domain.events import DecisionSubmitted, DecisionWithdrawn, InformationGiven
from app.domain.progress import Progress, Status
from app.domain.submission import Rejected, json_schemas, parse_decision, parse_observation
from app.stream.topics import Topic

router = APIRouter(prefix="/v1", route_class=ApiRoute, tags=["decisions"])

(_DECISION, _OBSERVATION), SCHEMAS = json_schemas("#/components/schemas/{name}")
"""What is submitted, described; ``SCHEMAS`` are the components that the descriptions refer to."""

T = TypeVar("T")
This = Annotated[Name, InPath()]


class TakingBack(Part):
    """Withdraw a decision."""

    reason: Words = ""
    """Why, for the reviewers."""


class Informing(Part):
    """The answer to a reviewer's question."""

    information: Said
    lease_epoch: Annotated[int, Field(ge=1, le=2**53)] | None = None
    """Which question, `question.lease_epoch`; the open one unless given."""


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
_LOCATION = {"Location": {"description": "Where to follow it", "schema": {"type": "string"}}}
_TRUTH = {
    "decision_id": "exp-001",
    "kind": "downstream_error",
    "observed_at": "2026-04-02T09:30:00Z",
    "correct_action": "reject",
    "source": "bookkeeping",
}


@router.post(
    "/decisions",
    status_code=202,
    openapi_extra=_body(_DECISION, _EXAMPLE),
    responses={202: {"description": "In the log", "headers": _LOCATION}},
)
async def submit(parts: Parts, visitor: Submitter, request: Request, response: Response) -> AcceptedOut:
    """Submit a decision. 202: it is stored in the log; `Location` says where to follow it.

    The id makes repeats harmless: the same decision again is answered again and decided once, another
    one under the same id is refused (409)."""
    body = await request.body()
    decision = _parsed(body, parse_decision)
    if decision.decision_type not in parts.policy.terms:
        known = ", ".join(sorted(parts.policy.terms))
        raise UnacceptableError(
            f"the policy has no decision type '{decision.decision_type[:100]}'",
            code="unknown_type",
            hint=f"one of: {known}",
        )
    decision = msgspec.structs.replace(decision, submitted_by=_submitter(parts, visitor, decision))
    trace = request.headers.get("traceparent", "")
    async with request.app.state.publishing:
        await run_in_threadpool(_hand_in, parts, visitor, decision, body, trace)
    at = _address(decision.decision_id)
    response.headers["Location"] = at
    return AcceptedOut(id=decision.decision_id, at=at)


@router.post("/decisions/{decision_id:path}/withdraw", status_code=202)
async def withdraw(
    parts: Parts, visitor: Submitter, decision_id: This, body: TakingBack, request: Request
) -> AcceptedOut:
    """Take a decision of yours back: its open reviews end unanswered, also those in somebody's hands. What
    was answered, or ran alone, stays so (409). Withdrawing twice changes nothing."""
    async with request.app.state.publishing:
        return await run_in_threadpool(_take_back, parts, visitor, decision_id, body)


@router.post("/decisions/{decision_id:path}/information", status_code=202)
async def inform(
    parts: Parts, visitor: Submitter, decision_id: This, body: Informing, request: Request
) -> AcceptedOut:
    """Answer what a reviewer asked about a decision of yours: the review goes back to its queue with it."""
    async with request.app.state.publishing:
        return await run_in_threadpool(_inform, parts, visitor, decision_id, body)


@router.post("/outcomes", status_code=202, openapi_extra=_body(_OBSERVATION, _TRUTH))
async def observe(parts: Parts, visitor: Submitter, request: Request) -> AcceptedOut:
    """Report what turned out later about a decision. Reported twice, it counts once."""
    outcome = _parsed(await request.body(), parse_observation)
    outcome = msgspec.structs.replace(outcome, source=outcome.source or visitor.name)
    async with request.app.state.publishing:
        await run_in_threadpool(
            parts.publisher.publish, Topic.OUTCOMES_OBSERVED, outcome.decision_id, outcome
        )
    return AcceptedOut(id=outcome.observation_id, at=_address(outcome.decision_id))


def _hand_in(
    parts: ConsoleParts, visitor: Visitor, decision: DecisionSubmitted, body: bytes, trace: str
) -> None:
    name = decision.decision_id
    came_otherwise = parts.submissions.find(name) is None and parts.following.knows(name)
    if came_otherwise:  # perhaps it is this one: a new id would have it decided twice
        raise DecisionConflictError(
            f"a decision '{name[:100]}' came by Kafka, or before the store was rebuilt",
            hint=f"look at GET {_address(name)}, open to its submitter, before you take a new id",
        )
    standing = parts.submissions.begin(name, submission_of(decision, body, visitor.name, parts.clock()))
    if standing is Standing.OTHER:
        raise DecisionConflictError(
            f"another decision was submitted as '{name[:100]}'",
            hint="a decision_id names one decision for good; a repeat has exactly the same content",
        )
    if standing is not Standing.STORED:
        parts.publisher.publish(Topic.DECISIONS_SUBMITTED, name, decision, trace)
        parts.submissions.stored(name)


def _take_back(parts: ConsoleParts, visitor: Visitor, decision_id: str, body: TakingBack) -> AcceptedOut:
    progress = _mine(parts, visitor, decision_id)
    if progress.resolution is not None:
        told = resolution_out(progress.resolution).model_dump(mode="json")
        raise AlreadyResolvedError(decision_id, told)
    if progress.status is not Status.WITHDRAWN:
        event = DecisionWithdrawn(
            decision_id=decision_id, reason=body.reason, withdrawn_by=visitor.name, at=parts.clock()
        )
        parts.publisher.publish(Topic.DECISIONS_WITHDRAWN, decision_id, event)
    return AcceptedOut(id=decision_id, at=_address(decision_id))


def _inform(parts: ConsoleParts, visitor: Visitor, decision_id: str, body: Informing) -> AcceptedOut:
    question = _mine(parts, visitor, decision_id).question
    if question is None or body.lease_epoch not in (None, question.lease_epoch):
        raise UnacceptableError(
            f"nobody asks this about '{decision_id}'",
            code="no_such_question",
            hint="`question` of the decision is the one that is open",
        )
    event = InformationGiven(
        review_id=question.review_id,
        decision_id=decision_id,
        lease_epoch=question.lease_epoch,
        information=body.information,
        given_by=giver_of(visitor.name, parts.following.submitted_by(decision_id), parts.directory),
        given_at=parts.clock(),
    )
    denial = parts.desk.information_denied(event)
    if denial is not None and denial.code == UNFIT_TEXT:
        raise UnacceptableError(denial.text, code=denial.code)
    if denial is not None:
        raise NotAllowedError(denial)
    parts.publisher.publish(Topic.REVIEWS_INFORMATION, decision_id, event)
    return AcceptedOut(id=question.review_id, at=_address(decision_id))


def _mine(parts: ConsoleParts, visitor: Visitor, decision_id: str) -> Progress:
    parts.following.admit(visitor.name, decision_id, parts.submissions.find(decision_id))
    return parts.following.progress([decision_id])[0]


def _address(decision_id: str) -> str:
    return f"/v1/decisions/{quote(decision_id, safe='')}"


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
