"""A recorded log under another policy: who would have decided, and how wrong that would have been.

Routing is repeated with the thresholds and calibrations that were in force at the time of each decision.
What nobody judged stays unknown: the error is estimated from blind answers, each with the chance that it had
of being asked for (``app.lab.estimate``), and only bounded where that chance was none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import msgspec

from app.domain.confidence import IDENTITY, Calibration
from app.domain.context_package import is_blind
from app.domain.events import (
    Arm,
    DecisionRouted,
    DecisionScored,
    ReviewDecided,
    ReviewKind,
    Route,
    ThresholdUpdated,
)
from app.domain.evidence import draws, reviewed_probability
from app.domain.facts import Invalid, build_context, parse_facts
from app.domain.gold import due
from app.domain.labels import label_for
from app.domain.routing import learning_key, route
from app.domain.scoring import assess
from app.domain.terms import Fact, Terms
from app.domain.thresholds import threshold_in_force
from app.lab.estimate import Judged
from app.lab.recorded import Log, Past
from app.policy.compiled import CompiledPolicy

_FIRST = frozenset({ReviewKind.REVIEW, ReviewKind.DECIDE, ReviewKind.HUMAN_ONLY, ReviewKind.AUDIT})


class Again(msgspec.Struct, frozen=True, gc=False):
    """A decision of the log, routed again. ``people`` are the answers it would have taken."""

    past: Past
    route: Route
    facts: dict[str, Fact]
    people: tuple[ReviewKind, ...]
    blind: Judged
    """By answers given before the recommendation was seen."""
    any: Judged
    """By whatever people answered; who was shown the recommendation may have followed it."""

    @property
    def alone(self) -> bool:
        """It would run without a person."""
        return self.route.level <= 2

    @property
    def was_alone(self) -> bool:
        """It did."""
        return self.past.routed.route.level <= 2


class Replay(msgspec.Struct):
    """All decisions of a log again, with the policy's terms and the last announcements by learning key."""

    decisions: list[Again] = []
    keys: dict[str, Terms] = {}
    updates: dict[str, ThresholdUpdated] = {}


def replay(
    log: Log, policy: CompiledPolicy, secret: bytes, advance: Callable[[int], object] = lambda _n: None
) -> Replay:
    """Route every decision again. What the policy does not know is counted in ``log.rejected``."""
    result = Replay()
    calibrations: dict[str, Calibration] = {}
    thresholds, fits = iter([*log.thresholds, None]), iter([*log.calibrations, None])
    threshold, fit = next(thresholds), next(fits)
    for past in log.decisions:
        scored = past.routed.scored
        decision, received_at = scored.decision, scored.assessment.received_at
        while threshold is not None and threshold.updated_at <= received_at:
            result.updates[threshold.learning_key] = threshold
            threshold = next(thresholds)
        while fit is not None and fit.updated_at <= received_at:
            calibrations[fit.learning_key] = Calibration.of(fit)
            fit = next(fits)
        terms, facts = policy.terms.get(decision.decision_type), parse_facts(decision.facts)
        if terms is None or isinstance(facts, Invalid):
            reason = "unknown_type" if terms is None else "invalid_facts"
            log.rejected.add(0, reason, f"decision '{decision.decision_id}' of {decision.decision_type}")
            continue
        context = build_context(decision, facts)
        key = learning_key(decision, terms.learning.segment, context)
        result.keys[key] = terms
        assessment = assess(decision, facts, context, received_at, terms, calibrations.get(key, IDENTITY))
        in_force = threshold_in_force(terms, result.updates.get(key))
        decided = route(decision, assessment, context, terms, in_force, draws(secret, decision.decision_id))
        rerouted = DecisionRouted(
            scored=DecisionScored(decision=decision, assessment=assessment), route=decided
        )
        blind, seen = _judged(past)
        again = Again(past, decided, dict(facts), _people(rerouted), blind, seen)
        result.decisions.append(again)
        advance(len(result.decisions))
    return result


def _people(routed: DecisionRouted) -> tuple[ReviewKind, ...]:
    decided = routed.route
    kinds = list(decided.review_kinds)
    if decided.level > 2:
        kinds += kinds[:1] * (decided.approvals - 1)
    if due(routed):
        kinds.append(ReviewKind.GOLD)
    return tuple(kinds)


def _judged(past: Past) -> tuple[Judged, Judged]:
    """What the log knows of the recommendation: by blind answers alone, and by any answer. A later truth
    corrects an answer; alone it says nothing, since errors get reported and successes do not."""
    decided = past.routed.route
    alone = decided.level <= 2
    first = next((a for a in past.answers if a.requested.request.kind in _FIRST), None)
    error = None if first is None else _error(past, first)
    blind_error = error if first is not None and _is_drawn_blind(past.routed, first) else None
    return (
        Judged(alone, blind_error, _blind_chance(decided)),
        Judged(alone, error, reviewed_probability(decided)),
    )


def _error(past: Past, answer: ReviewDecided) -> bool | None:
    if past.truth is not None:
        return past.truth != past.routed.scored.decision.recommendation.action
    label = label_for(answer)
    return None if label is None else label.error


def _is_drawn_blind(routed: DecisionRouted, answer: ReviewDecided) -> bool:
    kind = answer.requested.request.kind
    if kind is ReviewKind.HUMAN_ONLY and routed.route.level < 5:
        return False  # a draw of its own, with another chance
    return routed.route.arm is Arm.BLIND and is_blind(routed, kind)


def _blind_chance(decided: Route) -> float:
    """The chance that a decision at this level was answered in the blind arm.

    Reviewed: the arm's own. Alone: drawn as evidence, or for a spot check and then blind,
    q + (1 - q) a b, where the arm says b: shown has (1 - q)(1 - b).
    """
    if decided.level > 2:
        return decided.arm_probability
    q, shown = decided.evidence_probability, decided.arm_probability
    if decided.arm is Arm.BLIND:
        shown = 1.0 - shown
    blind = 1.0 - shown / (1.0 - q) if q < 1.0 else 0.0
    return q + (1.0 - q) * decided.audit_probability * max(0.0, blind)


def handling(answers: Sequence[ReviewDecided]) -> dict[ReviewKind, float]:
    """Mean handling time by kind of review, ms; of those that were timed."""
    times: dict[ReviewKind, list[int]] = defaultdict(list)
    for each in answers:
        taken = each.answer.decided_at - each.answer.claimed_at
        if each.answer.claimed_at > 0 and taken >= 0:
            times[each.requested.request.kind].append(taken)
    return {kind: sum(each) / len(each) for kind, each in times.items()}
