"""Pages from templates: always escaped, with the visitor, the CSRF token and the nonce at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

TEMPLATES = Environment(
    loader=PackageLoader("app.console", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
"""Filters and globals of the pages are added by ``app.console.pages``."""

SHARED: list[Callable[[Request], Mapping[str, object]]] = []
"""What every template gets besides: the pages add what their frame shows (the menu, who is there)."""


def render(
    request: Request,
    template: str,
    *,
    status_code: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: object,
) -> HTMLResponse:
    """A page (or a part of one). Every template has ``visitor`` (``None`` before the sign-in),
    ``csrf_token``, ``nonce``, ``path``, ``server_now`` (ms UTC) and what ``context`` brings."""
    visitor = getattr(request.state, "visitor", None)
    page = TEMPLATES.get_template(template).render(
        {
            "visitor": visitor,
            "csrf_token": visitor.csrf if visitor else "",
            "nonce": getattr(request.state, "nonce", ""),
            "path": request.url.path,
            "server_now": request.app.state.parts.clock(),
            **{name: value for shared in SHARED for name, value in shared(request).items()},
            **context,
        }
    )
    return HTMLResponse(page, status_code=status_code, headers=headers)
