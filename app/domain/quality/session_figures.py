"""What the pages show about sessions: cases that several people answer for themselves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from app.domain.quality.figures import Agreement, Figure


class SessionItem(Figure, frozen=True, kw_only=True):
    """A past case to answer again. ``package`` is JSON without any AI content. ``truth`` is ``None`` where
    nobody knows it: then agreement is what is measured."""

    item_id: str
    decision_type: str
    package: str
    actions: tuple[str, ...]
    truth: str | None = None
    recommended: str = ""
    source: str = ""
    """disagreement, teaching_example, gold or ground_truth."""
    answered: tuple[str, ...] = ()
    """What people had answered when it was work."""
    pool: str = ""
    """Whose case it was: who may look at it may see the item. Empty in records of earlier versions."""
    subject: str = ""
    submitted_by: str = ""
    key_id: str = ""
    """The key under which the case was encrypted, hex; once it is erased, nobody is shown the item."""


class SessionKind(StrEnum):
    """What a set of items is for."""

    CALIBRATION = "calibration"
    """Everybody answers the same real disagreements alone, then the group talks about them."""
    ONBOARDING = "onboarding"
    """A newcomer answers teaching examples and is told the truth after each."""
    BURST = "burst"
    """Many known errors in a short time, each with its truth: keeps eyes open for rare ones."""


class SessionAnswer(Figure, frozen=True, kw_only=True):
    """One person's answer to one item."""

    reviewer: str
    item_id: str
    action: str
    reasoning: str
    answered_at: int
    right: bool | None


class SessionScore(Figure, frozen=True, kw_only=True):
    """How one person did: ``right`` of ``judged`` items whose truth is known."""

    reviewer: str
    answered: int
    right: int
    judged: int


class SessionFigures(Figure, frozen=True, kw_only=True):
    """A session with everything in it. Whoever shows it hides others' answers until it is closed or
    this person has answered all (``may_see``)."""

    session_id: str
    kind: SessionKind
    title: str
    opened_by: str
    opened_at: int
    invited: tuple[str, ...]
    items: tuple[SessionItem, ...]
    answers: tuple[SessionAnswer, ...] = ()
    closed_at: int | None = None
    agreement: Agreement | None = None
    by_item: Mapping[str, float] = {}
    """Item id -> share of agreeing pairs: where to talk."""
    scores: tuple[SessionScore, ...] = ()

    def next_item(self, name: str) -> SessionItem | None:
        """The first item this person has not answered."""
        done = {answer.item_id for answer in self.answers if answer.reviewer == name}
        return next((item for item in self.items if item.item_id not in done), None)

    def may_see(self, name: str) -> bool:
        """Whether others' answers may be shown to this person: after all of the own, or at the end. Who is
        not invited may have no item left either, and must still not look over shoulders."""
        answered_all = name in self.invited and self.next_item(name) is None
        return self.closed_at is not None or answered_all
