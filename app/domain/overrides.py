"""What one human decision teaches, and to whom it goes (categories and sinks: docs/routing.md)."""

from __future__ import annotations

from app.domain.context_package import is_blind
from app.domain.events import Feedback, OverrideCategory, ReviewDecided, ReviewKind
from app.domain.evidence import reviewed_probability
from app.domain.exception_rule import draft_rule
from app.domain.facts import Invalid, parse_facts
from app.domain.ids import derived_id
from app.domain.resolution import HAND_ONS, agrees
from app.domain.terms import Terms
from app.domain.words import SIGNALS, listed, number

TRAINING, RULES, POLICY, COACHING = "training_examples", "exception_rules", "policy_updates", "coaching"

SINKS = {
    OverrideCategory.AI_ERROR: TRAINING,
    OverrideCategory.EDGE_CASE: RULES,
    OverrideCategory.POLICY_CHANGE: POLICY,
    OverrideCategory.HUMAN_ERROR: COACHING,
}
TAG_SINKS = {"train_on_this": TRAINING, "policy_issue": POLICY, "teaching_example": COACHING}
"""A reviewer's tag adds a sink to the one of the category."""

_TEACHING = frozenset({ReviewKind.REVIEW, ReviewKind.DECIDE, ReviewKind.HUMAN_ONLY, ReviewKind.AUDIT})

_CAUSES = {
    "model_probability": "the model itself was unsure; cases like this belong into training",
    "similarity": "the case is unlike what the model was trained on; collect more of its kind",
    "consensus": "the methods disagreed; compare what each of them saw",
    "rule_clarity": "the rules do not clearly cover the case; clarify them before training on it",
    "completeness": "facts were missing; make them required at the source",
}


def overrides(decided: ReviewDecided) -> bool:
    """Whether the final answer differs from the AI's recommendation; ``modify`` and changed values do."""
    recommended = decided.requested.routed.scored.decision.recommendation.action
    return not agrees(recommended, decided.answer.action, decided.answer.changes)


def category_of(decided: ReviewDecided, terms: Terms) -> OverrideCategory | None:
    """Category of an override: the reviewer's, else its reason code's, else ``ai_error``. ``None`` for an
    agreement."""
    if not overrides(decided):
        return None
    answer = decided.answer
    if answer.category is not None:
        return answer.category
    for reason in terms.reason_codes:
        if reason.code == answer.reason_code and reason.category is not None:
            return reason.category
    return OverrideCategory.AI_ERROR


def feedback_for(decided: ReviewDecided, terms: Terms) -> list[tuple[str, Feedback]]:
    """(topic, feedback) for every sink of one answer, the category's first.

    An agreement reinforces: one training example. Second looks, gold and calibration items measure people
    and teach nothing here, nor does an answer that only hands the work on.
    """
    if decided.requested.request.kind not in _TEACHING or decided.answer.action in HAND_ONS:
        return []
    category = category_of(decided, terms)
    sinks = [TRAINING if category is None else SINKS[category]]
    sinks += [TAG_SINKS[tag] for tag in decided.answer.tags if tag in TAG_SINKS]
    return [(f"feedback.{sink}", _feedback(decided, terms, sink, category)) for sink in dict.fromkeys(sinks)]


def _feedback(decided: ReviewDecided, terms: Terms, sink: str, category: OverrideCategory | None) -> Feedback:
    requested, answer = decided.requested, decided.answer
    routed = requested.routed
    decision, assessment = routed.scored.decision, routed.scored.assessment
    return Feedback(
        feedback_id=derived_id(answer.answer_id, f"feedback.{sink}"),
        decision_id=decision.decision_id,
        decision_type=decision.decision_type,
        learning_key=routed.route.learning_key,
        sink=sink,
        category=category,
        facts=decision.facts,
        ai_action=decision.recommendation.action,
        final_action=answer.action,
        changes=answer.changes,
        confidence=assessment.confidence.probability,
        consequence_class=assessment.consequence.consequence_class,
        reason_code=answer.reason_code,
        reasoning=answer.reasoning,
        note=answer.note,
        tags=answer.tags,
        reviewer=answer.reviewer,
        blind=is_blind(routed, requested.request.kind),
        inclusion_probability=reviewed_probability(routed.route),
        proposal=_proposal(decided, terms, sink, category),
        decided_at=answer.decided_at,
    )


def _proposal(decided: ReviewDecided, terms: Terms, sink: str, category: OverrideCategory | None) -> str:
    """The work item: what somebody should now do."""
    decision = decided.requested.routed.scored.decision
    answer = decided.answer
    if sink == RULES:
        facts = parse_facts(decision.facts)
        return draft_rule({} if isinstance(facts, Invalid) else facts, terms.required_facts)
    why = answer.reasoning or answer.note or answer.reason_code or "no reason given"
    if sink == POLICY:
        section = terms.policy_reference or terms.decision_type
        return (
            f"Check {section}: a reviewer decided '{answer.action}' where the AI follows older rules ({why})."
        )
    if sink == COACHING:
        return _coaching(decided, category, why)
    if category is None:
        return f"Reinforce: '{answer.action}' was confirmed ({why})."
    return root_cause(decided)


def root_cause(decided: ReviewDecided) -> str:
    """Where to look first after an AI error: missing facts, else the weakest of the signals that came."""
    assessment = decided.requested.routed.scored.assessment
    confidence = assessment.confidence
    if assessment.missing_facts:
        return f"Decided without {listed(assessment.missing_facts)}: {_CAUSES['completeness']}."
    came = [
        (value, name)
        for name in ("model_probability", "similarity", "consensus", "rule_clarity")
        if (value := getattr(confidence, name)) is not None
    ]
    if not came:
        return "No confidence signal came with the decision: have the producer send them."
    value, name = min(came)
    if value >= 0.9:  # every signal was strong, so none of them explains the error
        return f"Confidently wrong (every signal at least {number(value)}): check labels and look for drift."
    return f"Weakest signal: {SIGNALS[name]} {number(value)}: {_CAUSES[name]}."


def _coaching(decided: ReviewDecided, category: OverrideCategory | None, why: str) -> str:
    decision = decided.requested.routed.scored.decision
    answer = decided.answer
    told = f"the AI recommended '{decision.recommendation.action}', '{answer.action}' was decided ({why})"
    if category is OverrideCategory.HUMAN_ERROR:
        return f"An earlier human decision was wrong: {told}. Go through it with those involved."
    return f"Teaching example: {told}. Use it in onboarding."
