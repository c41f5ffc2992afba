"""The description of the API, completed: how to sign in, what errors look like, what is submitted."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.console.api.submissions import SCHEMAS
from app.console.problems import KINDS, Kind
from app.console.responses import MEDIA_TYPE

_EVERYWHERE = (
    "not-signed-in",
    "not-allowed",
    "wrong-host",
    "too-many",
    "unavailable",
    "invalid",
    "bad-request",
)
_ON_CHANGES = ("conflict", "too-large")

PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457 problem detail.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "description": "Address of an explanation; tells the kinds apart."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened, in words."},
        "instance": {"type": "string", "description": "The request; the log knows it by this id."},
        "hint": {"type": "string", "description": "What to try."},
        "code": {"type": "string", "description": "Tells the cases of one kind apart; stable."},
        "answer": {"type": "object", "description": "The first answer, when a review was decided already."},
        "errors": {
            "type": "array",
            "description": "The fields that are wrong.",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                    "hint": {"type": "string"},
                },
            },
        },
    },
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Sent again with the same key, the request has no second effect: its answer comes back.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of the console."""
    if app.openapi_schema is None:
        described = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        components = described.setdefault("components", {})
        components.setdefault("schemas", {}).update({**SCHEMAS, "Problem": PROBLEM})
        for unused in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(unused, None)
        components["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer", "description": "`hitl token create`"},
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": "hitl",
                "description": "Of the console's own pages; changes need `X-CSRF-Token` as well.",
            },
        }
        for path, operations in described["paths"].items():
            for method, operation in operations.items():
                _complete(path, method, operation)
        app.openapi_schema = described
    return app.openapi_schema


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    changing = method != "get"
    names = set(_EVERYWHERE) | (set(_ON_CHANGES) if changing else set())
    responses = operation["responses"]
    for kind in KINDS:
        if kind.name in names or (kind.status == 404 and "{" in path):
            responses[str(kind.status)] = _response(kind)
    operation["security"] = [{"token": []}, {"session": []}]
    if changing:
        operation.setdefault("parameters", []).append(_KEY)


def _response(kind: Kind) -> dict[str, Any]:
    return {
        "description": kind.title,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
