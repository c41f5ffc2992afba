"""What the topics hold after the run, decoded, and what only the demo knows beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import msgspec

from app.demo.lending import Application
from app.demo.report import ModelCard
from app.demo.submissions import Planted
from app.domain.events import (
    DecisionResolved,
    DecisionRouted,
    Feedback,
    LearningLabel,
    ObservedOutcome,
    PatternDetected,
    ReviewDecided,
    ReviewKind,
    ReviewLifecycle,
    ReviewRequested,
    ThresholdUpdated,
)
from app.domain.terms import ReasonCode


class Dead(msgspec.Struct, frozen=True, kw_only=True):
    """A record of the topic ``deadletter``. ``key`` is the source record's key."""

    key: str
    stage: str
    reason: str
    message: str


class Log(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Every record of the topics, in the order in which they were read."""

    routed: Sequence[DecisionRouted] = ()
    resolved: Sequence[DecisionResolved] = ()
    requested: Sequence[ReviewRequested] = ()
    decided: Sequence[ReviewDecided] = ()
    lifecycle: Sequence[ReviewLifecycle] = ()
    observed: Sequence[ObservedOutcome] = ()
    labels: Sequence[LearningLabel] = ()
    feedback: Sequence[tuple[str, Feedback]] = ()
    thresholds: Sequence[ThresholdUpdated] = ()
    patterns: Sequence[PatternDetected] = ()
    dead: Sequence[Dead] = ()

    @cached_property
    def answers(self) -> list[ReviewDecided]:
        """Answers, each once: the outbox delivers at least once."""
        return list({event.answer.answer_id: event for event in self.decided}.values())

    @cached_property
    def final_answers(self) -> dict[str, ReviewDecided]:
        """The last answer of each review, by review id."""
        final: dict[str, ReviewDecided] = {}
        for event in self.answers:
            known = final.get(event.answer.review_id)
            if known is None or event.answer.decided_at >= known.answer.decided_at:
                final[event.answer.review_id] = event
        return final

    def of_kind(self, *kinds: ReviewKind) -> list[ReviewDecided]:
        """Answers to reviews of these kinds."""
        return [event for event in self.answers if event.requested.request.kind in kinds]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo knows beside the topics: the truth, what was set aside, what it planted."""

    seed: int
    decision_type: str
    records: int
    days: int
    applications: Mapping[str, Application]
    planted: Sequence[Planted]
    model: ModelCard
    reason_codes: Sequence[ReasonCode]
    threshold_floor: float
    simulated: Sequence[str]
    reviewers: Sequence[str]
    next_steps: Sequence[str]
    ended_at: int
    """Simulated time at the end of the run, ms UTC."""

    def truth(self, decision_id: str) -> str | None:
        """What the lender did, or ``None`` for a record that is no application."""
        application = self.applications.get(decision_id)
        return None if application is None else application.lender


def advised(routed: DecisionRouted) -> str:
    """What the AI recommended."""
    return routed.scored.decision.recommendation.action


def decision_id(routed: DecisionRouted) -> str:
    """Which decision."""
    return routed.scored.decision.decision_id
