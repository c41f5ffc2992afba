"""Signing in with a password, and out."""

from __future__ import annotations

import hashlib
import hmac
import logging
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Form, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from app.console.errors import ForgedRequestError, NotSignedInError
from app.console.identity import (
    CSRF_FIELD,
    Visitor,
    check_origin,
    cookie_name,
    identify,
    local_path,
    parts_of,
    signed_in,
)
from app.console.limits import TooManyError
from app.console.parts import ConsoleParts
from app.console.rendering import render
from app.console.sessions import token
from app.console.tries import Asker, asker, remember, slowed

log = logging.getLogger("hitl.console")
router = APIRouter(include_in_schema=False)

_PAGE = "sign_in.html"
_WRONG = "The name or the password is wrong."


class _Admitted(msgspec.Struct, frozen=True):
    """A try that may go on after ``wait`` ms. ``crowded``: too many from there have failed."""

    crowded: bool
    wait: int


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/", left: bool = False) -> Response:  # noqa: A002 - the parameter's public name
    """The form. Whoever is signed in goes on. ``left``: somebody has just signed out here."""
    parts = parts_of(request)
    try:
        identify(parts, request)
    except NotSignedInError:
        return _page(request, parts, local_path(next), left=left)
    return RedirectResponse(local_path(next), 303)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002
    csrf_token: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Check name and password; a session under a new id."""
    parts = parts_of(request)
    check_origin(parts, request)
    if not hmac.compare_digest(_form_token(parts, _visit(request)).encode(), csrf_token.encode()):
        raise ForgedRequestError("the sign-in form is too old", hint="reload the page and try again")
    name, path = name.strip(), local_path(next)
    who = asker(parts, request, name)
    try:
        admitted = await run_in_threadpool(_admit, parts, who, name)
    except TooManyError as error:
        return _too_many(request, parts, name, path, error)
    async with slowed(request, admitted.wait, crowded=admitted.crowded):
        return await run_in_threadpool(_check, request, parts, name, password, path, who, admitted)


def _admit(parts: ConsoleParts, who: Asker, name: str) -> _Admitted:
    """Whether this try has to wait. Raises ``TooManyError`` for whoever tries one name too often.

    A stranger must not be able to keep a person out: what others try with a name, or from an address, slows
    the sign-in down. It is refused to them, and never in a browser where the person has signed in before."""
    limits, terms = parts.limits, parts.terms
    crowded = limits.wait("address", who.key, terms.sign_ins_by_address) > 0
    limits.take("account", _pair(name, who), terms.guesses, "attempts to sign in with this name")
    wait = 0 if who.known else limits.wait("name", name, terms.guesses_anywhere)
    return _Admitted(crowded, terms.sign_in_delay if crowded else min(wait, terms.sign_in_delay))


def _too_many(request: Request, parts: ConsoleParts, name: str, path: str, error: TooManyError) -> Response:
    request.app.state.metrics.sign_ins.labels("password", "refused").inc()
    words = f"{error}: {error.hint}.".capitalize()
    again = _page(request, parts, path, name=name, wrong=words, status=429)
    again.headers["Retry-After"] = str(error.retry_after)
    return again


def _check(
    request: Request,
    parts: ConsoleParts,
    name: str,
    password: str,
    path: str,
    who: Asker,
    admitted: _Admitted,
) -> Response:
    terms, counted = parts.terms, request.app.state.metrics.sign_ins
    if not parts.accounts.right_password(name, password) or parts.directory.find(name) is None:
        counted.labels("password", "refused").inc()
        log.warning("refused a sign-in from %s", _address(request))
        return _page(request, parts, path, name=name, wrong=_WRONG, status=401)
    parts.limits.refill("account", _pair(name, who), terms.guesses)
    if not admitted.crowded:  # only what fails counts
        parts.limits.give_back("address", who.key, terms.sign_ins_by_address)
    counted.labels("password", "accepted").inc()
    return begin(request, parts, name, "password", path)


def refused(request: Request, path: str, words: str) -> Response:
    """The form again, with what went wrong."""
    return _page(request, parts_of(request), path, wrong=words, status=401)


def begin(request: Request, parts: ConsoleParts, name: str, method: str, path: str) -> Response:
    """A new session for somebody who has shown who they are, and on to ``path``."""
    old = request.cookies.get(cookie_name(parts))
    if old:
        parts.sessions.end(old)
    response = RedirectResponse(path, 303)
    response.set_cookie(
        cookie_name(parts),
        parts.sessions.open(name, method),
        max_age=parts.terms.session_longest // 1000,
        path="/",
        secure=parts.place.secure,
        httponly=True,
        samesite="lax",
    )
    remember(parts, request, response, name)
    response.delete_cookie(_visit_name(parts), path="/", secure=parts.place.secure, httponly=True)
    return response


@router.post("/sign-out")
async def sign_out(request: Request, visitor: Annotated[Visitor, Depends(signed_in)]) -> Response:
    """End the session, here and in the store."""
    parts = parts_of(request)
    if visitor.session_id:
        await run_in_threadpool(parts.sessions.end, visitor.session_id)
    response = RedirectResponse("/sign-in?left=true", 303)
    response.delete_cookie(cookie_name(parts), path="/", secure=parts.place.secure, httponly=True)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _page(
    request: Request,
    parts: ConsoleParts,
    path: str,
    *,
    name: str = "",
    wrong: str = "",
    left: bool = False,
    status: int = 200,
) -> Response:
    """The form, bound to this browser by a cookie: nobody can make it send somebody else's name."""
    visit = _visit(request) or token(parts.draw)
    response = render(
        request,
        _PAGE,
        status_code=status,
        next=path,
        name=name,
        wrong=wrong,
        left=left,
        form_token=_form_token(parts, visit),
        csrf_field=CSRF_FIELD,
        oidc=bool(parts.settings.oidc_issuer),
    )
    response.set_cookie(
        _visit_name(parts),
        visit,
        max_age=parts.terms.sign_in_time // 1000,
        path="/",
        secure=parts.place.secure,
        httponly=True,
        samesite="strict",
    )
    return response


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _pair(name: str, who: Asker) -> str:
    return f"{name}\n{who.key}"


def _visit_name(parts: ConsoleParts) -> str:
    return f"{cookie_name(parts)}-visit"


def _visit(request: Request) -> str:
    return request.cookies.get(_visit_name(parts_of(request)), "")[:100]


def _form_token(parts: ConsoleParts, visit: str) -> str:
    """The form's token: bound to the visit's cookie, and not to be made without the deployment's secret."""
    return hmac.new(parts.settings.secret, f"sign-in\n{visit}".encode(), hashlib.sha256).hexdigest()
