"""The same request twice has one effect: answers kept under the caller's ``Idempotency-Key``."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from app.console.errors import IdempotencyConflictError, IdempotencyMismatchError, UnacceptableError
from app.console.keys import ConsoleKeys
from app.console.lua import ConsoleScript
from app.console.terms import Pace
from app.review_queue.errors import StoreUnavailableError
from app.review_queue.store import Client, reachable

HEADER = "idempotency-key"
REPLAYED = "Idempotency-Replayed"
_LONGEST = 255


class Answers:
    """Answers to requests, by who asked and key. Only success is kept: what was refused changed
    nothing, and may be tried again under the same key; so may what an outage left unfinished.
    ``kept_for`` says for how many ms."""

    def __init__(self, client: Client, keys: ConsoleKeys, pace: Pace, kept_for: Callable[[], int]) -> None:
        self._client = client
        self._keys = keys
        self._pace = pace
        self._kept_for = kept_for
        self._begin = ConsoleScript("idempotent_begin")

    async def once(
        self, whom: str, request: Request, handler: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """The kept answer to this request, or the handler's. Raises ``IdempotencyMismatchError`` and
        ``IdempotencyConflictError``."""
        given = request.headers[HEADER]
        if not 0 < len(given) <= _LONGEST or not all("!" <= sign <= "~" for sign in given):
            raise UnacceptableError(f"an Idempotency-Key has 1 to {_LONGEST} visible ASCII characters")
        key = self._keys.idempotent(whom, given)
        print_ = fingerprint(request, await request.body())
        kept = await run_in_threadpool(self._kept, key, print_)
        if kept is not None:
            return kept
        try:
            response = await handler(request)
        except BaseException:
            await run_in_threadpool(self._forget, key)
            raise
        if getattr(request.state, "unfinished", False):
            with suppress(StoreUnavailableError):  # then the key is free in a minute
                await run_in_threadpool(self._forget, key)
        else:
            await run_in_threadpool(self._keep, key, response)
        return response

    def _kept(self, key: str, print_: str) -> Response | None:
        with reachable:
            found = self._begin.run(self._client, key, [print_, self._pace.answer_pending])
        match found[0]:
            case b"other":
                raise IdempotencyMismatchError(
                    "another request had this Idempotency-Key", hint="take a new key"
                )
            case b"busy":
                raise IdempotencyConflictError(
                    "this request is being worked on", hint="try again in a moment"
                )
            case b"done":
                _, status, kind, body = found
                media = kind.decode() or None
                return Response(body, int(status), {REPLAYED: "true"}, media)
            case _:
                return None

    def _keep(self, key: str, response: Response) -> None:
        kind = response.headers.get("content-type", "")
        pipe = self._client.pipeline(transaction=True)
        pipe.execute_command(
            "HSET", key, "status", response.status_code, "type", kind, "body", bytes(response.body)
        )
        pipe.execute_command("PEXPIRE", key, self._kept_for())
        with reachable:
            pipe.execute()

    def _forget(self, key: str) -> None:
        with reachable:
            self._client.execute_command("DEL", key)


def unfinished(request: Request) -> None:
    """Only a part of this request was done: its answer is true now, and not what a repeat should get."""
    request.state.unfinished = True


def fingerprint(request: Request, body: bytes) -> str:
    """What makes two requests the same: method, address and body."""
    address = f"{request.method} {request.url.path}?{request.url.query}\n"
    return hashlib.sha256(address.encode() + body).hexdigest()
