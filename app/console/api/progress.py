"""What a producer is told of its decision, as JSON."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import msgspec
from pydantic import ConfigDict, Field, StringConstraints

from app.console.api.models import Moment, Part
from app.domain.events import DecidedBy, OverrideCategory, Resolution
from app.domain.progress import Progress, Status, Submission
from app.domain.words import moment

Wait = Annotated[
    str | None,
    StringConstraints(pattern=r"^[0-9]{1,4}[sm]?$"),
    Field(description="Answer only once nothing follows any more, or after this long.", examples=["30s"]),
]


class ResolutionOut(Part):
    """The one final, actionable answer."""

    resolution_id: str
    """As in `decisions.resolved`: the same for whoever hears of it twice."""
    action: str
    changes: dict[str, Any] | None
    """The facts that were changed, where the action is `modify`: act on these."""
    decided_by: DecidedBy
    """`deadline_rule`: nobody answered in time, and the policy's safe default was taken."""
    level: int
    review_id: str | None
    reviewer: str | None
    agreed: bool | None
    """Whether a person decided as the AI recommended; `null` where no person decided."""
    category: OverrideCategory | None
    reason_code: str
    reasoning: str
    resolved_at: Moment


class QuestionOut(Part):
    """What a reviewer asked: answer with `POST /v1/decisions/{id}/information`."""

    review_id: str
    lease_epoch: int
    text: str


class ProgressOut(Part):
    """Where a decision stands, for whoever submitted it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "decision_id": "exp-001",
                    "status": "resolved",
                    "final": True,
                    "submitted_at": "2026-03-02T09:30:01Z",
                    "received_at": "2026-03-02T09:30:01Z",
                    "level": 4,
                    "deadline": "2026-03-02T13:30:01Z",
                    "question": None,
                    "resolution": {
                        "resolution_id": "6d0f0a2e-8f5e-5a45-9d3b-6c2c6a0f5a10",
                        "action": "approve",
                        "changes": None,
                        "decided_by": "human",
                        "level": 4,
                        "review_id": "finance.4c0e61f4-5d2b-5a37-9a29-0d0a2d0f0b1e",
                        "reviewer": "ann",
                        "agreed": True,
                        "category": None,
                        "reason_code": "",
                        "reasoning": "The receipt matches the claim.",
                        "resolved_at": "2026-03-02T09:41:12Z",
                    },
                    "withdrawn_by": None,
                    "withdrawal_reason": None,
                }
            ]
        }
    )
    decision_id: str
    status: Status
    final: bool
    """Nothing follows: `resolved` or `withdrawn`."""
    submitted_at: Moment | None
    """When the API took it; `null` where it came by another way."""
    received_at: Moment | None
    """When it was routed; `null` before."""
    level: int | None
    """1 and 2: the AI decides; 3 to 5: a person."""
    deadline: Moment | None
    question: QuestionOut | None
    resolution: ResolutionOut | None
    withdrawn_by: str | None
    withdrawal_reason: str | None


def progress_out(progress: Progress, submission: Submission | None) -> ProgressOut:
    """As the API says it."""
    question = progress.question
    return ProgressOut(
        decision_id=progress.decision_id,
        status=progress.status,
        final=progress.final,
        submitted_at=None if submission is None else moment(submission.at),
        received_at=_at(progress.received_at),
        level=progress.level,
        deadline=_at(progress.deadline),
        question=None
        if question is None
        else QuestionOut(review_id=question.review_id, lease_epoch=question.lease_epoch, text=question.text),
        resolution=None if progress.resolution is None else resolution_out(progress.resolution),
        withdrawn_by=progress.withdrawn_by or None,
        withdrawal_reason=progress.withdrawal_reason or None,
    )


def resolution_out(what: Resolution) -> ResolutionOut:
    """The final answer."""
    return ResolutionOut(
        resolution_id=what.resolution_id,
        action=what.action,
        changes=None if what.changes is None else msgspec.json.decode(what.changes),
        decided_by=what.decided_by,
        level=what.level,
        review_id=what.review_id,
        reviewer=what.reviewer,
        agreed=what.agreed,
        category=what.category,
        reason_code=what.reason_code,
        reasoning=what.reasoning,
        resolved_at=moment(what.resolved_at),
    )


def event_id(progress: Progress) -> str:
    """Tells two states of a decision apart, in any process."""
    return f"{progress.status.value}-{hashlib.sha256(msgspec.json.encode(progress)).hexdigest()[:16]}"


def _at(at: int | None) -> str | None:
    return None if at is None else moment(at)
