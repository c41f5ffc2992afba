"""Events -> increments: what a committed batch adds to which counter. Pure; the time is given.

An SLA is missed when its deadline passes, not when somebody answers. Blind answers are counted apart, by the
first answer, which was given before the recommendation was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from app.domain.answers import OTHER, says_why
from app.domain.context_package import is_blind
from app.domain.events import (
    DecisionRouted,
    LearningLabel,
    OnDeadline,
    OverrideCategory,
    PatternDetected,
    ReviewDecided,
    ReviewKind,
    ReviewLifecycle,
    ReviewRequested,
)
from app.domain.labels import UNANSWERED
from app.domain.learning.sighting import Pattern
from app.domain.overrides import category_of
from app.domain.resolution import HAND_ONS, agrees, changed
from app.domain.review import MISSED, Review
from app.domain.routing import decision_type_of
from app.domain.verification import Verification
from app.domain.words import band
from app.policy.compiled import CompiledPolicy
from app.telemetry import catalogue as c
from app.telemetry.counts import Increments
from app.telemetry.labels import ROUTES

MEASURING = frozenset({ReviewKind.GOLD, ReviewKind.CALIBRATION})
"""Work that measures people: in no rate about decisions."""
ESCALATED = {
    "escalated": "reviewer",
    "sla_escalated": "sla_at_risk",
    "deadline_rule": "deadline_rule",
    "disagreed": "disagreement",
}
"""Steps of a review that may make it a supervisor's, and how the label calls them."""
STEPS = frozenset({*ESCALATED, "sla_missed", "decided"})
"""Steps of a review that are counted."""

_PATTERNS = frozenset(pattern.value for pattern in Pattern)
_review = msgspec.json.Decoder(Review)


class Counting:
    """What each event adds, under the policy in force. ``policy`` is asked once a batch."""

    def __init__(self, policy: Callable[[], CompiledPolicy]) -> None:
        self._policy = policy
        self._bands: dict[str, tuple[float, float]] = {}
        self._known: CompiledPolicy | None = None
        self._take: dict[type, Callable[..., None]] = {
            DecisionRouted: self._routed,
            ReviewRequested: _requested,
            ReviewDecided: self._decided,
            ReviewLifecycle: _step,
            Verification: _verified,
            LearningLabel: _labelled,
            PatternDetected: _detected,
        }

    def __call__(self, events: Iterable[object], at: int) -> Increments:
        """What these events add; ``at`` is when they were committed, ms UTC. Others count nothing."""
        policy, take, found = self._policy(), self._take, Increments(at)
        if policy is not self._known:
            self._known = policy
            # A type that left the policy keeps its bands: decisions of before may still be on their way.
            terms = policy.terms.values()
            self._bands.update({t.decision_type: (t.low_confidence, t.high_confidence) for t in terms})
        for event in events:
            counted = take.get(type(event))
            if counted is not None:
                counted(event, found)
        return found

    def _routed(self, routed: DecisionRouted, found: Increments) -> None:
        scored, level = routed.scored, routed.route.level
        decision, assessment = scored.decision, scored.assessment
        decision_type = decision.decision_type
        low, high = self._bands.get(decision_type, (0.0, 1.0))
        key = (
            "hitl_decisions_total",
            decision_type,
            ROUTES[level],
            assessment.consequence.consequence_class,
            band(assessment.confidence.probability, low, high),
        )
        counts = found.counts
        counts[key] = counts.get(key, 0) + 1
        seconds = (found.at - assessment.received_at) / 1000
        found.observe(("hitl_routing_seconds", decision_type), seconds, decision.decision_id)

    def _decided(self, decided: ReviewDecided, found: Increments) -> None:
        request, answer, routed = decided.requested.request, decided.answer, decided.requested.routed
        decision_type, queue = routed.scored.decision.decision_type, request.pool
        if answer.action in HAND_ONS:
            return
        if request.kind in MEASURING:
            found.count((c.REVIEWS.name, decision_type, queue, "gold", _flag(request.blind)))
            return
        decision_id = routed.scored.decision.decision_id
        blind = is_blind(routed, request.kind)
        found.count((c.REVIEWS.name, decision_type, queue, _outcome(decided, blind), _flag(blind)))
        if 0 < answer.claimed_at <= answer.decided_at:
            handling = (answer.decided_at - answer.claimed_at) / 1000
            waiting = max(0, answer.claimed_at - request.requested_at) / 1000
            found.observe((c.HANDLING_SECONDS.name, decision_type), handling, decision_id)
            found.observe((c.WAIT_SECONDS.name, queue), waiting, decision_id)
        agreed = agrees(routed.scored.decision.recommendation.action, answer.action, answer.changes)
        if request.kind is ReviewKind.AUDIT:
            found.count((c.AUDITS.name, decision_type, "clean" if agreed else "finding"))
            found.count((c.OUTCOMES.name, decision_type, "ai", "correct" if agreed else "incorrect"))
        if not agreed and request.kind is not ReviewKind.HUMAN_ONLY:
            self._override(decided, decision_type, found)

    def _override(self, decided: ReviewDecided, decision_type: str, found: Increments) -> None:
        answer, terms = decided.answer, self._policy().terms.get(decision_type)
        category = (terms and category_of(decided, terms)) or answer.category or OverrideCategory.AI_ERROR
        said = answer.reason_code not in ("", OTHER) or says_why(answer.reasoning) or says_why(answer.note)
        found.count((c.OVERRIDES.name, decision_type, category, _flag(said)))
        if category is OverrideCategory.EDGE_CASE:
            found.count((c.NEW_SCENARIOS.name, decision_type, "edge_case"))


