"""Webhooks: what happens to reviews, told to chat tools and other programs. At least once, signed.

Where they go and with which secret stands in one private file (``HITL_WEBHOOKS_FILE``). A message says
which review and what happened, never facts of the case: chats have other readers than queues.
"""

from __future__ import annotations

import hashlib
import hmac
import stat
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from app.domain.events import ReviewLifecycle, ReviewRequested
from app.domain.review import REVIEWS
from app.domain.words import moment
from app.errors import UsageError

REQUESTED = "requested"
"""The name of the event that a review came in; all others are those of ``reviews.lifecycle``."""
SHORTEST_SECRET = 16


class Hook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One receiver. No ``events`` or ``pools`` given means all of them."""

    url: str
    secret: str
    events: frozenset[str] = frozenset()
    pools: frozenset[str] = frozenset()
    allow_private: bool = False
    """Whether the address may be in a private network, and http."""

    def wants(self, event: str, pool: str) -> bool:
        """Whether this receiver is told."""
        return (not self.events or event in self.events) and (not self.pools or pool in self.pools)


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message on its way to one receiver. The id stays over retries: a receiver can tell repeats."""

    delivery_id: str
    hook: str
    event: str
    body: bytes


def load_hooks(path: Path) -> Mapping[str, Hook]:
    """The receivers by name. Raises ``UsageError`` that says what is wrong."""
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UsageError(f"{path}: others may read the secrets", hint=f"chmod 600 {path}")
        hooks = msgspec.json.decode(path.read_bytes(), type=dict[str, Hook])
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"HITL_WEBHOOKS_FILE={path}: {error}", hint="see docs/api.md, Webhooks") from error
    for name, hook in hooks.items():
        parts = urlsplit(hook.url)
        if not parts.hostname or "@" in parts.netloc or parts.scheme not in ("http", "https"):
            raise UsageError(f"{path}: {name}: the url is no address", hint="e.g. https://chat.example/hook")
        if parts.scheme == "http" and not hook.allow_private:
            raise UsageError(f"{path}: {name}: the url is not https", hint="or set allow_private")
        if len(hook.secret) < SHORTEST_SECRET:
            raise UsageError(f"{path}: {name}: the secret is too short", hint="openssl rand -hex 32")
    return hooks


def deliveries(
    event: ReviewLifecycle | ReviewRequested, hooks: Mapping[str, Hook], console: str
) -> Iterable[Delivery]:
    """What follows from one event, for each receiver that wants it. ``console`` is the address of the
    console, for the link."""
    if isinstance(event, ReviewRequested):
        request = event.request
        name, pool, at, identifier = REQUESTED, request.pool, request.requested_at, request.review_id
        event_id, actor = request.review_id, ""
    else:
        name, pool, at, identifier = event.event, event.pool, event.at, event.review_id
        event_id, actor = event.event_id, event.actor
    for hook_name, hook in hooks.items():
        if not hook.wants(name, pool):
            continue
        delivery_id = str(uuid.uuid5(REVIEWS, f"{hook_name}\n{name}\n{event_id}"))
        link = f"{console}/reviews/{identifier}"
        said = {
            "delivery_id": delivery_id,
            "event": name,
            "at": moment(at),
            "pool": pool,
            "review_id": identifier,
            "actor": actor,
            "link": link,
            "text": f"{pool}: a review was {name.replace('_', ' ')}{f' by {actor}' if actor else ''}: {link}",
        }
        yield Delivery(delivery_id=delivery_id, hook=hook_name, event=name, body=msgspec.json.encode(said))


def signature(secret: str, body: bytes, at: int) -> str:
    """The ``X-Hitl-Signature`` of a body sent ``at`` (s UTC): HMAC-SHA256 over "<at>.<body>".

    >>> signature("s" * 16, b"{}", 1)[:14]
    't=1,v1=ba3a899'
    """
    mac = hmac.digest(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={mac.hex()}"
