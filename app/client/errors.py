"""What can go wrong, by name; ``hint`` is the next thing to try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.client.values import Progress, Resolution, resolution_of


class DecisionsError(Exception):
    """Root of every error of the client. ``status`` and ``kind`` are the problem's, where a server answered;
    ``request_id`` is how the server's log knows the request."""

    def __init__(
        self, message: str, *, hint: str = "", status: int = 0, kind: str = "", request_id: str = ""
    ) -> None:
        super().__init__(f"{message} ({hint})" if hint else message)
        self.hint = hint
        self.status = status
        self.kind = kind
        self.request_id = request_id


class DecisionInvalidError(DecisionsError):
    """The server can not take it as it is: change it."""


class DecisionIdTakenError(DecisionsError):
    """Another decision has this id. A repeat must have exactly the same content."""


class DecisionAlreadyResolvedError(DecisionsError):
    """Too late to withdraw: ``resolution`` is the answer."""

    resolution: Resolution


class NotAllowedError(DecisionsError):
    """The token is not known, or not made for this."""


class UnknownDecisionError(DecisionsError):
    """No such decision, or somebody else's."""


class UnavailableError(DecisionsError):
    """The server could not be reached, or could not do its work, for as long as was tried. Repeat it later:
    nothing happens twice."""


class AnswerTimeoutError(DecisionsError):
    """No answer in time. ``progress`` is how far it got; nothing was lost, and waiting can go on."""

    def __init__(self, progress: Progress, waited: float) -> None:
        super().__init__(
            f"no answer to '{progress.decision_id}' within {waited:g} s, it is {progress.status}",
            hint="wait again, or withdraw it",
        )
        self.progress = progress


class DecisionWithdrawnError(DecisionsError):
    """It was taken back: there will be no answer."""

    def __init__(self, progress: Progress) -> None:
        why = f": {progress.withdrawal_reason}" if progress.withdrawal_reason else ""
        super().__init__(f"'{progress.decision_id}' was withdrawn by {progress.withdrawn_by}{why}")
        self.progress = progress


_KINDS: Mapping[str, type[DecisionsError]] = {
    "bad-request": DecisionInvalidError,
    "invalid": DecisionInvalidError,
    "too-large": DecisionInvalidError,
    "another-decision": DecisionIdTakenError,
    "already-decided": DecisionAlreadyResolvedError,
    "not-signed-in": NotAllowedError,
    "not-allowed": NotAllowedError,
    "not-found": UnknownDecisionError,
    "unavailable": UnavailableError,
    "too-many": UnavailableError,
}


def error_of(status: int, told: Mapping[str, Any]) -> DecisionsError:
    """A problem detail (RFC 9457) as an error; anything else that is no success, too."""
    kind = str(told.get("type", "")).partition("#")[2]
    detail = str(told.get("detail") or told.get("title") or f"the server answered {status}")
    wrong = "; ".join(f"{one.get('field')}: {one.get('message')}" for one in told.get("errors", ()))
    error = _KINDS.get(kind, DecisionsError)(
        f"{detail}: {wrong}" if wrong else detail,
        hint=str(told.get("hint", "")),
        status=status,
        kind=kind,
        request_id=str(told.get("instance", "")),
    )
    if isinstance(error, DecisionAlreadyResolvedError):
        error.resolution = resolution_of(told["answer"])
    return error
