"""Errors as problem details (RFC 9457): one table from what went wrong to what a program is told."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app.console.accounts import AccountsFileError
from app.console.errors import (
    AlreadyResolvedError,
    BodyTooLargeError,
    DecisionConflictError,
    ForgedRequestError,
    IdempotencyConflictError,
    IdempotencyMismatchError,
    MissingScopeError,
    NotFoundError,
    NotSignedInError,
    OutdatedError,
    UnacceptableError,
    WrongHostError,
)
from app.console.limits import TooManyError
from app.desk.errors import (
    IncompleteAnswerError,
    LearningConflictError,
    NotAllowedError,
    RuleConflictError,
    UnknownDecisionError,
    UnknownLearningError,
    UnknownRuleError,
)
from app.domain.quality.sessions import SessionRefusedError
from app.errors import HitlError, ServiceUnreachableError, UsageError
from app.review_queue import errors as queue
from app.stream.errors import ErasedError, TransientError

log = logging.getLogger("hitl.console")

PAGE = "/problems"
"""Where the types of problems are explained: ``type`` is this with the kind as an anchor."""


class Kind(msgspec.Struct, frozen=True):
    """A kind of problem: its anchor, HTTP status, title, and what it means for a caller."""

    name: str
    status: int
    title: str
    meaning: str


BAD_REQUEST = Kind("bad-request", 400, "Wrong use", "The request makes no sense as it is. Change it.")
INVALID = Kind(
    "invalid", 422, "Invalid request", "A field is missing or wrong; `errors` says which. Change it."
)
NOT_SIGNED_IN = Kind(
    "not-signed-in", 401, "Not signed in", "Sign in, or send a valid token: `Authorization: Bearer ...`."
)
NOT_ALLOWED = Kind("not-allowed", 403, "Not allowed", "The person's authority does not reach that far.")
NOT_FOUND = Kind("not-found", 404, "Not found", "There is nothing at this address.")
UNKNOWN_REVIEW = Kind(
    "unknown-review", 404, "Unknown review", "No such review, or it was decided too long ago."
)
STALE_LEASE = Kind(
    "stale-lease", 409, "The lease is over", "Claim it again, look at it afresh, and repeat the step."
)
ALREADY_DECIDED = Kind(
    "already-decided", 409, "Already decided", "The first answer stands; it is in `answer`."
)
PACKAGE_CHANGED = Kind("package-changed", 409, "The case has changed", "Show it again before it is answered.")
CONFLICT = Kind(
    "conflict", 409, "Not in this state", "The review is in a state in which this step is not possible."
)
REQUEST_CONFLICT = Kind(
    "request-in-progress", 409, "In progress", "The same Idempotency-Key is being worked on: try again soon."
)
ERASED = Kind("erased", 410, "Erased", "The person whom it is about was erased: nobody can read it again.")
ANOTHER_DECISION = Kind(
    "another-decision",
    409,
    "The id is taken",
    "Another decision was submitted under this `decision_id`. Take a new one.",
)
KEY_REUSED = Kind(
    "idempotency-key-reused",
    422,
    "Key used before",
    "Another request had this Idempotency-Key.",
)
TOO_LARGE = Kind("too-large", 413, "Too large", "The body is larger than the console takes.")
TOO_MANY = Kind("too-many", 429, "Too many requests", "Wait for the seconds in `Retry-After`.")
WRONG_HOST = Kind(
    "wrong-host", 421, "Unknown host", "The Host header names none of this console's (HITL_CONSOLE_URL)."
)
UNAVAILABLE = Kind(
    "unavailable", 503, "Not available now", "The store or the broker is away. Nothing was lost: try again."
)
OUTDATED = Kind(
    "outdated",
    503,
    "Who may do what is not known",
    "The console can not read the policy in force or the rules. Reading goes on; its operator has to act.",
)
METHOD = Kind("method-not-allowed", 405, "Method not allowed", "This address does not take this method.")
UNEXPECTED = Kind(
    "unexpected", 500, "Unexpected error", "A bug. The log has more under the id in `instance`."
)

KINDS = (
    BAD_REQUEST, INVALID, NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, UNKNOWN_REVIEW, STALE_LEASE,
    ALREADY_DECIDED, PACKAGE_CHANGED, CONFLICT, REQUEST_CONFLICT, ERASED, ANOTHER_DECISION, KEY_REUSED,
    TOO_LARGE, TOO_MANY, WRONG_HOST, UNAVAILABLE, OUTDATED, METHOD, UNEXPECTED,
)  # fmt: skip

_OF: Mapping[type[BaseException], Kind] = {
    UsageError: BAD_REQUEST,
    NotSignedInError: NOT_SIGNED_IN,
    MissingScopeError: NOT_ALLOWED,
    ForgedRequestError: NOT_ALLOWED,
    NotAllowedError: NOT_ALLOWED,
    IncompleteAnswerError: INVALID,
    NotFoundError: NOT_FOUND,
    UnknownDecisionError: NOT_FOUND,
    UnknownLearningError: NOT_FOUND,
    LearningConflictError: CONFLICT,
    UnacceptableError: INVALID,
    UnknownRuleError: NOT_FOUND,
    RuleConflictError: CONFLICT,
    IdempotencyConflictError: REQUEST_CONFLICT,
    IdempotencyMismatchError: KEY_REUSED,
    DecisionConflictError: ANOTHER_DECISION,
    AlreadyResolvedError: ALREADY_DECIDED,
    BodyTooLargeError: TOO_LARGE,
    TooManyError: TOO_MANY,
    WrongHostError: WRONG_HOST,
    AccountsFileError: UNAVAILABLE,
    OutdatedError: OUTDATED,
    ServiceUnreachableError: UNAVAILABLE,
    TransientError: UNAVAILABLE,
    ErasedError: ERASED,
    SessionRefusedError: CONFLICT,
    queue.UnknownReview: UNKNOWN_REVIEW,
    queue.StaleLease: STALE_LEASE,
    queue.AlreadyDecided: ALREADY_DECIDED,
    queue.PackageChanged: PACKAGE_CHANGED,
    queue.NotYourPool: NOT_ALLOWED,
    queue.OfferedToAnother: NOT_ALLOWED,
    queue.NotSupervisor: NOT_ALLOWED,
    queue.NotDistinct: NOT_ALLOWED,
    queue.QueueError: CONFLICT,
}
_HTTP = {401: NOT_SIGNED_IN, 403: NOT_ALLOWED, 404: NOT_FOUND, 405: METHOD, 413: TOO_LARGE, 429: TOO_MANY}
_SILENT = (UNAVAILABLE, UNEXPECTED)
"""Kinds whose words speak of our addresses and insides: they go to the log, not to the caller."""
RETRY_AFTER = 2
"""Seconds after which an outage is worth another try."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem detail. ``code`` tells the cases of one kind apart."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    hint: str = ""
    code: str = ""
    answer: dict[str, object] | None = None
    errors: list[dict[str, str]] = []


