"""Signing in at a company's identity provider: OpenID Connect, authorization code with PKCE.

Needs the extra ``oidc``. Who somebody is comes from the provider; what they may do, from the policy's
profile of that person.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Mapping
from typing import Any

import httpx2
import msgspec
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from fastapi import APIRouter, Request
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from app.console.errors import ForgedRequestError, NotFoundError
from app.console.identity import cookie_name, local_path, parts_of
from app.console.keys import hashed
from app.console.parts import ConsoleParts
from app.console.sessions import token
from app.console.sign_in import begin, refused
from app.console.tries import asker, slowed
from app.errors import ServiceUnreachableError
from app.review_queue.store import reachable
from app.settings import Settings

router = APIRouter(include_in_schema=False)

DONE = "/sign-in/oidc/done"
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
"""Signatures by the provider's own key only: with HS256 its public key would be a password."""
PATIENCE = 5.0
"""Seconds that the provider may take for each answer."""
LEEWAY = 60
"""Seconds by which the clocks of the provider and of the console may differ."""


class Pending(msgspec.Struct, frozen=True):
    """A sign-in under way. ``browser`` is the hash of what the browser holds that began it."""

    nonce: str
    verifier: str
    browser: str
    next: str


class Provider:
    """What the identity provider says about itself; asked once, and for keys again when it has new ones."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._issuer = settings.oidc_issuer or ""
        self._lock = threading.Lock()
        self._about: dict[str, Any] = {}
        self._keys: KeySet | None = None

    def address(self, redirect: str, state: str, pending: Pending) -> str:
        """Where the browser goes to sign in."""
        with self._client(redirect) as client:
            address, _ = client.create_authorization_url(
                self._said("authorization_endpoint"),
                state=state,
                code_verifier=pending.verifier,
                nonce=pending.nonce,
            )
        return str(address)

    def claims(self, redirect: str, code: str, pending: Pending, now: int) -> Mapping[str, Any]:
        """What the provider says about who signed in, checked. Raises ``ForgedRequestError`` when it can
        not be believed. ``now`` in seconds."""
        endpoint = self._said("token_endpoint")
        try:
            with self._client(redirect) as client:
                got = client.fetch_token(endpoint, code=code, code_verifier=pending.verifier)
        except OAuthError as error:
            raise ForgedRequestError(f"the identity provider refused: {error.error}") from error
        except httpx2.HTTPError as error:
            raise _away(error) from error
        try:
            claims = self._decode(str(got.get("id_token", "")))
            self._check(claims, pending, now)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ForgedRequestError(
                f"the identity provider's answer can not be believed: {error}"
            ) from error
        return claims

    def _decode(self, text: str) -> Mapping[str, Any]:
        for fresh in (False, True):  # a key that is not known may be a new one
            try:
                return jwt.decode(text, self._key_set(fresh=fresh), algorithms=ALGORITHMS).claims
            except (JoseError, ValueError):
                if fresh:
                    raise
        raise AssertionError("unreachable")

    def _check(self, claims: Mapping[str, Any], pending: Pending, now: int) -> None:
        audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        client_id = self._settings.oidc_client_id
        if claims["iss"] != self._issuer:
            raise ValueError("another issuer")
        if client_id not in audience or (len(audience) > 1 and claims.get("azp") != client_id):
            raise ValueError("meant for another application")
        if not hmac.compare_digest(str(claims["nonce"]).encode(), pending.nonce.encode()):
            raise ValueError("another sign-in's nonce")
        if now >= int(claims["exp"]) + LEEWAY or int(claims["iat"]) - LEEWAY > now:
            raise ValueError("not valid at this time")

    def _client(self, redirect: str) -> OAuth2Client:
        secret = self._settings.oidc_client_secret
        return OAuth2Client(
            client_id=self._settings.oidc_client_id,
            client_secret=secret or None,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            redirect_uri=redirect,
            scope="openid profile email",
            code_challenge_method="S256",
            timeout=PATIENCE,
        )

    def _said(self, name: str) -> str:
        with self._lock:
            if not self._about:
                about = _get(f"{self._issuer}/.well-known/openid-configuration")
                if about.get("issuer") != self._issuer:
                    raise ServiceUnreachableError(
                        f"{self._issuer} says that it is {about.get('issuer')}", hint="check HITL_OIDC_ISSUER"
                    )
                self._about = about
            return str(self._about[name])

    def _key_set(self, *, fresh: bool) -> KeySet:
        address = self._said("jwks_uri")
        with self._lock:
            if self._keys is None or fresh:
                self._keys = KeySet.import_key_set(_get(address))  # type: ignore[arg-type]
            return self._keys


@router.get("/sign-in/oidc")
async def go(request: Request, next: str = "/") -> Response:  # noqa: A002 - the parameter's public name
    """Off to the identity provider. What is not brought to its end there counts against whoever began it, and
    slows further ones down: nobody is refused for what others behind the same address begin."""
    parts, provider = parts_of(request), _provider(request)
    terms, who = parts.terms, asker(parts, request)
    crowded = await run_in_threadpool(parts.limits.wait, "oidc", who.key, terms.sign_ins_by_address) > 0
    async with slowed(request, terms.sign_in_delay if crowded else 0, crowded=crowded):
        return await run_in_threadpool(_away_to, provider, parts, local_path(next))


def _away_to(provider: Provider, parts: ConsoleParts, path: str) -> Response:
    state, browser = token(parts.draw), token(parts.draw)
    pending = Pending(token(parts.draw), token(parts.draw, 48), hashed(browser), path)
    with reachable:
        parts.client.execute_command(
            "SET", parts.keys.pending(state), msgspec.json.encode(pending), "PX", parts.terms.sign_in_time
        )
    response = RedirectResponse(provider.address(_redirect(parts), state, pending), 302)
    response.set_cookie(
        _cookie(parts),
        browser,
        max_age=parts.terms.sign_in_time // 1000,
        path="/",
        secure=parts.place.secure,
        httponly=True,
        samesite="lax",  # it has to come along when the provider sends the browser back
    )
    return response


@router.get(DONE)
def done(request: Request, state: str = "", code: str = "", iss: str = "", error: str = "") -> Response:
    """Back from the identity provider, with a code. Good once for each that was begun, which is limited."""
    parts, provider = parts_of(request), _provider(request)
    pending = _begun(parts, request, state)
    if iss and iss != parts.settings.oidc_issuer:
        raise ForgedRequestError("the answer comes from another identity provider")
    counted = request.app.state.metrics.sign_ins
    if error or not code:
        counted.labels("oidc", "refused").inc()
        return refused(request, pending.next, "The identity provider did not sign you in.")
    claims = provider.claims(_redirect(parts), code, pending, parts.clock() // 1000)
    who = parts.directory.signed_in_as(_identity(claims, parts.settings.oidc_claim))
    if who is None:
        counted.labels("oidc", "refused").inc()
        return refused(request, pending.next, "You are signed in there, but not among the people here.")
    counted.labels("oidc", "accepted").inc()
    parts.limits.give_back("oidc", asker(parts, request).key, parts.terms.sign_ins_by_address)
    response = begin(request, parts, who.name, "oidc", pending.next)
    response.delete_cookie(_cookie(parts), path="/", secure=parts.place.secure, httponly=True)
    return response


def _begun(parts: ConsoleParts, request: Request, state: str) -> Pending:
    """The sign-in that this browser began; good for one answer."""
    with reachable:
        kept = parts.client.execute_command("GETDEL", parts.keys.pending(state))
    pending = msgspec.json.decode(kept, type=Pending) if kept else None
    browser = hashed(request.cookies.get(_cookie(parts), ""))
    if pending is None or not hmac.compare_digest(pending.browser, browser):
        raise ForgedRequestError("this sign-in was not begun here, or took too long", hint="sign in again")
    return pending


def _identity(claims: Mapping[str, Any], claim: str) -> str:
    if claim == "email" and claims.get("email_verified") is not True:
        return ""
    return str(claims.get(claim) or "")


def _provider(request: Request) -> Provider:
    provider: Provider | None = request.app.state.provider
    if provider is None:
        raise NotFoundError("no identity provider is set", hint="set HITL_OIDC_ISSUER")
    return provider


def _redirect(parts: ConsoleParts) -> str:
    return parts.place.origin + DONE


def _cookie(parts: ConsoleParts) -> str:
    return f"{cookie_name(parts)}-oidc"


def _get(address: str) -> dict[str, Any]:
    try:
        answer = httpx2.get(address, timeout=PATIENCE)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise _away(error) from error
    return found


def _away(error: Exception) -> ServiceUnreachableError:
    return ServiceUnreachableError(
        f"the identity provider does not answer: {error}", hint="check HITL_OIDC_ISSUER"
    )
