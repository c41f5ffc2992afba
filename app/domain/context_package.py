"""What a reviewer sees: the context package as canonical JSON, and the digest an answer is bound to.

What is withheld depends on what a person is asked. Blind (evidence sample, blind arm, second look): no
recommendation, alternatives, confidence, level, or reason that would reveal them; :func:`reveal` gives
them after the first answer. Human only (level 5): no AI content, before or after.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from app.domain import words
from app.domain.events import Arm, Consequence, DecisionRouted, Option, ReviewKind
from app.domain.gold import is_unseen
from app.domain.terms import Terms

_AI_CONTENT = ("recommendation", "signals", "assessment")
_AI_FINDINGS = (
    "model_probability",
    "similarity",
    "consensus",
    "rule_clarity",
    "action_",
    "alternative_",
    "calibration_",
    "weights_",
    "confidence_",
)
"""Beginnings of the codes that speak of the recommendation or its confidence."""
PEOPLE_ALONE = "This decision is taken by people alone."
"""What a package of level 5 says to be withheld: pages tell by it that nothing is revealed later."""
_AT_RANDOM = "arm"
"""Step of the reasons that say what was drawn: nobody who is measured may read them."""


class PastDecision(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier decision, of the same subject or of the same type. Times in ms UTC."""

    decision_id: str
    decision_type: str
    decided_at: int
    action: str
    """What was finally done."""
    decided_by: str = ""
    recommended: str | None = None
    """What the AI had recommended; shown only where AI content is."""
    outcome: str | None = None
    """What turned out later, if anything did."""
    reason: str = ""


class ContextPackage(msgspec.Struct, frozen=True):
    """Canonical JSON (sorted keys, no white space, UTF-8) and the SHA-256 of its bytes in hex."""

    text: str
    digest: str


def is_blind(routed: DecisionRouted, kind: ReviewKind) -> bool:
    """Whether a review of this kind is answered before any AI content is shown."""
    return (
        _people_alone(routed, kind)
        or kind is ReviewKind.SECOND_LOOK
        or routed.route.arm
        in (
            Arm.BLIND,
            Arm.SECOND_LOOK,
        )
        or is_unseen(routed)
    )


def build(
    routed: DecisionRouted,
    terms: Terms,
    history: Sequence[PastDecision],
    precedents: Sequence[PastDecision],
    *,
    kind: ReviewKind,
) -> ContextPackage:
    """The package of one review.

    ``history`` are decisions of the same subject in any order, of which the newest
    ``terms.history_length`` of this type are shown, and as many of other types as related decisions;
    ``precedents`` are decisions of the same type. The same arguments give the same bytes.
    """
    decision, assessment = routed.scored.decision, routed.scored.assessment
    blind = is_blind(routed, kind)
    consequence = assessment.consequence
    own = [past for past in history if past.decision_type == decision.decision_type]
    others = [past for past in history if past.decision_type != decision.decision_type]
    length = terms.history_length
    package: dict[str, object] = {
        "decision_required": {
            "question": terms.question,
            "decision_id": decision.decision_id,
            "decision_type": decision.decision_type,
            "subject": decision.subject,
            "submitted_by": decision.submitted_by,
            "occurred_at": words.moment(decision.occurred_at),
            **({} if blind and _told_by_class(terms) else _consequence(consequence)),
        },
        "key_facts": _facts(decision.facts),
        "flags_and_concerns": _flags(routed, terms, blind=blind),
        "historical_context": {
            "subject": _past(own, length, blind=blind),
            "precedents": _past(precedents, None, blind=blind),
        },
        "related_decisions": _past(others, length, blind=blind),
        "policy_reference": {"section": terms.policy_reference, "text": terms.policy_text},
        "available_actions": list(terms.actions),
        "deadline": {
            "at": None if routed.route.deadline is None else words.moment(routed.route.deadline),
            "sla_class": routed.route.sla_class,
            "otherwise": words.ON_DEADLINE[routed.route.on_deadline],
        },
        "links": decision.links,
    }
    if blind:
        package["ai_recommendation"] = None
        package["withheld"] = (
            PEOPLE_ALONE
            if _people_alone(routed, kind)
            else "You are asked first. What the AI recommends is shown after your answer."
        )
    else:
        package.update(_ai_content(routed, terms))
        package["task"] = words.KINDS[kind]
        package["decision_required"]["factors"] = {  # type: ignore[index]
            factor.name: {"score": factor.score, "from": factor.source} for factor in consequence.factors
        }
    return _canonical(package)


def reveal(routed: DecisionRouted, terms: Terms, *, kind: ReviewKind) -> ContextPackage:
    """What was withheld from a blind review, for after its first answer. Empty for human only."""
    if _people_alone(routed, kind):
        return _canonical({})
    return _canonical(
        {**_ai_content(routed, terms), "flags_and_concerns": _flags(routed, terms, blind=False)}
    )


