"""The one final, actionable answer for a decision. Audits, second looks, gold and calibration items
never give one: what they teach goes into labels and feedback."""

from __future__ import annotations

from app.domain.events import (
    Answer,
    DecidedBy,
    DecisionRouted,
    Resolution,
    ReviewDefaulted,
    ReviewKind,
    ReviewRequested,
)
from app.domain.ids import derived_id

DECIDING = frozenset({ReviewKind.REVIEW, ReviewKind.DECIDE, ReviewKind.HUMAN_ONLY})
"""The kinds of review whose answer is acted on."""

JUDGING = frozenset({ReviewKind.REVIEW, ReviewKind.DECIDE, ReviewKind.AUDIT})
"""The kinds of review whose blind answer judges the AI: evidence, where the decision was drawn for it."""

HAND_ONS = frozenset({"request_info", "escalate", "delegate", "release"})
"""What a reviewer can do that decides nothing."""

_NO_CHANGES = frozenset({"", "{}", "null"})


def changed(changes: str | None) -> bool:
    """Whether an answer changes values of the decision.

    >>> changed(None), changed("{}"), changed('{"amount": 90}')
    (False, False, True)
    """
    return changes is not None and changes.strip() not in _NO_CHANGES


def agrees(recommended: str, action: str, changes: str | None) -> bool:
    """Whether an answer is what the AI recommended: the same action and no changed values."""
    return action == recommended and action != "modify" and not changed(changes)


def differs(recommended: str, answer: Answer) -> bool:
    """Whether a blind answer finds a recommendation wrong: the first one counts, given before it was seen."""
    if answer.first_action is not None:
        return not agrees(recommended, answer.first_action, None)
    return not agrees(recommended, answer.action, answer.changes)


def resolve_automated(routed: DecisionRouted) -> Resolution:
    """What the AI decided (levels 1 and 2). Raises ``ValueError`` for a decision that needs a person."""
    route, scored = routed.route, routed.scored
    if route.level > 2 or route.action is None:
        raise ValueError(
            f"decision {scored.decision.decision_id} is at level {route.level}: a person decides"
        )
    return Resolution(
        resolution_id=derived_id(scored.decision.decision_id, "resolution"),
        action=route.action,
        changes=None,
        decided_by=DecidedBy.AI,
        level=route.level,
        review_id=None,
        reviewer=None,
        agreed=None,
        category=None,
        reason_code="",
        reasoning=scored.decision.recommendation.rationale,
        resolved_at=scored.assessment.received_at,
    )


def resolve_default(defaulted: ReviewDefaulted) -> Resolution:
    """What the deadline rule decided because nobody answered: no person's answer, neither yes nor no."""
    requested, default = defaulted.requested, defaulted.default
    decision = requested.routed.scored.decision
    return Resolution(
        resolution_id=derived_id(decision.decision_id, "resolution"),
        action=default.action,
        changes=None,
        decided_by=DecidedBy.DEADLINE_RULE,
        level=requested.routed.route.level,
        review_id=requested.request.review_id,
        reviewer=None,
        agreed=None,
        category=None,
        reason_code="",
        reasoning="nobody answered in time: the safe default of the policy",
        resolved_at=default.taken_at,
    )


def resolve_answer(requested: ReviewRequested, answer: Answer) -> Resolution | None:
    """What a person decided, or ``None`` where the answer decides nothing: an audit, second look, gold or
    calibration item, or an action that only hands the work on. ``category`` is the reviewer's own."""
    if requested.request.kind not in DECIDING or answer.action in HAND_ONS:
        return None
    decision = requested.routed.scored.decision
    return Resolution(
        resolution_id=derived_id(decision.decision_id, "resolution"),
        action=answer.action,
        changes=answer.changes,
        decided_by=DecidedBy.HUMAN,
        level=requested.routed.route.level,
        review_id=requested.request.review_id,
        reviewer=answer.reviewer,
        agreed=agrees(decision.recommendation.action, answer.action, answer.changes),
        category=answer.category,
        reason_code=answer.reason_code,
        reasoning=answer.reasoning,
        resolved_at=answer.decided_at,
    )
