"""What the console itself refuses, by name."""

from __future__ import annotations

from app.errors import HitlError


class NotSignedInError(HitlError):
    """Nobody is signed in, or the session or token is over."""


class MissingScopeError(HitlError):
    """The token was not made for this."""

    code = "missing_scope"


class OutdatedError(HitlError):
    """Who may do what could not be read for too long: it may have changed."""


class ForgedRequestError(HitlError):
    """A change with a cookie that did not come from a page of this console."""

    code = "forged_request"


class NotFoundError(HitlError):
    """There is nothing of this name, or nothing that this person may see."""


class UnacceptableError(HitlError):
    """The content of a request can not be taken."""

    def __init__(self, message: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class IdempotencyConflictError(HitlError):
    """The same request is being worked on."""


class IdempotencyMismatchError(HitlError):
    """Another request had this key."""


class BodyTooLargeError(HitlError):
    """The body is larger than the console takes."""


class WrongHostError(HitlError):
    """The Host header names another place."""


class DecisionConflictError(HitlError):
    """Another decision has this id."""


class AlreadyResolvedError(HitlError):
    """There is an answer already; ``answer`` is what it says."""

    def __init__(self, decision_id: str, answer: dict[str, object]) -> None:
        super().__init__(f"decision '{decision_id}' was answered", hint="the first answer stands")
        self.answer = answer