def kind_of(error: BaseException) -> Kind:
    """The kind of an error: that of its nearest class in the table."""
    if isinstance(error, HTTPException):
        return _HTTP.get(error.status_code, BAD_REQUEST if error.status_code < 500 else UNEXPECTED)
    if isinstance(error, RequestValidationError):
        return INVALID
    return next((_OF[cls] for cls in type(error).__mro__ if cls in _OF), UNEXPECTED)


def problem(error: BaseException, *, base: str, request_id: str) -> tuple[Problem, dict[str, str]]:
    """What a caller is told about an error, and the headers that go with it. ``base`` is the console's
    own address."""
    kind = kind_of(error)
    detail, hint = str(error), getattr(error, "hint", "")
    if isinstance(error, HTTPException):  # without words of its own it has those of the status
        detail = kind.meaning if error.detail == HTTPStatus(error.status_code).phrase else str(error.detail)
    elif isinstance(error, RequestValidationError):
        detail = "the request does not fit the description of the API"
    if kind in _SILENT:
        log.error("request %s: %s", request_id, error, exc_info=error if kind is UNEXPECTED else None)
        detail, hint = kind.meaning, ""
    told = Problem(
        type=f"{base}{PAGE}#{kind.name}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        instance=f"urn:uuid:{request_id}",
        hint=hint,
        code=_code(error),
        answer=_first_answer(error),
        errors=_errors(error),
    )
    return told, _headers(error, kind)


def _headers(error: BaseException, kind: Kind) -> dict[str, str]:
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException) and error.headers:
        headers.update(error.headers)
    if kind in (UNAVAILABLE, OUTDATED):
        headers["Retry-After"] = str(RETRY_AFTER)
    if isinstance(error, TooManyError):
        headers["Retry-After"] = str(error.retry_after)
    if kind is NOT_SIGNED_IN:
        headers["WWW-Authenticate"] = 'Bearer realm="hitl"'
    return headers


def _code(error: BaseException) -> str:
    if isinstance(error, queue.QueueError):
        return error.refusal.value if error.refusal else ""
    if isinstance(error, HitlError):
        return str(getattr(error, "code", ""))
    return ""


def _first_answer(error: BaseException) -> dict[str, object] | None:
    """Who decided what, of a review that was decided already; nothing that is in confidence."""
    if isinstance(error, AlreadyResolvedError):
        return error.answer
    if not isinstance(error, queue.AlreadyDecided) or error.answer is None:
        return None
    return {
        "action": error.answer.action,
        "reviewer": error.answer.reviewer,
        "decided_at": error.answer.decided_at,
    }


def _errors(error: BaseException) -> list[dict[str, str]]:
    if isinstance(error, IncompleteAnswerError):
        return [
            {"field": field, "code": denial.code, "message": denial.text, "hint": denial.hint}
            for field, denial in error.fields.items()
        ]
    if not isinstance(error, RequestValidationError):
        return []
    return [{"field": _path(one["loc"]), "message": str(one["msg"])[:300]} for one in error.errors()[:20]]


def _path(location: Any) -> str:  # noqa: ANN401 - a tuple of names and numbers
    return ".".join(str(part)[:100] for part in location)
