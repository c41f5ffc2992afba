"""Everything that the pages show, at one moment."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.quality.figures import (
    CoachingNote,
    Figure,
    Funnel,
    PatternFigures,
    PoolFigures,
    ReviewerFigures,
    VolumeFigures,
)
from app.domain.quality.session_figures import SessionFigures, SessionItem


class Snapshot(Figure, frozen=True, kw_only=True):
    """Everything at one moment. ``caught_up`` is false while the log is still being read at start."""

    at: int = 0
    """Time of the latest record, ms UTC; 0 before the first."""
    since: int = 0
    """From when on records are counted."""
    caught_up: bool = False
    records: int = 0
    reviewers: Mapping[str, ReviewerFigures] = {}
    pools: Mapping[str, PoolFigures] = {}
    funnel: Funnel = Funnel()
    """Over all pools."""
    volumes: Mapping[str, VolumeFigures] = {}
    patterns: tuple[PatternFigures, ...] = ()
    sessions: Mapping[str, SessionFigures] = {}
    candidates: tuple[SessionItem, ...] = ()
    """Past cases that are good for a session, newest first."""
    coaching: Mapping[str, tuple[CoachingNote, ...]] = {}
    """Open notes by person, newest first: no part of the figures that others read."""
