"""The console as an ASGI application: pages, API, sign-in and probes behind one shield."""

from __future__ import annotations

from asyncio import Semaphore
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from app import __version__
from app.console import api, explained, pages, probes, sign_in
from app.console.feed import Feed, Revision
from app.console.following import Watch
from app.console.idempotency import Answers
from app.console.metrics import ConsoleMetrics
from app.console.openapi import describe
from app.console.parts import ConsoleParts
from app.console.responses import error_response
from app.console.shield import Shield
from app.console.tries import SLOW_LANE
from app.errors import HitlError

PUBLISHING = 8
"""Threads that may wait for the broker with what programs hand in: while it is away, the other threads of the
console serve people."""
DESCRIPTION = """
Everything that the reviewer console does, for programs. Send a token (`hitl token create`, then
`Authorization: Bearer ...`) or, from the console's own pages, the session's cookie and its
`X-CSRF-Token`. Errors are RFC 9457 problem details. What a caller may do follows from the profile of
the token's owner in the policy.
"""


def create_console(parts: ConsoleParts) -> FastAPI:
    """The console over these parts."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await app.state.feed.close()
        parts.publisher.close()

    app = FastAPI(
        title="hitl-stream console",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=lifespan,
    )
    metrics = ConsoleMetrics(parts.messages)
    app.state.parts, app.state.metrics = parts, metrics
    app.state.answers = Answers(parts.client, parts.keys, parts.pace, lambda: parts.terms.answers_kept)
    app.state.feed = Feed(Revision(parts.client, parts.queue_keys), parts.pace)
    app.state.streams, app.state.waits = Counter(), Counter()
    app.state.publishing, app.state.slow_lane = Semaphore(PUBLISHING), Semaphore(SLOW_LANE)
    app.state.watch = Watch(parts.following.progress, parts.pace.follow / 1000, app.state.feed.closing)
    app.add_middleware(Shield, parts=parts, metrics=metrics)

    async def refuse(request: Request, error: Exception) -> Response:
        return error_response(request.scope, error, parts)

    for kind in (HitlError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, refuse)
    app.include_router(probes.router)
    app.include_router(explained.router)
    app.include_router(sign_in.router)
    app.state.provider = None
    if parts.settings.oidc_issuer:
        from app.console import oidc  # noqa: PLC0415 - an extra, where nobody asks for it

        app.state.provider = oidc.Provider(parts.settings)
        app.include_router(oidc.router)
    for router in (*api.routers, *pages.routers):
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=str(files("app.console") / "static")), name="static")
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app
