"""The outermost layer, around every answer: host names, headers, body size, errors, numbers."""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.console.errors import BodyTooLargeError, WrongHostError
from app.console.metrics import ConsoleMetrics
from app.console.parts import ConsoleParts
from app.console.responses import error_response

_FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with it a browser sends `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_TWO_YEARS = "max-age=63072000"
OPEN_TO_PROBES = ("/healthz", "/readyz", "/metrics")
"""What a probe asks for by address, whatever host name it uses; none of it is about anybody."""


def content_security_policy(nonce: str) -> str:
    """Only our own files, and only scripts and styles that carry this answer's nonce."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce}'",
            f"style-src 'self' 'nonce-{nonce}'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


class Shield:
    """Wraps the application. ``timer`` gives seconds, for the latency only."""

    def __init__(
        self,
        app: ASGIApp,
        parts: ConsoleParts,
        metrics: ConsoleMetrics,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._parts = parts
        self._metrics = metrics
        self._timer = timer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        draw = self._parts.draw
        state = scope.setdefault("state", {})
        state["nonce"] = base64.b64encode(draw(18)).decode()
        state["request_id"] = str(uuid.UUID(bytes=draw(16), version=4))
        started, status, begun = self._timer(), 500, False

        async def protected(message: Message) -> None:
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                self._head(scope, MutableHeaders(scope=message))
            await send(message)

        try:
            _check_host(scope, self._parts)
            await self._app(scope, _bounded(scope, receive, self._parts.pace.max_body), protected)
        except Exception as error:
            if begun:  # half an answer can not become an error: end it, so that the client sees it broken
                raise
            await error_response(scope, error, self._parts)(scope, receive, protected)
        finally:
            self._metrics.served(scope, status, self._timer() - started)

    def _head(self, scope: Scope, headers: MutableHeaders) -> None:
        headers.update(_FIXED)
        headers["Content-Security-Policy"] = content_security_policy(scope["state"]["nonce"])
        headers["X-Request-Id"] = scope["state"]["request_id"]
        if self._parts.place.secure:
            headers["Strict-Transport-Security"] = _TWO_YEARS
        if not scope["path"].startswith("/static/"):
            headers["Cache-Control"] = "no-store"
        headers.add_vary_header("Cookie")


def _check_host(scope: Scope, parts: ConsoleParts) -> None:
    """A name that is not ours is another site's (DNS rebinding), or a poisoned link."""
    if scope["path"] in OPEN_TO_PROBES:
        return
    values = [value for name, value in scope["headers"] if name == b"host"]
    host = _host_name(values[0].decode("latin-1")) if len(values) == 1 else None
    if host not in parts.place.hosts:
        raise WrongHostError("this console does not answer under this name", hint="see HITL_CONSOLE_URL")


def _host_name(text: str) -> str | None:
    """
    >>> _host_name("Reviews.example.org:8443"), _host_name("[::1]:8080"), _host_name("a/b@c")
    ('reviews.example.org', '::1', None)
    """
    if any(sign in text for sign in "/@\\?# "):
        return None
    try:
        return urlsplit(f"//{text}").hostname
    except ValueError:
        return None


def _bounded(scope: Scope, receive: Receive, most: int) -> Receive:
    """``receive`` that counts: what was announced, and what really comes."""
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if not announced.isdigit() or int(announced[:20]) > most:
        raise BodyTooLargeError(f"a request body may have {most} bytes")
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise BodyTooLargeError(f"a request body may have {most} bytes")
        return message

    return counted