def _tells(expression: str) -> bool:
    """Whether an expression speaks of the recommendation or of how sure the AI is."""
    return any(name in expression for name in _AI_CONTENT)


def _told_by_class(terms: Terms) -> bool:
    """Whether the consequence class could give the recommendation away: some policies weigh an error of
    rejecting otherwise than one of approving."""
    return any(_tells(factor.expression) for factor in terms.factors)


def _consequence(consequence: Consequence) -> dict[str, str]:
    return {
        "consequence": consequence.consequence_class.value,
        "consequence_meaning": words.CLASSES[consequence.consequence_class],
    }


def _people_alone(routed: DecisionRouted, kind: ReviewKind) -> bool:
    """Level 5, including the second look at such a decision."""
    return kind is ReviewKind.HUMAN_ONLY or routed.route.level == 5


def _ai_content(routed: DecisionRouted, terms: Terms) -> dict[str, object]:
    decision, route = routed.scored.decision, routed.route
    confidence = routed.scored.assessment.confidence
    ranked = sorted(decision.alternatives, key=_by_probability)
    calibrated = confidence.calibration_version > 0
    return {
        "ai_recommendation": {
            "action": decision.recommendation.action,
            "rationale": decision.recommendation.rationale,
            "carried_out": route.level <= 2,
            "model": decision.model.name,
            "model_version": decision.model.version,
        },
        "confidence": {
            "probability": confidence.probability,
            "meaning": words.confidence(confidence.probability, calibrated=calibrated)
            if confidence.valid
            else "unknown: the AI gave no usable number",
            "band": words.band(confidence.probability, terms.low_confidence, terms.high_confidence)
            if confidence.valid
            else "unknown",
            "calibrated": calibrated,
            "signals": {
                words.SIGNALS[name]: getattr(confidence, name)
                for name in ("model_probability", "similarity", "consensus", "rule_clarity", "completeness")
            },
        },
        "alternatives": [
            {
                "action": option.action,
                "probability": option.probability,
                "rationale": option.rationale,
                "why_lower": _why_lower(option, decision.recommendation),
            }
            for option in ranked
        ],
        "involvement": {
            "level": route.level,
            "name": words.LEVELS[route.level],
            "meaning": words.LEVEL_MEANINGS[route.level],
        },
    }


def _by_probability(option: Option) -> float:
    """Most probable first; no or no usable probability last."""
    value = option.probability
    return -value if value is not None and 0.0 <= value <= 1.0 else 1.0


def _why_lower(option: Option, recommended: Option) -> str:
    if option.probability is None or recommended.probability is None:
        return "the AI gave no probability to compare"
    lower, higher = words.against(option.probability, recommended.probability)
    return f"probability {lower} against {higher} for '{recommended.action}'"


def _flags(routed: DecisionRouted, terms: Terms, *, blind: bool) -> list[dict[str, object]]:
    """Why a person is asked. What was drawn is never told, what speaks of the AI never to the blind."""
    telling = {rule.name for rule in terms.rules if _tells(rule.expression)}
    flags: list[dict[str, object]] = []
    for reason in routed.route.reasons:
        if reason.step == _AT_RANDOM:
            continue
        if blind and not (
            (reason.step == "rule" and reason.code not in telling)
            or (reason.step in ("input", "flag") and not reason.code.startswith(_AI_FINDINGS))
        ):
            continue
        flags.append(
            {"code": reason.code, "text": reason.text}
            if blind
            else {"code": reason.code, "text": reason.text, "value": reason.value, "limit": reason.limit}
        )
    return flags


def _past(decisions: Sequence[PastDecision], length: int | None, *, blind: bool) -> list[dict[str, object]]:
    newest = sorted(decisions, key=lambda past: (-past.decided_at, past.decision_id))
    shown: list[dict[str, object]] = []
    for past in newest[:length]:
        entry: dict[str, object] = {
            "decision_id": past.decision_id,
            "decision_type": past.decision_type,
            "decided_at": words.moment(past.decided_at),
            "action": past.action,
            "outcome": past.outcome,
            "reason": past.reason,
        }
        if not blind:
            entry["decided_by"] = past.decided_by
            entry["recommended"] = past.recommended
        shown.append(entry)
    return shown


def _facts(text: str) -> object:
    """As the producer wrote them: 17 stays 17."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {"unreadable": text}


def _canonical(package: dict[str, object]) -> ContextPackage:
    encoded = msgspec.json.encode(package, order="sorted")
    return ContextPackage(encoded.decode(), hashlib.sha256(encoded).hexdigest())
