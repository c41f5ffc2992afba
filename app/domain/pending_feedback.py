"""Feedback that waits for somebody to act on it: how old is the oldest? Pure."""

from __future__ import annotations

from app.domain.events import Feedback, LearningChanged
from app.domain.learnings import WORK, ItemState


class PendingFeedback:
    """Work items of the feedback sinks that nobody closed. Events may come twice, and in any order across
    topics. Nothing but type and time is kept of an item."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[str, int]] = {}
        self._closed: set[str] = set()

    def add(self, event: object) -> None:
        """Take an event; others than feedback and its steps are ignored."""
        if isinstance(event, Feedback):
            if event.sink in WORK and event.feedback_id not in self._closed:
                self._open[event.feedback_id] = (event.decision_type, event.decided_at)
        elif isinstance(event, LearningChanged) and event.state == ItemState.CLOSED:
            self._closed.add(event.item_id)
            self._open.pop(event.item_id, None)

    def oldest(self) -> dict[str, int]:
        """By decision type, when the oldest open item was answered (ms UTC)."""
        found: dict[str, int] = {}
        for decision_type, at in list(self._open.values()):
            found[decision_type] = min(at, found.get(decision_type, at))
        return found
