"""Errors as answers: problem details for programs, a page or the sign-in for people."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from app.console.identity import local_path, sign_in_address
from app.console.parts import ConsoleParts
from app.console.problems import NOT_SIGNED_IN, UNEXPECTED, Problem, problem
from app.console.rendering import render

MEDIA_TYPE = "application/problem+json"
_MISTAKE = "The console made a mistake that nobody foresaw. It is in the log"
AGAIN = {429, 500, 503}
"""Where the same request may go better a little later."""


def error_response(scope: Scope, error: BaseException, parts: ConsoleParts) -> Response:
    """The answer that an error becomes."""
    request = Request(scope)
    told, headers = problem(error, base=parts.place.origin, request_id=request.state.request_id)
    if not _wants_page(request):
        return problem_response(told, headers)
    if told.status == NOT_SIGNED_IN.status:
        if request.headers.get("hx-request") == "true":  # a part of a page: the whole page must go
            return Response(status_code=401, headers={"HX-Redirect": "/sign-in"})
        return RedirectResponse(sign_in_address(request), 303)
    unexpected = told.status == UNEXPECTED.status
    return render(
        request,
        "error.html",
        status_code=told.status,
        headers=headers,
        heading=told.title,
        text=_MISTAKE if unexpected else told.detail,
        hint=f"Tell whoever runs the desk: `{told.instance}`" if unexpected else told.hint,
        take="",
        safe=told.status >= 500 or request.method == "POST",
        again=local_path(request.url.path) if request.method == "GET" and told.status in AGAIN else "",
    )


def problem_response(told: Problem, headers: dict[str, str]) -> Response:
    """A problem detail as JSON."""
    return Response(msgspec.json.encode(told), told.status, headers, MEDIA_TYPE)


def _wants_page(request: Request) -> bool:
    path = request.url.path
    return not path.startswith("/v1/") and "text/html" in request.headers.get("accept", "")
