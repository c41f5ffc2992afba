"""Who is asking: a session's cookie or a token, and whether the request is really theirs.

Every route but the few open ones depends on :func:`signed_in` (or :func:`needs`, for a scope); a test
holds this. What somebody may do is not decided here but in ``app.domain.authority``.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote

import msgspec
from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from app.console.errors import ForgedRequestError, MissingScopeError, NotSignedInError, OutdatedError
from app.console.parts import ConsoleParts
from app.console.scopes import OF_PEOPLE, Scope
from app.domain.people import Profile
from app.review_queue.errors import StoreUnavailableError

CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf_token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
SUBMITTING = frozenset({"/v1/decisions", "/v1/outcomes"})
"""Where programs hand in what they have, many in a short time."""
_WITHOUT_AUTHORITY = ("/sign-out", "/v1/decisions", "/v1/outcomes")
"""What begins so goes on, also while nobody knows what was activated: nobody's authority counts there."""
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is signed in, or a program with a token. ``csrf`` and ``session_id`` are empty for
    a token; ``key`` names the session or token, and is no secret."""

    profile: Profile
    scopes: frozenset[Scope]
    key: str
    csrf: str = ""
    session_id: str = ""

    @property
    def name(self) -> str:
        """The person's name in the policy."""
        return self.profile.name


def parts_of(request: Request) -> ConsoleParts:
    """The parts of the console that serves this request."""
    parts: ConsoleParts = request.app.state.parts
    return parts


async def signed_in(request: Request) -> Visitor:
    """The visitor, for every route that is not open. Raises ``NotSignedInError``, ``ForgedRequestError``,
    ``OutdatedError``, ``TooManyError``. Asked twice for one request, it answers from memory."""
    known: Visitor | None = getattr(request.state, "visitor", None)
    if known is not None:
        return known
    parts = parts_of(request)
    visitor = await run_in_threadpool(identify, parts, request)
    if request.method in SAFE:
        await run_in_threadpool(count_read, parts, visitor)
    else:
        if visitor.session_id:
            check_origin(parts, request)
            await _check_csrf(request, visitor)
        _check_heard(parts, request.url.path)
        await run_in_threadpool(_count_change, parts, visitor, request.url.path)
    request.state.visitor = visitor
    return visitor


def count_read(parts: ConsoleParts, visitor: Visitor) -> None:
    """One more page or answer. Raises ``TooManyError``. Nothing is counted while the store is away: what
    needs it fails by itself, and says so."""
    with suppress(StoreUnavailableError):
        parts.limits.take("reads", visitor.key, parts.terms.requests, "requests in a short time")


def _count_change(parts: ConsoleParts, visitor: Visitor, path: str) -> None:
    """One more change. What programs hand in has an allowance of its own: hands are slower."""
    if path in SUBMITTING:
        parts.limits.take("submissions", visitor.key, parts.terms.submissions, "submissions in a short time")
    else:
        parts.limits.take("writes", visitor.key, parts.terms.changes, "changes in a short time")


def needs(scope: Scope, *others: Scope) -> Callable[[Visitor], Visitor]:
    """A dependency: the visitor, if the session or token was made for this, or for one of the others."""

    def allowed(visitor: Visitor = Depends(signed_in)) -> Visitor:  # noqa: B008 - how FastAPI asks for it
        if visitor.scopes.isdisjoint((scope, *others)):
            raise MissingScopeError(
                f"this needs the scope '{scope.value}'", hint=f"`hitl token create --scope {scope.value}`"
            )
        return visitor

    return allowed


def identify(parts: ConsoleParts, request: Request, *, renew: bool = True) -> Visitor:
    """Who is asking, by cookie or token. Raises ``NotSignedInError``."""
    bearer = request.headers.get("authorization")
    if bearer is not None:
        return _by_token(parts, bearer)
    session_id = request.cookies.get(cookie_name(parts), "")
    visitor = by_session(parts, session_id, renew=renew) if session_id else None
    if visitor is None:
        raise NotSignedInError("nobody is signed in", hint="sign in, or send a token")
    return visitor