def _outcome(decided: ReviewDecided, blind: bool) -> str:
    """How an answer compares with the recommendation; audits and answers without one stand apart."""
    request, answer = decided.requested.request, decided.answer
    if request.kind is ReviewKind.AUDIT:
        return "audited"
    if request.kind is ReviewKind.HUMAN_ONLY:
        return "no_recommendation"
    recommended = decided.requested.routed.scored.decision.recommendation.action
    if blind and answer.first_action is not None:
        return "agreed" if agrees(recommended, answer.first_action, None) else "overridden"
    if agrees(recommended, answer.action, answer.changes):
        return "agreed"
    return "modified" if answer.action == "modify" or changed(answer.changes) else "overridden"


def _requested(requested: ReviewRequested, found: Increments) -> None:
    request = requested.request
    if request.kind not in MEASURING:
        found.count((c.REVIEWS_ENQUEUED.name, request.pool, request.sla_class))


def _step(step: ReviewLifecycle, found: Increments) -> None:
    if step.event not in STEPS:
        return
    review = _review.decode(step.state)
    if review.kind in MEASURING:
        return
    if step.event == "sla_missed":
        found.count((c.SLA.name, step.pool, review.sla_class, "missed"))
    elif step.event == "decided":
        if review.deadline is not None and review.rung < MISSED:
            found.count((c.SLA.name, step.pool, review.sla_class, "met"))
    elif review.tier == 1 and not _holds(step, review):
        found.count((c.ESCALATIONS.name, step.pool, ESCALATED[step.event]))


def _holds(step: ReviewLifecycle, review: Review) -> bool:
    """A deadline rule that moves nothing, on a review that was escalated before."""
    return step.event == "deadline_rule" and review.on_deadline is not OnDeadline.ESCALATE


def _verified(verified: Verification, found: Increments) -> None:
    if verified.right is not None:
        result = "correct" if verified.right else "incorrect"
        found.count((c.OUTCOMES.name, verified.decision_type, verified.decided_by, result))
    counter = _OBSERVED.get(verified.kind)
    if counter is c.AUDITS:
        found.count((c.AUDITS.name, verified.decision_type, "finding"))
    elif counter is not None:
        found.count((counter.name, verified.decision_type))


_OBSERVED = {
    "downstream_error": c.DOWNSTREAM,
    "customer_incident": c.INCIDENTS,
    "audit_finding": c.AUDITS,
}


def _labelled(label: LearningLabel, found: Increments) -> None:
    if label.source == "gold" or label.source in UNANSWERED:
        return
    seconds = max(0, found.at - label.decided_at) / 1000
    found.observe((c.FEEDBACK_SECONDS.name, label.decision_type), seconds, label.decision_id)
    if label.evidence and 0 <= label.score <= 1:  # NaN is in no range
        at_bin = (label.decision_type, f"0.{min(9, int(label.score * 10))}")
        found.count((c.CALIBRATION_CONFIDENCE.name, *at_bin), label.score)
        found.count((c.CALIBRATION_LABELS.name, *at_bin))
        found.count((c.CALIBRATION_CORRECT.name, *at_bin), not label.error)


def _detected(pattern: PatternDetected, found: Increments) -> None:
    if pattern.pattern not in _PATTERNS:
        return  # a forged answer: its dead letter is counted
    decision_type = decision_type_of(pattern.learning_key)
    found.count((c.PATTERNS.name, decision_type, pattern.pattern))
    if pattern.pattern == Pattern.TRAFFIC_SHIFT:
        found.count((c.NEW_SCENARIOS.name, decision_type, "traffic_shift"))


def _flag(value: bool) -> str:
    return "true" if value else "false"
