"""Where the console is, and who asks."""

from __future__ import annotations

import os
from typing import Any

import httpx

from app.client.errors import DecisionsError
from app.client.flow import Reply


def client_settings(url: str | None, token: str | None) -> dict[str, Any]:
    """What an httpx client is made with. Raises ``DecisionsError`` where something is missing."""
    url = url or os.environ.get("HITL_CONSOLE_URL", "")
    token = token or os.environ.get("HITL_TOKEN", "")
    if not url.startswith(("http://", "https://")):
        raise DecisionsError(
            f"{url or 'nothing'} is no address of a console", hint="give `url`, or set HITL_CONSOLE_URL"
        )
    if not token:
        raise DecisionsError(
            "there is no token",
            hint="give `token`, or set HITL_TOKEN: `hitl token create svc --scope submit`",
        )
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    return {"base_url": url, "headers": headers}


def reply_of(answer: httpx.Response) -> Reply:
    """An answer as the flows see it."""
    return Reply(answer.status_code, answer.content, answer.headers.get("Retry-After", ""))
