"""Open coaching notes by the person whose answer they came from; for that person and the leads."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.events import Feedback, LearningChanged
from app.domain.learnings import ItemState
from app.domain.overrides import COACHING
from app.domain.quality.figures import CoachingNote
from app.domain.quality.latest import Latest

MOST = 1000
"""Notes that are remembered, of everybody together."""


class CoachingNotes:
    """Feedback and steps in, in any order; a note that was closed stays away."""

    def __init__(self) -> None:
        self._notes: Latest[str, Feedback] = Latest(MOST)
        self._closed: Latest[str, None] = Latest(MOST)

    def add(self, event: Feedback | LearningChanged) -> None:
        """Take an event; only those of coaching count."""
        if event.sink != COACHING:
            return
        if isinstance(event, Feedback):
            self._notes.put(event.feedback_id, event)
        elif event.state == ItemState.CLOSED:
            self._closed.put(event.item_id, None)

    def figures(self) -> Mapping[str, tuple[CoachingNote, ...]]:
        """The open notes of each person, the newest first."""
        found: dict[str, list[CoachingNote]] = {}
        for note in self._notes.values():
            if note.feedback_id not in self._closed:
                told = CoachingNote(
                    item_id=note.feedback_id,
                    decision_type=note.decision_type,
                    text=note.proposal,
                    at=note.decided_at,
                )
                found.setdefault(note.reviewer, []).append(told)
        return {
            name: tuple(sorted(notes, key=lambda one: (-one.at, one.item_id)))
            for name, notes in found.items()
        }
