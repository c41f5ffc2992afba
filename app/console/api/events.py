"""Server-sent events: which queues changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import msgspec
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from app.console.api.route import ApiRoute, Parts, Reader
from app.console.feed import Feed
from app.console.identity import Visitor, identify
from app.console.limits import TooManyError
from app.console.parts import ConsoleParts
from app.errors import HitlError

router = APIRouter(prefix="/v1", route_class=ApiRoute, tags=["queues"])
_DESCRIPTION = """
An event `queue` with `{"pool": ..., "revision": ...}` for each of your queues at once, and whenever
something happened in it: ask again for what you show. Several steps within a second are one event. A
comment keeps the stream alive. Nothing needs to be remembered between two connections.
"""


@router.get(
    "/events",
    description=_DESCRIPTION,
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A stream of events",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def events(request: Request, parts: Parts, visitor: Reader) -> StreamingResponse:
    """Follow the queues."""
    pools = await run_in_threadpool(parts.desk.pools_of, visitor.profile)
    streams: Counter[str] = request.app.state.streams
    if streams[visitor.key] >= parts.terms.streams:
        raise TooManyError("streams of events at once", parts.pace.heartbeat)
    return StreamingResponse(
        _stream(request, parts, visitor, pools),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
    )


async def _stream(
    request: Request, parts: ConsoleParts, visitor: Visitor, pools: tuple[str, ...]
) -> AsyncIterator[bytes]:
    feed: Feed = request.app.state.feed
    streams: Counter[str] = request.app.state.streams
    listeners = request.app.state.metrics.listeners
    streams[visitor.key] += 1
    listeners.inc()
    heartbeat = parts.pace.heartbeat
    asked_at = parts.clock()
    try:
        yield b"retry: 3000\n\n"
        async for changed in feed.changes(pools, heartbeat / 1000):
            if _pools_now(parts, visitor) != pools:
                return  # whoever listens connects again, and then hears of what is theirs now
            if parts.clock() - asked_at >= heartbeat:
                if not await run_in_threadpool(still_there, parts, request):
                    return
                asked_at = parts.clock()
            yield b"".join(_event(pool, at) for pool, at in changed.items()) or b": still here\n\n"
    finally:
        listeners.dec()
        streams[visitor.key] -= 1
        streams += Counter()  # forgets those at zero


def _pools_now(parts: ConsoleParts, visitor: Visitor) -> tuple[str, ...]:
    """The pools of this person under the policy in force at this moment."""
    profile = parts.directory.find(visitor.name)
    return () if profile is None else parts.desk.pools_of(profile)


def still_there(parts: ConsoleParts, request: Request) -> bool:
    """Whether the session or token still holds. Listening is no sign of life: a forgotten tab must not
    keep a session."""
    try:
        identify(parts, request, renew=False)
    except HitlError:
        return False
    return True


def _event(pool: str, revision: str) -> bytes:
    data = msgspec.json.encode({"pool": pool, "revision": revision})
    return b"id: " + revision.encode() + b"\nevent: queue\ndata: " + data + b"\n\n"