def by_session(parts: ConsoleParts, session_id: str, *, renew: bool = True) -> Visitor | None:
    """The visitor of a session, as long as session, account and profile are all in force."""
    session = parts.sessions.find(session_id, renew=renew)
    if session is None:
        return None
    if session.method == "password":
        account = parts.accounts.account(session.who)
        if account is None or account.changed_at > session.began:
            return None
    profile = parts.directory.find(session.who)
    if profile is None:
        return None
    return Visitor(
        profile=profile, scopes=OF_PEOPLE, key=session.key, csrf=session.csrf, session_id=session_id
    )


def _by_token(parts: ConsoleParts, header: str) -> Visitor:
    kind, _, secret = header.partition(" ")
    token = parts.accounts.token(secret.strip()) if kind.lower() == "bearer" else None
    if token is None:
        raise NotSignedInError("the token is unknown, revoked or over", hint="see `hitl token list`")
    # A program that only submits need not be a person of the policy; it then may do nothing else.
    profile = parts.directory.find(token.owner) or Profile(name=token.owner)
    return Visitor(profile=profile, scopes=token.scopes, key=token.digest)


def _check_heard(parts: ConsoleParts, path: str) -> None:
    """Nobody acts on authority that may have been taken away. Reading goes on."""
    topic = parts.unheard()
    if topic and not path.startswith(_WITHOUT_AUTHORITY):
        raise OutdatedError(
            f"the console can not read {topic} any more: who may do what may have changed since",
            hint="tell its operator: does the topic exist, and may the console read it? See: hitl doctor",
        )


async def _check_csrf(request: Request, visitor: Visitor) -> None:
    given = request.headers.get(CSRF_HEADER)
    if given is None and request.headers.get("content-type", "").startswith(_FORMS):
        field = (await request.form()).get(CSRF_FIELD)
        given = field if isinstance(field, str) else None
    if not hmac.compare_digest((given or "").encode(), visitor.csrf.encode()):
        raise ForgedRequestError("the form is not from this session", hint="reload the page and try again")


def asked_here(request: Request) -> bool:
    """Whether the person asked for it, as far as can be told: not another site's page that opened it, nor
    a browser that fetches ahead. Programs send neither header."""
    here = request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    return here and "prefetch" not in request.headers.get("sec-purpose", "")


def check_origin(parts: ConsoleParts, request: Request) -> None:
    """Refuse a change that a page of another site sent. Raises ``ForgedRequestError``."""
    origin = request.headers.get("origin")
    if origin is None:
        ours = request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
    else:
        # On loopback the port may be another than the configured one (a tunnel); the host was checked.
        here = f"http://{request.headers.get('host', '')}"
        ours = origin == parts.place.origin or (parts.place.loopback and origin == here)
    if not ours:
        raise ForgedRequestError("the request comes from another site", hint="use the console's own pages")


def cookie_name(parts: ConsoleParts) -> str:
    """``__Host-`` binds the cookie to this very host and to https, where there is https."""
    return "__Host-hitl" if parts.place.secure else "hitl"


def local_path(text: str) -> str:
    """``text`` if it is a path of this console, else the first page: no redirect leads elsewhere.

    >>> local_path("/reviews?pool=a"), local_path("//evil.example"), local_path("https://evil.example")
    ('/reviews?pool=a', '/', '/')
    """
    plain = text.isascii() and text.isprintable() and "\\" not in text and len(text) <= 1000
    return text if plain and text.startswith("/") and not text.startswith("//") else "/"


def sign_in_address(request: Request) -> str:
    """The sign-in page, which leads back to where the visitor was going."""
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return "/sign-in" if request.method not in SAFE or path == "/" else f"/sign-in?next={quote(path)}"
