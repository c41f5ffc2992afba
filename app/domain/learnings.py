"""What people's answers taught, as work items: who has one, and what came of it. Pure.

An item is a feedback event of one of the four sinks. Training examples need nobody: they are exported
(`hitl export training`). An item without a step is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from app.domain.events import Feedback, LearningChanged
from app.domain.overrides import COACHING, POLICY, RULES, TRAINING

SINKS = (RULES, POLICY, COACHING, TRAINING)
"""Every sink, those that need somebody first."""
WORK = frozenset({RULES, POLICY, COACHING})
"""Sinks whose items somebody has to see to."""


class ItemState(StrEnum):
    """Where a work item stands."""

    OPEN = "open"
    ASSIGNED = "assigned"
    CLOSED = "closed"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of feedback with its last step. ``learned_from`` is the type that it comes from, where
    another type's people see it (``learnings_from`` of the policy)."""

    feedback: Feedback
    step: LearningChanged | None = None
    learned_from: str = ""

    @property
    def state(self) -> ItemState:
        """Where it stands."""
        return ItemState(self.step.state) if self.step else ItemState.OPEN

    @property
    def assignee(self) -> str:
        """Who has it; empty for nobody."""
        return self.step.assignee if self.step else ""


class Learnings:
    """Feedback and steps in, items out. Events may come twice, and in any order across topics."""

    def __init__(self) -> None:
        self._feedback: dict[str, Feedback] = {}
        self._steps: dict[str, LearningChanged] = {}

    def add(self, event: object) -> None:
        """Take an event; others than feedback and its steps are ignored."""
        if isinstance(event, Feedback):
            self._feedback[event.feedback_id] = event
        elif isinstance(event, LearningChanged):
            known = self._steps.get(event.item_id)
            closes = event.state == ItemState.CLOSED
            if known is None or (known.state != ItemState.CLOSED and (closes or known.at <= event.at)):
                self._steps[event.item_id] = event

    def get(self, item_id: str) -> Item | None:
        """One item."""
        feedback = self._feedback.get(item_id)
        return Item(feedback=feedback, step=self._steps.get(item_id)) if feedback else None

    def items(
        self,
        *,
        sinks: frozenset[str] = WORK,
        decision_type: str | None = None,
        learns_from: Mapping[str, tuple[str, ...]] | None = None,
        closed: bool = False,
    ) -> list[Item]:
        """Items of these sinks, the latest first; of one type also those of the types it learns from."""
        others = (learns_from or {}).get(decision_type or "", ())
        found = []
        for feedback in self._feedback.values():
            own = decision_type in (None, feedback.decision_type)
            if feedback.sink not in sinks or not (own or feedback.decision_type in others):
                continue
            item = Item(
                feedback=feedback,
                step=self._steps.get(feedback.feedback_id),
                learned_from="" if own else feedback.decision_type,
            )
            if closed or item.state is not ItemState.CLOSED:
                found.append(item)
        return sorted(found, key=lambda one: (-one.feedback.decided_at, one.feedback.feedback_id))

    def feedback(self) -> list[Feedback]:
        """All feedback, in the order of the answers."""
        return sorted(self._feedback.values(), key=lambda one: (one.decided_at, one.feedback_id))
