"""A changed threshold as it is announced, and the words for what happened besides evidence."""

from __future__ import annotations

from app.domain.events import ThresholdOrder, ThresholdOrdered, ThresholdUpdated
from app.domain.learning.automation import Automation
from app.domain.learning.in_force import InForce
from app.domain.learning.odds_shift import Shift
from app.domain.learning.terms import LearningTerms
from app.domain.learning.threshold_rule import Proposal

NEWS = {
    Shift.WORSE: "Errors have become more frequent than what was known: evidence is counted anew.",
    Shift.BETTER: "Errors have become rarer than what was known: evidence is counted anew.",
}

_ORDERED = {
    ThresholdOrder.FREEZE: "Frozen",
    ThresholdOrder.UNFREEZE: "Released",
    ThresholdOrder.ROLLBACK: "Rolled back and frozen",
    ThresholdOrder.CONFIRM: "Confirmed",
    ThresholdOrder.RESTART: "Counted anew, with the whole delta,",
}
NEW_SCORES = "The policy makes scores in another way: evidence is counted anew."


def ordered(order: ThresholdOrdered, *, done: bool) -> str:
    """What a person asked for, in words."""
    if not done:
        return f"{order.actor} confirmed, but nothing waited for it, or it is frozen."
    return f"{_ORDERED[order.order]} by {order.actor}: {order.reason.rstrip('.')}."


def threshold_updated(
    learning_key: str,
    before: InForce,
    proposal: Proposal,
    automation: Automation,
    terms: LearningTerms,
    *,
    automated: int,
    estimated: float | None,
    at: int,
    actor: str,
) -> ThresholdUpdated:
    """The event of a change from ``before`` to what is proposed."""
    after = proposal.in_force
    return ThresholdUpdated(
        learning_key=learning_key,
        version=after.version,
        epoch=after.epoch,
        threshold=after.threshold,
        previous=before.threshold if before.version else after.threshold,
        cap=after.cap,
        floor=after.floor,
        certified=after.certified if after.certified <= 1 else None,
        evidence_probability=after.evidence_probability,
        automated=automated,
        labels=proposal.labels,
        errors=proposal.errors,
        labels_needed=proposal.labels_needed,
        error_estimate=estimated,
        reason=proposal.reason,
        updated_at=at,
        canary_above=after.canary_above or None,
        canary_share=after.canary_share,
        awaiting=after.awaiting or None,
        frozen=after.frozen,
        delta_spent=automation.spent(terms),
        catch_rate=automation.catch(terms) / 100,
        actor=actor,
    )
