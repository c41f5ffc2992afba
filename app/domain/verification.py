"""What a later truth says about a decision that was taken: was it right, and whose decision was it? Pure."""

from __future__ import annotations

import msgspec

from app.domain.events import DecidedBy, ObservationKind, ObservedOutcome


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """A truth about a decision. ``right`` is whether what was finally done was right; ``None`` while nothing
    was, or where the truth does not say."""

    decision_id: str
    decision_type: str
    kind: ObservationKind
    decided_by: DecidedBy
    right: bool | None


def verified(
    observed: ObservedOutcome, decision_type: str, action: str | None, changed: bool, decided_by: DecidedBy
) -> Verification:
    """What an observation says about ``action``, which was finally done, with changed values or without."""
    return Verification(
        decision_id=observed.decision_id,
        decision_type=decision_type,
        kind=observed.kind,
        decided_by=decided_by,
        right=None if action is None else _right(observed, action, changed),
    )


def _right(observed: ObservedOutcome, action: str, changed: bool) -> bool | None:
    """An error that was found is one, whatever action would have been right: values may have been wrong."""
    if observed.kind is ObservationKind.CONFIRMED_CORRECT:
        return True
    if observed.kind is not ObservationKind.GROUND_TRUTH:
        return False
    if observed.correct_action is None:
        return None
    return observed.correct_action == action or (changed and observed.correct_action == "modify")
