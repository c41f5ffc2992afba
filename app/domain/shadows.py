"""Shadows: another model version's recommendations ride along while one decides.

A shadow is scored and routed by the rules of its type under the thresholds of its own learning key, with the
draws of the decision, and nothing follows from it but evidence: its traffic is counted, none of it as
automated, and a blind answer that judges the version in charge judges the shadow, too. Which decisions are
answered blind is drawn by the evidence coin of the version in charge, which looks at no recommendation, so
that labels are draws of the shadow's regions as well (docs/decisions/021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from app.domain.confidence import Calibration
from app.domain.context_package import is_blind
from app.domain.events import (
    DecisionRouted,
    DecisionScored,
    DecisionSubmitted,
    LearningLabel,
    ReviewDecided,
    ReviewKind,
    Shadowed,
)
from app.domain.evidence import Draws
from app.domain.expression_context import context as build_context
from app.domain.ids import derived_id
from app.domain.labels import CONFIRMATION, UNASKED, DecisionBrief
from app.domain.resolution import DECIDING, HAND_ONS, differs
from app.domain.review import Review
from app.domain.routing import eligible, learning_key, route
from app.domain.scoring import assess
from app.domain.second_opinion import is_confirmation, to_confirm
from app.domain.standing_rules import NO_RULES, RulesInForce
from app.domain.terms import Facts, Terms
from app.domain.thresholds import ThresholdInForce

MOST = 8
"""Shadows of one decision that are looked at: each costs as much as a decision."""

_JUDGING = DECIDING | {ReviewKind.AUDIT}
"""Answers that judge a shadow. Level 5 does, too: that the version in charge is at a loss says nothing about
where the shadow would be, so leaving it out would select."""


def shadows_of(
    decision: DecisionSubmitted,
    facts: Facts,
    received_at: int,
    terms: Terms,
    calibration: Callable[[str], Calibration],
    in_force: Callable[[str], ThresholdInForce],
    draws: Draws,
    standing: RulesInForce = NO_RULES,
) -> Iterator[DecisionRouted]:
    """Each shadow as if its version had recommended, but with no action. ``calibration`` and ``in_force`` are
    asked by learning key. One with the key of the decision, or of a shadow before it, is left out: it would
    count twice."""
    segment = terms.learning.segment
    known = {learning_key(decision, segment, build_context(decision, facts))}
    for shadow in decision.shadows[:MOST]:
        twin = msgspec.structs.replace(
            decision,
            recommendation=shadow.recommendation,
            alternatives=shadow.alternatives,
            signals=shadow.signals,
            model=shadow.model,
            shadows=[],
        )
        context = build_context(twin, facts)
        key = learning_key(twin, segment, context)
        if key in known:
            continue
        known.add(key)
        assessment = assess(twin, facts, context, received_at, terms, calibration(key))
        led = route(twin, assessment, context, terms, in_force(key), draws, standing)
        yield DecisionRouted(
            scored=DecisionScored(decision=twin, assessment=assessment),
            route=msgspec.structs.replace(led, action=None),
        )


def with_shadows(routed: DecisionRouted, shadows: Sequence[DecisionRouted]) -> DecisionRouted:
    """The decision with where its shadows would have led."""
    led = msgspec.structs.replace(routed.route, shadows=[_shadowed(shadow) for shadow in shadows])
    return msgspec.structs.replace(routed, route=led)


def _shadowed(routed: DecisionRouted) -> Shadowed:
    led = routed.route
    return Shadowed(
        learning_key=led.learning_key,
        epoch=led.epoch,
        action=routed.scored.decision.recommendation.action,
        raw=routed.scored.assessment.confidence.raw,
        score=led.score,
        threshold=led.threshold,
        level=led.level,
        eligible=eligible(routed),
    )


def shadow_labels(decided: ReviewDecided) -> Iterator[LearningLabel]:
    """What an answer of the evidence sample says about each shadow whose score alone would have decided, a
    second look with it. Whoever had seen the recommendation in charge judged that one, not the shadow's."""
    requested, answer = decided.requested, decided.answer
    routed, kind = requested.routed, requested.request.kind
    led = routed.route
    judges = kind in _JUDGING
    if not led.shadows or not led.evidence or not (judges or kind is ReviewKind.SECOND_LOOK):
        return
    if answer.action in HAND_ONS or not is_blind(routed, kind):
        return
    confirms = is_confirmation(routed, kind)
    asked = ReviewKind.SECOND_LOOK in led.review_kinds or to_confirm(decided)
    for shadow in led.shadows:
        if not shadow.eligible:
            continue
        error = differs(shadow.action, answer)
        yield LearningLabel(
            label_id=derived_id(derived_id(answer.answer_id, "label"), shadow.learning_key),
            decision_id=routed.scored.decision.decision_id,
            learning_key=shadow.learning_key,
            decision_type=routed.scored.decision.decision_type,
            epoch=shadow.epoch,
            raw=shadow.raw,
            score=shadow.score,
            level=max(3, shadow.level),
            automated=False,
            evidence=judges,
            inclusion_probability=led.evidence_probability,
            source=CONFIRMATION if confirms else UNASKED if error and not asked else "review",
            kind=ReviewKind.REVIEW if judges else kind,
            blind=True,
            reviewer=answer.reviewer,
            error=error,
            decided_at=routed.scored.assessment.received_at,
            labelled_at=answer.decided_at,
        )


def shadow_briefs(
    brief: DecisionBrief, shadows: Sequence[Shadowed], *, evidence: bool
) -> Iterator[DecisionBrief]:
    """What is remembered of a decision, as if each shadow had recommended: for checks that nobody answered in
    time and for later truths. ``evidence``: the decision is in the evidence sample."""
    for shadow in shadows:
        yield msgspec.structs.replace(
            brief,
            learning_key=shadow.learning_key,
            epoch=shadow.epoch,
            raw=shadow.raw,
            score=shadow.score,
            level=max(3, shadow.level),
            recommended=shadow.action,
            changed=brief.changed and shadow.action == brief.action,
            sampled=evidence and shadow.eligible,
        )


def judging(review: Review) -> Review:
    """The review as it counts for a shadow: what judges it at level 5 is a review like any other."""
    if review.kind is not ReviewKind.HUMAN_ONLY:
        return review
    return msgspec.structs.replace(review, kind=ReviewKind.REVIEW)


def of_shadow(label: LearningLabel) -> LearningLabel:
    """A label of a shadow with an id of its own, beside that of the decision."""
    return msgspec.structs.replace(label, label_id=derived_id(label.label_id, label.learning_key))
