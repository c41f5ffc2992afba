"""Tries to sign in: by whom they are counted, and how too many of them are slowed down.

Everybody may come from one address: an office, or a proxy whose word is not taken (HITL_TRUSTED_PROXIES).
What one of them tries must keep nobody else out. So an address is slowed down and never refused, and a
browser in which somebody has signed in before is counted by itself: nobody else can use up what it may try.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import msgspec
from fastapi import Request
from starlette.responses import Response

from app.console.identity import cookie_name
from app.console.keys import hashed
from app.console.parts import ConsoleParts
from app.console.sessions import token

KNOWN_FOR = 90 * 86_400
"""Seconds after the last sign-in for which a browser is known."""
SLOW_LANE = 16
"""Tries from crowded addresses that may be under way in one process: hashing passwords takes processor and
memory, a sign-in at the identity provider a place in the store."""


class Asker(msgspec.Struct, frozen=True):
    """Whoever tries, as far as that can be told beforehand: a browser that is known here, else an address."""

    key: str
    known: bool


def asker(parts: ConsoleParts, request: Request, name: str | None = None) -> Asker:
    """Who tries to sign in as ``name``; ``None``: as somebody whom only the identity provider knows yet."""
    kept = request.cookies.get(_cookie(parts), "")[:300]
    browser, whose, seal = (*kept.split("."), "", "", "")[:3]
    ours = hmac.compare_digest(_seal(parts, browser, whose).encode(), seal.encode())
    if ours and (name is None or whose == hashed(name)):
        return Asker(browser, known=True)
    return Asker(request.client.host if request.client else "unknown", known=False)


def remember(parts: ConsoleParts, request: Request, response: Response, name: str) -> None:
    """Let the browser be known: somebody has signed in there as ``name``."""
    before = asker(parts, request, name)
    browser, whose = before.key if before.known else token(parts.draw), hashed(name)
    response.set_cookie(
        _cookie(parts),
        f"{browser}.{whose}.{_seal(parts, browser, whose)}",
        max_age=KNOWN_FOR,
        path="/",
        secure=parts.place.secure,
        httponly=True,
        samesite="lax",
    )


@asynccontextmanager
async def slowed(request: Request, wait: int, *, crowded: bool) -> AsyncIterator[None]:
    """The try after ``wait`` ms. ``crowded``: too much was tried from there; a few at a time go on."""
    async with request.app.state.slow_lane if crowded else nullcontext():
        await asyncio.sleep(wait / 1000)
        yield


def _cookie(parts: ConsoleParts) -> str:
    return f"{cookie_name(parts)}-known"


def _seal(parts: ConsoleParts, browser: str, whose: str) -> str:
    """Not to be made without the deployment's secret."""
    return hmac.new(parts.settings.secret, f"known\n{browser}\n{whose}".encode(), hashlib.sha256).hexdigest()
