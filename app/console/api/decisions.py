"""A decision looked at: by whoever submitted it, until it is answered; by people, as far as they may."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Header, Request, Response
from fastapi import Path as InPath
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from app.console.api.events import still_there
from app.console.api.models import Name, StoryOut, StoryReview
from app.console.api.progress import ProgressOut, Wait, event_id, progress_out
from app.console.api.route import ApiRoute, Follower, Parts, Submitter
from app.console.api.shapes import answer_out, finite, review_out
from app.console.following import Watch
from app.console.identity import Visitor
from app.console.limits import TooManyError
from app.console.parts import ConsoleParts
from app.console.scopes import Scope
from app.desk.errors import NotTheProducerError
from app.desk.story import tell
from app.domain.progress import Progress, Submission
from app.domain.words import moment
from app.policy.durations import parse_duration
from app.review_queue.cases import Brief, Case, Observed

router = APIRouter(prefix="/v1", route_class=ApiRoute, tags=["decisions"])

This = Annotated[Name, InPath()]
_EVENTS = """
An event for each state of a decision of yours, the present one first, each with the whole `ProgressOut` as
data and the status as its name. After `resolved` or `withdrawn` the stream ends. With the `Last-Event-ID` of
the last event you had, only what is different now comes; after the last of all, 204: connect no more. States
that came and went between two looks, a quarter of a second apart, are not told; the topic `reviews.lifecycle`
has every step.
"""


@router.get(
    "/decisions/{decision_id:path}/events",  # before the next, which would take it for an id
    description=_EVENTS,
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A stream of events",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        204: {"description": "You had the last event"},
    },
)
async def follow(
    request: Request,
    parts: Parts,
    visitor: Submitter,
    decision_id: This,
    last_event_id: Annotated[str, Header()] = "",
) -> Response:
    """Follow a decision of yours."""
    submission = await run_in_threadpool(_admitted, parts, visitor, decision_id)
    if submission is None:
        raise NotTheProducerError(decision_id)
    (progress,) = await run_in_threadpool(parts.following.progress, [decision_id])
    if progress.final and event_id(progress) == last_event_id:
        return Response(status_code=204)
    _allow_wait(request, parts, visitor)
    stream = _stream(request, parts, visitor, submission, progress, last_event_id)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


@router.get("/decisions/{decision_id:path}")
async def decision(
    request: Request,
    response: Response,
    parts: Parts,
    visitor: Follower,
    decision_id: This,
    wait: Wait = None,
    prefer: Annotated[str | None, Header(description="`wait=30`, in seconds: as `wait`.")] = None,
) -> ProgressOut | StoryOut:
    """A decision that you submitted: where it stands, and the answer; with `wait` once there is one, or as it
    is after that long (a minute at most). Any other: its story, as far as you may see it."""
    submission = await run_in_threadpool(_admitted, parts, visitor, decision_id)
    if submission is None:
        return await run_in_threadpool(_story, parts, visitor, decision_id)
    (progress,) = await run_in_threadpool(parts.following.progress, [decision_id])
    patience = min(_patience(wait, prefer), parts.pace.longest_wait)
    if patience and not progress.final:
        watch: Watch = request.app.state.watch
        with _waiting(request, parts, visitor):
            progress = await watch.change(progress, patience / 1000, final=True)
    if prefer is not None and patience:
        response.headers["Preference-Applied"] = f"wait={patience // 1000}"
    return progress_out(progress, submission.noted)


async def _stream(
    request: Request,
    parts: ConsoleParts,
    visitor: Visitor,
    submission: _Admitted,
    progress: Progress,
    told: str,
) -> AsyncIterator[bytes]:
    watch: Watch = request.app.state.watch
    heartbeat = parts.pace.heartbeat
    asked_at = parts.clock()
    with _waiting(request, parts, visitor):
        yield b"retry: 1000\n\n"
        while True:
            if event_id(progress) == told:
                yield b": still here\n\n"
            else:
                told = event_id(progress)
                data = progress_out(progress, submission.noted).model_dump_json()
                yield f"id: {told}\nevent: {progress.status.value}\ndata: {data}\n\n".encode()
            if progress.final or watch.closing:
                return
            progress = await watch.change(progress, heartbeat / 1000)
            if parts.clock() - asked_at >= heartbeat:
                if not await run_in_threadpool(still_there, parts, request):
                    return
                asked_at = parts.clock()


class _Admitted(msgspec.Struct, frozen=True):
    """A producer before its own decision; ``noted`` where it came by the API."""

    noted: Submission | None


def _admitted(parts: ConsoleParts, visitor: Visitor, decision_id: str) -> _Admitted | None:
    """``None`` for whoever did not submit it and may look in another way. Raises ``NotTheProducerError``."""
    if Scope.SUBMIT not in visitor.scopes:
        return None
    noted = parts.submissions.find(decision_id)
    try:
        parts.following.admit(visitor.name, decision_id, noted)
    except NotTheProducerError:
        if Scope.READ in visitor.scopes:
            return None
        raise
    return _Admitted(noted)


def _patience(wait: str | None, prefer: str | None) -> int:
    """How long an answer may take, in ms.

    >>> _patience("30s", None), _patience("2", None), _patience(None, "respond-async, wait=5")
    (30000, 2000, 5000)
    """
    if wait is not None:
        return int(parse_duration(wait if wait[-1].isalpha() else f"{wait}s"))
    for one in (prefer or "").split(","):
        name, _, value = one.strip().partition("=")
        if name.lower() == "wait" and value.isdigit() and len(value) <= 6:
            return int(value) * 1000
    return 0


def _allow_wait(request: Request, parts: ConsoleParts, visitor: Visitor) -> None:
    waits: Counter[str] = request.app.state.waits
    if waits[visitor.key] >= parts.terms.waits:
        raise TooManyError("decisions waited for at once", parts.pace.heartbeat)


@contextmanager
def _waiting(request: Request, parts: ConsoleParts, visitor: Visitor) -> Iterator[None]:
    _allow_wait(request, parts, visitor)
    waits: Counter[str] = request.app.state.waits
    waits[visitor.key] += 1
    try:
        yield
    finally:
        waits[visitor.key] -= 1
        waits += Counter()  # forgets those at zero


def _story(parts: ConsoleParts, visitor: Visitor, decision_id: str) -> StoryOut:
    told = tell(parts.desk, parts.cases, parts.policy, visitor.profile, decision_id)
    case = told.case if told.open_book else None
    return StoryOut(
        decision_id=told.decision_id,
        decision_type=told.decision_type,
        subject=told.subject,
        received_at=moment(told.received_at),
        level=case.brief.level if case else None,
        consequence_class=case.brief.consequence_class if case else None,
        ai=_ai(case.brief) if case else None,
        resolution=_resolution(case) if case else None,
        observed=_observed(case.observed) if case else None,
        reviews=[
            StoryReview(
                review=review_out(look.review, visitor.name),
                answer=None if look.answer is None else answer_out(look.answer),
            )
            for look in told.reviews
        ],
    )


def _ai(brief: Brief) -> dict[str, Any]:
    told: dict[str, Any] = finite(
        {
            "recommendation": brief.recommendation,
            "probability": brief.probability,
            "score": brief.score,
            "threshold": brief.threshold,
            "automated": brief.automated,
        }
    )
    return told


def _resolution(case: Case) -> dict[str, Any] | None:
    if case.resolved is not None:
        what = case.resolved
        return {
            "action": what.action,
            "decided_by": what.decided_by.value,
            "agreed": what.agreed,
            "reason_code": what.reason_code,
            "resolved_at": moment(what.resolved_at),
        }
    return {"action": case.brief.action, "decided_by": "ai"} if case.brief.action else None


def _observed(what: Observed | None) -> dict[str, Any] | None:
    if what is None:
        return None
    return {
        "kind": what.kind.value,
        "correct_action": what.correct_action,
        "observed_at": moment(what.observed_at),
    }
