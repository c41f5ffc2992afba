"""Labels: was the AI's recommendation right? From a reviewer's independent judgement, or from a truth
that arrived later. Labels are what thresholds, calibration and drift learn from."""

from __future__ import annotations

import msgspec

from app.domain.context_package import is_blind
from app.domain.events import (
    DecisionRouted,
    LearningLabel,
    ObservationKind,
    ObservedOutcome,
    ReviewDecided,
    ReviewKind,
)
from app.domain.evidence import reviewed_probability
from app.domain.gold import caught, truth_of
from app.domain.ids import derived_id
from app.domain.resolution import HAND_ONS, JUDGING, agrees, differs
from app.domain.review import Review
from app.domain.routing import eligible
from app.domain.second_opinion import is_confirmation

MISSED_SLA = "missed_sla"
"""Source of a label that is there because nobody answered in time."""
WITHDRAWN = "withdrawn"
"""Source of a label that is there because the review ended before anybody answered."""
UNANSWERED = frozenset({MISSED_SLA, WITHDRAWN})
"""Sources of labels that nobody's judgement stands behind."""
CONFIRMATION = "confirmation"
"""Source of the label of a second look that was asked for because of a finding."""
UNASKED = "unasked"
"""Source of a finding about a shadow alone: nobody is asked to confirm it."""

_MEASURING = frozenset({ReviewKind.GOLD, ReviewKind.CALIBRATION})
_WRONG = frozenset(
    {ObservationKind.DOWNSTREAM_ERROR, ObservationKind.CUSTOMER_INCIDENT, ObservationKind.AUDIT_FINDING}
)


class DecisionBrief(msgspec.Struct, frozen=True, kw_only=True):
    """What must be remembered of a decision until its truth arrives. Times in ms UTC."""

    decision_id: str
    decision_type: str
    learning_key: str
    epoch: int
    raw: float
    score: float
    level: int
    recommended: str
    """The AI's action."""
    action: str | None
    """What was finally done; ``None`` while nothing was."""
    changed: bool
    """Whether values were changed on the way."""
    received_at: int
    sampled: bool = False
    """Drawn into the evidence sample, and nothing but its score decided whether it runs alone."""
    evidence_probability: float = 0.0


def label_for(decided: ReviewDecided) -> LearningLabel | None:
    """The label of an answer, or ``None`` if it only hands the work on or measures the reviewer (gold and
    calibration items).

    In a blind review the first answer counts, given before the recommendation was seen. ``evidence`` is
    true only where the certificate may count it: drawn by the evidence coin, answered blind, and
    :func:`~app.domain.routing.eligible`. A second look has the label of the second person; whether it
    confirms the first is the learner's to join by ``decision_id``.
    """
    requested, answer = decided.requested, decided.answer
    routed, kind = requested.routed, requested.request.kind
    if answer.action in HAND_ONS or kind in _MEASURING:
        return None
    decision, route = routed.scored.decision, routed.route
    blind = is_blind(routed, kind)
    advised, action, changes = decision.recommendation.action, answer.action, answer.changes
    error = differs(advised, answer) if blind else not agrees(advised, action, changes)
    evidence = route.evidence and blind and kind in JUDGING and eligible(routed)
    return _label(
        _brief_of(routed),
        label_id=derived_id(answer.answer_id, "label"),
        evidence=evidence,
        inclusion_probability=route.evidence_probability if evidence else reviewed_probability(route),
        source=CONFIRMATION if is_confirmation(routed, kind) else "review",
        kind=kind,
        blind=blind,
        reviewer=answer.reviewer,
        error=error,
        labelled_at=answer.decided_at,
        handling=answer.decided_at - answer.claimed_at
        if 0 < answer.claimed_at <= answer.decided_at
        else None,
    )


