"""What the client does, without doing it: each verb is a generator of calls and pauses, so that the
synchronous and the asynchronous client are the same but for how they wait."""

from __future__ import annotations

import json
import random
import sys
import time
import uuid
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from app.client.errors import (
    AnswerTimeoutError,
    DecisionsError,
    DecisionWithdrawnError,
    UnavailableError,
    error_of,
)
from app.client.values import Progress, Resolution, progress_of

T = TypeVar("T")

LONGEST_WAIT = 30.0
"""Seconds of one long-poll: shorter than proxies cut a silent connection."""
GRACE = 15.0
"""Seconds that an answer may take beyond what was asked for."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0
_PASSING = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Call:
    """A request to make. ``timeout`` in seconds."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = GRACE


@dataclass(frozen=True, slots=True)
class Pause:
    """Seconds to wait before going on."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; ``status`` 0 and ``why`` where nothing did."""

    status: int
    body: bytes = b""
    retry_after: str = ""
    why: str = ""


Flow = Generator[Call | Pause, Reply | None, T]


class Flows:
    """The verbs. ``patience``: for how many seconds an outage is waited out before giving up."""

    def __init__(self, patience: float) -> None:
        self.patience = patience

    def submit(self, decision: Mapping[str, Any]) -> Flow[str]:
        """Returns the id once the decision is in the log."""
        told = yield from self._post("/v1/decisions", decision, trace_headers())
        return str(told["id"])

    def progress(self, decision_id: str, wait: float = 0.0) -> Flow[Progress]:
        """Where it stands; with ``wait`` (seconds) once nothing follows, or as it is then."""
        asked = f"?wait={max(1, round(wait))}s" if wait else ""
        call = Call("GET", f"{path_of(decision_id)}{asked}", timeout=wait + GRACE)
        told = yield from self._persist(call)
        try:
            return progress_of(told)
        except KeyError as error:
            raise DecisionsError(
                f"'{decision_id}' is not this token's decision",
                hint="use the token that submitted it, with the scope `submit`",
            ) from error

    def resolution(self, decision_id: str, timeout: float | None) -> Flow[Resolution]:
        """Wait for the answer, through outages, for ``timeout`` seconds (``None``: as long as it takes)."""
        began = time.monotonic()
        while True:
            left = LONGEST_WAIT if timeout is None else timeout - (time.monotonic() - began)
            progress = yield from self.progress(decision_id, max(0.0, min(left, LONGEST_WAIT)))
            if progress.resolution is not None:
                return progress.resolution
            if progress.final:
                raise DecisionWithdrawnError(progress)
            if timeout is not None and time.monotonic() - began >= timeout:
                raise AnswerTimeoutError(progress, timeout)

    def decide(self, decision: Mapping[str, Any], timeout: float | None) -> Flow[Resolution]:
        """Hand in, and wait for the answer."""
        decision_id = yield from self.submit(decision)
        return (yield from self.resolution(decision_id, timeout))

    def withdraw(self, decision_id: str, reason: str) -> Flow[None]:
        """Take it back."""
        yield from self._post(f"{path_of(decision_id)}/withdraw", {"reason": reason})

    def inform(self, decision_id: str, information: str, lease_epoch: int | None) -> Flow[None]:
        """Answer what a reviewer asked."""
        body = {"information": information, "lease_epoch": lease_epoch}
        yield from self._post(f"{path_of(decision_id)}/information", body)

    def observe(
        self, decision_id: str, kind: str, observed_at: datetime, correct_action: str | None, note: str
    ) -> Flow[None]:
        """Report what turned out later."""
        body = {
            "decision_id": decision_id,
            "kind": kind,
            "observed_at": observed_at,
            "correct_action": correct_action,
            "note": note,
        }
        yield from self._post("/v1/outcomes", body)

    # --- carried out until it is done ----------------------------------------------------------------

    def _post(
        self, path: str, body: Mapping[str, Any], beside: Mapping[str, str] | None = None
    ) -> Flow[dict[str, Any]]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4()), **(beside or {})}
        return (yield from self._persist(Call("POST", path, encoded(body), headers)))

    def _persist(self, call: Call) -> Flow[dict[str, Any]]:
        """The same call, with the same key, until it is answered or patience is over."""
        began, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            reply = yield call
            assert reply is not None  # noqa: S101 - what a driver sends after a call
            told = _told(reply)
            if 200 <= reply.status < 300:
                return told
            error = _failure(reply, told)
            if not _passes(reply, error):
                raise error
            pause = min(pause * 2, _LONGEST_PAUSE)
            rest = _asked_pause(reply) or pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries
            if time.monotonic() - began + rest > self.patience:
                raise error
            yield Pause(rest)


def trace_headers() -> dict[str, str]:
    """The W3C headers of the span that is active here; none in a program that does not use OpenTelemetry."""
    if "opentelemetry.trace" not in sys.modules:
        return {}
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 - the program has it already
        TraceContextTextMapPropagator,
    )

    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers)
    return headers


def encoded(body: Mapping[str, Any]) -> bytes:
    """A body as JSON; times as ISO 8601. Raises ``DecisionsError`` for what JSON can not say."""
    try:
        return json.dumps(body, default=_text, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise DecisionsError(f"this can not be sent as JSON: {error}") from error


def _text(value: object) -> str:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone: say datetime.now(UTC)")
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} is no JSON")


def path_of(decision_id: str) -> str:
    """Where a decision is found.

    >>> path_of("a/b")
    '/v1/decisions/a%2Fb'
    """
    return f"/v1/decisions/{quote(decision_id, safe='')}"


def _told(reply: Reply) -> dict[str, Any]:
    try:
        told = json.loads(reply.body or b"{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _failure(reply: Reply, told: Mapping[str, Any]) -> DecisionsError:
    if reply.status == 0:
        return UnavailableError(f"no answer: {reply.why}", hint="is `hitl console` up, at this address?")
    if reply.status in _PASSING and "type" not in told:
        return UnavailableError(f"the server answered {reply.status}", status=reply.status)
    return error_of(reply.status, told)


def _passes(reply: Reply, error: DecisionsError) -> bool:
    return reply.status == 0 or reply.status in _PASSING or error.kind == "request-in-progress"


def _asked_pause(reply: Reply) -> float:
    return float(reply.retry_after) if reply.retry_after.isdigit() else 0.0
