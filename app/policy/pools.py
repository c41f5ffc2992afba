"""Pools of reviewers in the policy file: how work reaches people, and how long they hold it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from app.domain.events import ConsequenceClass
from app.policy.fields import Duration, Part, PoolName, Text


class Handout(StrEnum):
    """How the work of a pool reaches its people."""

    PULL = "pull"
    """Whoever is free takes the next one."""
    PUSH = "push"
    """The system gives each review to one person, who has it reserved for a while."""


class Fatigue(Part):
    """How much one person takes on in a pool before a break, however the work is handed out."""

    per_hour: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Most reviews that a person takes within any hour; no limit unless given."""
    per_day: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Most reviews that a person takes within any 24 hours; no limit unless given."""
    rest: Duration = 900_000
    """The break that is due once the most of an hour was taken."""


class Pool(Part):
    """A group of reviewers who take from one queue (and have one topic)."""

    title: Text
    """What people call this group."""
    description: str = ""
    """Who is in it and why they are the right people."""
    backup_pools: tuple[PoolName, ...] = ()
    """Pools whose people may take a review as well when it is about to be late: the first claim wins."""
    assignment: Handout = Handout.PULL
    """pull: people take the next review. push: each review is given to one person first."""
    reserve: Duration = 1_800_000
    """With push: how long a review is kept for the person; then anybody of the pool may take it."""
    most_reserved: Annotated[int, Field(ge=1, le=100)] = 3
    """With push: nobody has more reviews waiting than this."""
    fatigue: Fatigue = Fatigue()
    """How much one person takes on before a break."""


class ReviewWork(Part):
    """How reviewers hold work."""

    lease: Duration = 600_000
    """A claimed review returns to its queue after this long without a sign of life."""
    boosts: dict[ConsequenceClass, Duration] = {
        ConsequenceClass.MEDIUM: 3_600_000,
        ConsequenceClass.HIGH: 4 * 3_600_000,
        ConsequenceClass.CRITICAL: 24 * 3_600_000,
    }
    """How much earlier a review ranks than its deadline says, by consequence class."""
    escalation_boost: Duration = 24 * 3_600_000
    """How much earlier a review ranks after each escalation."""
    raise_boost: Duration = 8 * 3_600_000
    """How much earlier a review ranks once its priority was raised because time runs out."""
    max_delegations: int = Field(default=3, ge=0, le=100)
    """How often a review may be handed on."""
    max_questions: int = Field(default=3, ge=0, le=100)
    """How often information may be asked for in a review; each question stops its SLA clock."""
    max_pause: Duration = 604_800_000
    """How long the clock stands still for one question; then the review goes on without an answer."""
    words_per_minute: Annotated[float, Field(ge=50, le=2000)] = 400
    """Nobody reads faster: an answer that comes sooner than its package takes is flagged, never refused."""
