"""What people changed, what withholding the recommendation showed, and what the checks found."""

from __future__ import annotations

from collections import Counter

from app.demo.log import Known, Log, advised, decision_id
from app.demo.report import Blind, Changes, Checks, CodeRow, Share, SinkRow, share
from app.domain.events import (
    Arm,
    DecidedBy,
    LearningLabel,
    ObservationKind,
    OverrideCategory,
    ReviewDecided,
    ReviewKind,
)

SINKS = {
    OverrideCategory.AI_ERROR: "feedback.training_examples",
    OverrideCategory.EDGE_CASE: "feedback.exception_rules",
    OverrideCategory.POLICY_CHANGE: "feedback.policy_updates",
    OverrideCategory.HUMAN_ERROR: "feedback.coaching",
}
ERRORS_OBSERVED = frozenset(
    {ObservationKind.DOWNSTREAM_ERROR, ObservationKind.CUSTOMER_INCIDENT, ObservationKind.AUDIT_FINDING}
)


def changes(log: Log, known: Known) -> Changes:
    """What people finally decided otherwise than recommended, for better and worse, and why."""
    final = [event for event in log.resolved if event.resolution.decided_by is DecidedBy.HUMAN]
    changed = [event for event in final if event.resolution.action != advised(event.routed)]
    better = worse = kept = 0
    for event in final:
        truth, ai = known.truth(decision_id(event.routed)), advised(event.routed)
        differs = event.resolution.action != ai
        better += differs and event.resolution.action == truth
        worse += differs and ai == truth
        kept += not differs and truth is not None and ai != truth
    texts = {reason.code: reason.text for reason in known.reason_codes}
    codes = Counter((event.resolution.reason_code, event.resolution.category) for event in changed)
    delivered = Counter(topic for topic, event in log.feedback if event.final_action != event.ai_action)
    by_category = Counter(event.resolution.category for event in changed)
    shown = [event for event in _reviews(log) if _arm(event) is Arm.SHOWN]
    return Changes(
        changed=share(sum(_differs(event) for event in shown), len(shown)),
        final_changes=len(changed),
        for_the_better=better,
        for_the_worse=worse,
        ai_errors_kept=kept,
        codes=[
            CodeRow(
                code=code, text=texts.get(code, "in their own words"), category=category or "", count=count
            )
            for (code, category), count in sorted(codes.items(), key=lambda item: (-item[1], str(item[0])))
        ],
        sinks=[
            SinkRow(category=category, topic=topic, changed=by_category[category], delivered=delivered[topic])
            for category, topic in SINKS.items()
        ],
        reasons_captured=share(sum(bool(event.resolution.reason_code) for event in changed), len(changed)),
    )


def blind_arm(log: Log, known: Known) -> Blind:
    """Shown against withheld, first answers only. The gap is how much showing the recommendation
    lowers the share of changes: the anchoring that a randomised comparison can see."""
    reviews = [event for event in _reviews(log) if known.truth(decision_id(event.requested.routed))]
    shown = [event for event in reviews if _arm(event) is Arm.SHOWN]
    blind = [event for event in reviews if event.answer.first_action is not None]
    changed_shown = share(sum(_differs(event) for event in shown), len(shown))
    changed_blind = share(sum(_first_differs(event) for event in blind), len(blind))
    both = changed_shown.share is not None and changed_blind.share is not None
    return Blind(
        changed_shown=changed_shown,
        changed_blind_first=changed_blind,
        revised_after_reveal=sum(event.answer.first_action != event.answer.action for event in blind),
        gap=round((changed_blind.share or 0) - (changed_shown.share or 0), 4) if both else None,
        caught_shown=_caught(shown, known, first=False),
        caught_blind_first=_caught(blind, known, first=True),
    )


def _caught(events: list[ReviewDecided], known: Known, *, first: bool) -> Share:
    """Of the AI's errors among these reviews, how many people noticed."""
    wrong = [e for e in events if advised(e.requested.routed) != known.truth(decision_id(e.requested.routed))]
    return share(sum(_first_differs(e) if first else _differs(e) for e in wrong), len(wrong))


def automated_checks(log: Log, known: Known) -> Checks:
    """Hajek estimate over the blind evidence labels of automated decisions, beside the truth."""
    automated = [event for event in log.routed if event.route.action is not None]
    ids = {decision_id(event) for event in automated}
    evidence = _evidence(log, ids)
    weight = sum(1 / label.inclusion_probability for label in evidence)
    wrong = sum(label.error / label.inclusion_probability for label in evidence)
    interval = share(sum(label.error for label in evidence), len(evidence))
    judged = [event for event in automated if known.truth(decision_id(event)) is not None]
    errors = sum(event.route.action != known.truth(decision_id(event)) for event in judged)
    audits = {
        decision_id(event.requested.routed)
        for event in log.of_kind(ReviewKind.AUDIT)
        if not event.requested.routed.route.evidence
    }
    return Checks(
        automated=len(automated),
        evidence_labels=len(evidence),
        evidence_errors=interval.hits,
        estimated_error=round(wrong / weight, 4) if weight else None,
        estimated_low=interval.low,
        estimated_high=interval.high,
        true_error=share(errors, len(judged)),
        other_audits=len(audits),
        second_looks=len(log.of_kind(ReviewKind.SECOND_LOOK)),
        observed_outcomes=len(log.observed),
        observed_errors=sum(event.kind in ERRORS_OBSERVED for event in log.observed),
    )


def _evidence(log: Log, automated: set[str]) -> list[LearningLabel]:
    """Labels of the uniform sample on automated decisions, the last word for each decision."""
    last = {
        label.decision_id: label
        for label in log.labels
        if label.evidence and label.automated and label.source == "review" and label.decision_id in automated
    }
    return list(last.values())


def _reviews(log: Log) -> list[ReviewDecided]:
    return log.of_kind(ReviewKind.REVIEW, ReviewKind.DECIDE)


def _arm(event: ReviewDecided) -> Arm:
    return Arm.BLIND if event.requested.request.blind else Arm.SHOWN


def _differs(event: ReviewDecided) -> bool:
    return event.answer.action != advised(event.requested.routed)


def _first_differs(event: ReviewDecided) -> bool:
    return event.answer.first_action != advised(event.requested.routed)
