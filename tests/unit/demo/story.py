"""Synthetic topics for the summary: decisions written as short lines of a story."""

import msgspec

from app.demo.lending import DECISION_TYPE, Application
from app.demo.log import Dead, Known, Log
from app.demo.report import ModelCard
from app.domain.events import (
    Answer,
    Arm,
    Assessment,
    Confidence,
    Consequence,
    ConsequenceClass,
    DecidedBy,
    DecisionResolved,
    DecisionRouted,
    DecisionScored,
    DecisionSubmitted,
    Feedback,
    LearningLabel,
    Model,
    OnDeadline,
    Option,
    Resolution,
    ReviewDecided,
    ReviewKind,
    ReviewRequest,
    ReviewRequested,
    Route,
    Signals,
    ThresholdUpdated,
)
from app.domain.terms import ReasonCode

MONDAY = 1_736_153_000_000
HOUR = 3_600_000
CARD = ModelCard(
    name="lending-demo 1",
    chosen="logistic regression",
    trained_on=600,
    log_loss={"logistic regression": 0.31},
    accuracy=0.89,
    base_rate=0.88,
)
CODES = (ReasonCode(code="facts_misread", text="The AI misread the facts", category="ai_error"),)


def routed(n, *, level=1, advised="approve", at=MONDAY, evidence=False, arm=Arm.SHOWN, threshold=0.95):
    decision = DecisionSubmitted(
        decision_id=f"d-{n}",
        decision_type=DECISION_TYPE,
        occurred_at=at,
        subject=f"s-{n}",
        submitted_by="svc",
        recommendation=Option(action=advised, probability=0.9),
        alternatives=[],
        facts="{}",
        signals=Signals(),
        factors=None,
        model=Model(name="m", version="1"),
        due_at=None,
        links=[],
    )
    assessment = Assessment(
        received_at=at,
        policy_version="p",
        consequence=Consequence(harm=0.1, consequence_class=ConsequenceClass.LOW, factors=[]),
        confidence=Confidence(
            probability=0.9,
            raw=0.9,
            valid=True,
            model_probability=0.9,
            similarity=None,
            consensus=None,
            rule_clarity=None,
            completeness=1.0,
            calibration_version=0,
        ),
        missing_facts=[],
        findings=[],
    )
    route = Route(
        route_id=f"r-{n}",
        level=level,
        action=advised if level <= 2 else None,
        score=0.9,
        threshold=threshold,
        threshold_version=1,
        learning_key=DECISION_TYPE,
        epoch=1,
        reasons=[],
        evidence=evidence,
        evidence_probability=0.5,
        audit=False,
        audit_probability=0.1,
        arm=arm,
        arm_probability=0.5,
        review_kinds=[],
        pool="underwriters",
        sla_class="standard",
        deadline=at + 24 * HOUR,
        on_deadline=OnDeadline.ESCALATE,
        approvals=1,
        policy_version="p",
    )
    return DecisionRouted(scored=DecisionScored(decision=decision, assessment=assessment), route=route)


def resolved(event, action, *, by=DecidedBy.HUMAN, code="", category=None, reviewer="ana"):
    advised = event.scored.decision.recommendation.action
    return DecisionResolved(
        routed=event,
        resolution=Resolution(
            resolution_id="x",
            action=action,
            changes=None,
            decided_by=by,
            level=event.route.level,
            review_id=None,
            reviewer=reviewer if by is DecidedBy.HUMAN else None,
            agreed=action == advised,
            category=category,
            reason_code=code,
            reasoning="",
            resolved_at=MONDAY,
        ),
    )


def requested(event, kind=ReviewKind.REVIEW, *, blind=False):
    at = event.scored.assessment.received_at
    return ReviewRequested(
        routed=event,
        request=ReviewRequest(
            review_id=f"underwriters.{event.scored.decision.decision_id}.{kind}",
            kind=kind,
            pool="underwriters",
            sla_class="standard",
            consequence_class=ConsequenceClass.LOW,
            requested_at=at,
            deadline=at + 24 * HOUR,
            approvals=1,
            blind=blind,
            package="{}",
            package_digest="0",
        ),
    )


def answered(request, action, *, first=None, reviewer="ana", wait=HOUR, handling=HOUR // 6):
    at = request.request.requested_at
    return ReviewDecided(
        requested=request,
        answer=Answer(
            answer_id=f"{request.request.review_id}.{reviewer}",
            review_id=request.request.review_id,
            reviewer=reviewer,
            action=action,
            changes=None,
            reasoning="because",
            reason_code="",
            category=None,
            note="",
            tags=[],
            first_action=first,
            package_digest="0",
            lease_epoch=1,
            claimed_at=at + wait,
            decided_at=at + wait + handling,
        ),
    )


def label(event, *, error, q=0.5, evidence=True):
    decision_id = event.scored.decision.decision_id
    return LearningLabel(
        label_id=f"l-{decision_id}",
        decision_id=decision_id,
        learning_key=DECISION_TYPE,
        decision_type=DECISION_TYPE,
        epoch=1,
        raw=0.9,
        score=0.9,
        level=event.route.level,
        automated=event.route.action is not None,
        evidence=evidence,
        inclusion_probability=q,
        source="review",
        kind=ReviewKind.AUDIT,
        blind=True,
        reviewer="ana",
        error=error,
        decided_at=MONDAY,
        labelled_at=MONDAY,
    )


def feedback(event, final, category):
    advised = event.scored.decision.recommendation.action
    return Feedback(
        feedback_id="f",
        decision_id=event.scored.decision.decision_id,
        decision_type=DECISION_TYPE,
        learning_key=DECISION_TYPE,
        sink="training",
        category=category,
        facts="{}",
        ai_action=advised,
        final_action=final,
        changes=None,
        confidence=0.9,
        consequence_class=ConsequenceClass.LOW,
        reason_code="",
        reasoning="",
        note="",
        tags=[],
        reviewer="ana",
        blind=False,
        inclusion_probability=1.0,
        proposal="",
        decided_at=MONDAY,
    )


def threshold(**changes):
    event = ThresholdUpdated(
        learning_key=DECISION_TYPE,
        version=3,
        epoch=1,
        threshold=0.94,
        previous=1.0,
        cap=0.9,
        floor=0.7,
        certified=0.94,
        evidence_probability=0.6,
        automated=10,
        labels=180,
        errors=3,
        labels_needed=0,
        error_estimate=0.02,
        reason="The certificate was earned.",
        updated_at=MONDAY,
    )
    return msgspec.structs.replace(event, **changes)


def dead(key, reason="malformed"):
    return Dead(key=key, stage="scoring", reason=reason, message=f"{key}: {reason}")


def known(truths, *, records, planted=(), minority=(), ended_at=MONDAY + 48 * HOUR):
    return Known(
        seed=7,
        decision_type=DECISION_TYPE,
        records=records,
        days=2,
        applications={
            f"d-{n}": Application(
                application_id=f"d-{n}", facts={}, lender=truth, african_american=n in minority, single=False
            )
            for n, truth in truths.items()
        },
        planted=planted,
        model=CARD,
        reason_codes=CODES,
        threshold_floor=0.7,
        simulated=["Reviewers are simulated."],
        reviewers=["ana: catches all"],
        next_steps=["hitl doctor"],
        ended_at=ended_at,
    )


def log(**topics):
    return Log(**topics)
