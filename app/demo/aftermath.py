"""What turns out later about decisions that nobody checked: truth arrives for a share of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from app.demo.reviewers import draw
from app.domain.events import DecidedBy, DecisionResolved, ObservationKind, ObservedOutcome

LATER_TRUTH = 0.20
"""Share of automated decisions whose truth arrives; which ones is drawn, not chosen."""


def observed_later(
    resolved: Sequence[DecisionResolved],
    truth: Mapping[str, str],
    *,
    before: int,
    at: int,
    seed: int,
    known: Collection[str],
) -> list[ObservedOutcome]:
    """Outcomes, at time ``at``, of automated decisions resolved ``before`` (ms UTC) and not yet ``known``:
    a downstream error where the AI was wrong, the confirmed truth where it was right. By decision id."""
    outcomes = []
    for event in sorted(resolved, key=lambda event: event.routed.scored.decision.decision_id):
        decision_id, answer = event.routed.scored.decision.decision_id, event.resolution
        right = truth.get(decision_id)
        if right is None or decision_id in known or answer.decided_by is not DecidedBy.AI:
            continue
        if answer.resolved_at >= before or draw(seed, decision_id, "later truth") >= LATER_TRUTH:
            continue
        wrong = right != answer.action
        outcomes.append(
            ObservedOutcome(
                observation_id=f"observed-{decision_id}",
                decision_id=decision_id,
                kind=ObservationKind.DOWNSTREAM_ERROR if wrong else ObservationKind.GROUND_TRUTH,
                correct_action=right,
                observed_at=at,
                source="demo: what the lender did",
                note="",
            )
        )
    return outcomes
