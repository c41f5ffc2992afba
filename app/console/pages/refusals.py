"""Why something was not done, in the words of somebody who was working on it. Pure."""

from __future__ import annotations

import msgspec
from markupsafe import Markup

from app.console.pages.reading import action_label, sentence
from app.domain.review import ReviewState
from app.errors import HitlError
from app.review_queue.errors import (
    AlreadyClaimed,
    AlreadyDecided,
    PackageChanged,
    QueueError,
    StaleLease,
    UndoOver,
    WaitingForInformation,
)


class Refused(msgspec.Struct, frozen=True):
    """A headline and what it means; ``safe``: there is a text, and it is kept."""

    heading: str
    text: str
    safe: bool = False


def refused_words(error: QueueError, name: str, *, safe: bool = False) -> Refused:
    """Why a step on a case was refused to ``name``."""
    if isinstance(error, AlreadyClaimed):
        holder = error.review.holder if error.review else "somebody else"
        return Refused(f"{holder} was faster", f"{holder} holds this case now. Take another one.", safe)
    if isinstance(error, AlreadyDecided | StaleLease):
        return Refused("Your answer was not taken", lost_words(error, name), safe)
    if isinstance(error, PackageChanged):
        return Refused(
            "The case has changed",
            "It is not what you were shown any more. Look at it afresh, then answer.",
            safe,
        )
    if isinstance(error, WaitingForInformation):
        return Refused(
            "The case is paused", "Somebody asked for information; it goes on with the answer.", safe
        )
    return Refused("This was not done", f"{_sentence(error)}.", safe)


def not_allowed(error: HitlError, *, heading: str = "This was not done", safe: bool = False) -> Refused:
    """Why the person's authority does not allow it, and what to do."""
    said = (sentence(text) for text in (str(error), error.hint) if text)
    return Refused(heading, Markup(" ").join(said), safe)


def not_undone(error: QueueError) -> Refused:
    """Why an answer was not taken back."""
    if isinstance(error, UndoOver):
        return Refused(
            "Your answer stands",
            "The time to take it back was over. If it was wrong, tell a lead of the pool.",
        )
    return Refused("This was not done", f"{_sentence(error)}.")


def lost_words(error: QueueError, name: str) -> str:
    """What became of a case that ``name`` was working on."""
    review, answer = error.review, error.answer
    if answer is not None or (review and review.state is ReviewState.DECIDED):
        by = answer.reviewer if answer else "Somebody"
        what = f": {action_label(answer.action)}" if answer else ""
        return f"{'You have' if by == name else f'{by} has'} already answered{what}. The first answer stands."
    if review and review.state is ReviewState.CLAIMED and review.holder == name:
        return "You took it again in another tab or on another device; that one counts now."
    if review and review.state is ReviewState.CLAIMED:
        return f"Your time with it ran out, and {review.holder} has it now."
    if review and review.state is ReviewState.WAITING:
        return "It waits for information now."
    return "Your time with it ran out. It is open again, and nobody has taken it yet."


def _sentence(error: QueueError) -> str:
    """The error without the id that it begins with."""
    _, _, said = str(error).partition(": ")
    return (said or str(error))[:1].upper() + (said or str(error))[1:]
