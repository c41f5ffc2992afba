"""What may happen when nobody answered in time. Silence never approves, and decides only what is harmless."""

from __future__ import annotations

from app.domain.events import ConsequenceClass, OnDeadline, ReviewKind, ReviewRequest
from app.domain.resolution import DECIDING

APPROVALS = frozenset({"approve", "accept", "allow", "grant"})
"""Actions that silence must never take."""


def may_default(kind: ReviewKind, consequence: ConsequenceClass, approvals: int, action: str | None) -> bool:
    """Whether silence may decide: an answer would be acted on, consequence is low, one person would do, and
    the default is no approval. Asked when a review enters the queue, and again before its default counts."""
    return (
        kind in DECIDING
        and consequence is ConsequenceClass.LOW
        and approvals <= 1
        and bool(action)
        and action not in APPROVALS
    )


def deadline_rule(request: ReviewRequest) -> OnDeadline:
    """The rule for this review. A safe default that may not be taken becomes an escalation, as does one
    for which people never had time; a review that decides nothing just waits."""
    if request.on_deadline is not OnDeadline.SAFE_DEFAULT:
        return request.on_deadline
    if request.kind not in DECIDING:
        return OnDeadline.HOLD
    in_time = request.deadline is not None and request.deadline > request.requested_at
    if in_time and may_default(
        request.kind, request.consequence_class, request.approvals, request.safe_default
    ):
        return OnDeadline.SAFE_DEFAULT
    return OnDeadline.ESCALATE
