"""What the client gives back. Fields that a newer server adds are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """The one final answer of a decision."""

    resolution_id: str
    """The same for whoever hears of it twice."""
    action: str
    changes: Json | None
    """The facts that were changed, where ``action`` is ``modify``: act on these."""
    decided_by: str
    """``ai``, ``human`` or ``deadline_rule`` (nobody answered in time: the policy's safe default)."""
    level: int
    """Involvement level, 1 to 5."""
    reviewer: str | None
    agreed: bool | None
    """Whether a person decided as the AI recommended."""
    reason_code: str
    reasoning: str
    resolved_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a reviewer asked: ``Decisions.inform`` answers it."""

    review_id: str
    lease_epoch: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a decision stands. ``status``: submitted, open, claimed, waiting (for information), answered,
    resolved, withdrawn."""

    decision_id: str
    status: str
    final: bool
    """Nothing follows."""
    level: int | None
    deadline: datetime | None
    question: Question | None
    resolution: Resolution | None
    withdrawn_by: str | None
    withdrawal_reason: str | None


def progress_of(told: Json) -> Progress:
    """A state as the API says it. Raises ``KeyError`` where that is something else."""
    question, resolution = told["question"], told["resolution"]
    return Progress(
        decision_id=told["decision_id"],
        status=told["status"],
        final=told["final"],
        level=told["level"],
        deadline=None if told["deadline"] is None else datetime.fromisoformat(told["deadline"]),
        question=None
        if question is None
        else Question(**{name: question[name] for name in ("review_id", "lease_epoch", "text")}),
        resolution=None if resolution is None else resolution_of(resolution),
        withdrawn_by=told["withdrawn_by"],
        withdrawal_reason=told["withdrawal_reason"],
    )


def resolution_of(told: Json) -> Resolution:
    """An answer as the API says it."""
    return Resolution(
        resolution_id=told["resolution_id"],
        action=told["action"],
        changes=told["changes"],
        decided_by=told["decided_by"],
        level=told["level"],
        reviewer=told["reviewer"],
        agreed=told["agreed"],
        reason_code=told["reason_code"],
        reasoning=told["reasoning"],
        resolved_at=datetime.fromisoformat(told["resolved_at"]),
    )
