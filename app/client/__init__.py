"""Hand in decisions and wait for their answer, from any Python program: needs nothing but httpx.

    from app.client import Decisions

    with Decisions("https://reviews.example.org", token) as decisions:
        answer = decisions.decide({"decision_id": "exp-001", ...}, timeout=3600)
        if answer.action == "approve":
            ...

``AsyncDecisions`` is the same with ``async with`` and ``await``. Everything may be repeated: a decision is
known by its id. docs/client.md tells the rest.
"""

from __future__ import annotations

from app.client.asynchronous import AsyncDecisions
from app.client.errors import (
    AnswerTimeoutError,
    DecisionAlreadyResolvedError,
    DecisionIdTakenError,
    DecisionInvalidError,
    DecisionsError,
    DecisionWithdrawnError,
    NotAllowedError,
    UnavailableError,
    UnknownDecisionError,
)
from app.client.synchronous import Decisions
from app.client.values import Progress, Question, Resolution

__all__ = [
    "AnswerTimeoutError",
    "AsyncDecisions",
    "DecisionAlreadyResolvedError",
    "DecisionIdTakenError",
    "DecisionInvalidError",
    "DecisionWithdrawnError",
    "Decisions",
    "DecisionsError",
    "NotAllowedError",
    "Progress",
    "Question",
    "Resolution",
    "UnavailableError",
    "UnknownDecisionError",
]