def gold_label(decided: ReviewDecided) -> LearningLabel | None:
    """What an answer to a gold item says about reviewers: ``error`` is whether the AI's known error was
    caught, ``blind`` whether before it was seen: then the first answer counts. ``None`` for anything else,
    and where the AI was right: agreeing with it proves nothing."""
    routed, answer = decided.requested.routed, decided.answer
    truth, found = truth_of(routed), caught(decided)
    if truth is None or found is None or truth == routed.scored.decision.recommendation.action:
        return None
    blind = is_blind(routed, ReviewKind.GOLD)
    if blind and answer.first_action is not None:
        found = answer.first_action == truth
    return _label(
        _brief_of(routed),
        label_id=derived_id(answer.answer_id, "label"),
        automated=False,
        source="gold",
        kind=ReviewKind.GOLD,
        blind=blind,
        reviewer=answer.reviewer,
        error=found,
        labelled_at=answer.decided_at,
    )


def unanswered_label(
    brief: DecisionBrief, review: Review, source: str, labelled_at: int
) -> LearningLabel | None:
    """The label of a check that nobody answered in time (``MISSED_SLA``), or that ended unanswered
    (``WITHDRAWN``): an error, until somebody answers. Otherwise what is hard to judge would count for less,
    and whoever hears of an error could withdraw the decision before it counts. ``None`` for reviews that are
    no evidence."""
    if not brief.sampled or review.kind not in JUDGING:
        return None
    return _label(
        brief,
        label_id=derived_id(review.review_id, "missed" if source == MISSED_SLA else source),
        evidence=True,
        inclusion_probability=brief.evidence_probability,
        source=source,
        kind=review.kind,
        error=True,
        labelled_at=labelled_at,
    )


def label_for_observation(brief: DecisionBrief, observed: ObservedOutcome) -> LearningLabel | None:
    """The label that a later truth gives, or ``None`` where it says nothing about the recommendation.

    A correct action is compared with the recommendation. Without one, a confirmation or an error speaks
    about what was done, and so about the AI only as far as it recommended exactly that. Never evidence:
    which decisions anybody observes is not ours to draw.
    """
    error = _observed_error(brief, observed)
    if error is None:
        return None
    return _label(
        brief,
        label_id=derived_id(observed.observation_id, "label"),
        source="observation",
        kind=ReviewKind.REVIEW,
        error=error,
        labelled_at=observed.observed_at,
    )


def _brief_of(routed: DecisionRouted) -> DecisionBrief:
    decision, route = routed.scored.decision, routed.route
    assessment = routed.scored.assessment
    return DecisionBrief(
        decision_id=decision.decision_id,
        decision_type=decision.decision_type,
        learning_key=route.learning_key,
        epoch=route.epoch,
        raw=assessment.confidence.raw,
        score=route.score,
        level=route.level,
        recommended=decision.recommendation.action,
        action=None,
        changed=False,
        received_at=assessment.received_at,
    )


def _label(
    brief: DecisionBrief,
    *,
    label_id: str,
    source: str,
    kind: ReviewKind,
    error: bool,
    labelled_at: int,
    automated: bool | None = None,
    evidence: bool = False,
    inclusion_probability: float = 1.0,
    blind: bool = True,
    reviewer: str = "",
    handling: int | None = None,
) -> LearningLabel:
    """What every label says of its decision, and what the caller knows of the judgement."""
    return LearningLabel(
        label_id=label_id,
        decision_id=brief.decision_id,
        learning_key=brief.learning_key,
        decision_type=brief.decision_type,
        epoch=brief.epoch,
        raw=brief.raw,
        score=brief.score,
        level=brief.level,
        automated=brief.level <= 2 if automated is None else automated,
        evidence=evidence,
        inclusion_probability=inclusion_probability,
        source=source,
        kind=kind,
        blind=blind,
        reviewer=reviewer,
        error=error,
        decided_at=brief.received_at,
        labelled_at=labelled_at,
        handling=handling,
    )


def _observed_error(brief: DecisionBrief, observed: ObservedOutcome) -> bool | None:
    if observed.correct_action is not None:
        return observed.correct_action != brief.recommended
    if brief.action is None:
        return None
    same = brief.action == brief.recommended and not brief.changed
    if observed.kind is ObservationKind.CONFIRMED_CORRECT:
        return not same
    return True if observed.kind in _WRONG and same else None
