"""Webhooks: what happens to reviews, told to chat tools and other programs. At least once, signed.

Who is told what is in the policy (``webhooks:``); where they are and with which secret stands in one
private file (``HITL_WEBHOOKS_FILE``). A message says which review and what happened, never facts of the
case: chats have other readers than queues.
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
from app.policy.webhooks import ReviewEvent, Template, WebhookTerms

SHORTEST_SECRET = 16


class Address(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a receiver is, and with which secret its messages are signed."""

    url: str
    secret: str
    allow_private: bool = False
    """Whether the address may be in a private network, and http."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message on its way to one receiver. The id stays over retries: a receiver can tell repeats."""

    delivery_id: str
    hook: str
    event: str
    body: bytes


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What happened, as every template has it. ``event_id`` is the same for all receivers, and whenever the
    event is read again."""

    event_id: str
    event: str
    at: str
    pool: str
    review_id: str
    actor: str
    link: str

    @property
    def sentence(self) -> str:
        """What happened, without the link."""
        by = f" by {self.actor}" if self.actor else ""
        return f"{self.pool}: a review was {self.event.replace('_', ' ')}{by}"


def load_addresses(path: Path) -> Mapping[str, Address]:
    """The addresses by name. Raises ``UsageError`` that says what is wrong."""
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise UsageError(f"{path}: others may read the secrets", hint=f"chmod 600 {path}")
        addresses = msgspec.json.decode(path.read_bytes(), type=dict[str, Address])
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"HITL_WEBHOOKS_FILE={path}: {error}", hint="see docs/webhooks.md") from error
    for name, address in addresses.items():
        parts = urlsplit(address.url)
        if not parts.hostname or "@" in parts.netloc or parts.scheme not in ("http", "https"):
            raise UsageError(f"{path}: {name}: the url is no address", hint="e.g. https://chat.example/hook")
        if parts.scheme == "http" and not address.allow_private:
            raise UsageError(f"{path}: {name}: the url is not https", hint="or set allow_private")
        if len(address.secret) < SHORTEST_SECRET:
            raise UsageError(f"{path}: {name}: the secret is too short", hint="openssl rand -hex 32")
    return addresses


def told(event: ReviewLifecycle | ReviewRequested, console: str) -> Told:
    """What an event says. ``console`` is the address of the console, for the link."""
    if isinstance(event, ReviewRequested):
        request = event.request
        name, pool, at = ReviewEvent.REQUESTED.value, request.pool, request.requested_at
        identifier, source, actor = request.review_id, request.review_id, ""
    else:
        name, pool, at = event.event, event.pool, event.at
        identifier, source, actor = event.review_id, event.event_id, event.actor
    return Told(
        event_id=str(uuid.uuid5(REVIEWS, f"{name}\n{source}")),
        event=name,
        at=moment(at),
        pool=pool,
        review_id=identifier,
        actor=actor,
        link=f"{console}/reviews/{identifier}",
    )


def deliveries(
    event: ReviewLifecycle | ReviewRequested, hooks: Mapping[str, WebhookTerms], console: str
) -> Iterable[Delivery]:
    """What follows from one event, for each receiver that wants it."""
    said = told(event, console)
    for hook in hooks.values():
        if hook.wants(said.event, said.pool):
            yield delivery(said, hook)


def delivery(said: Told, hook: WebhookTerms) -> Delivery:
    """The message to one receiver, in its form."""
    delivery_id = str(uuid.uuid5(REVIEWS, f"{hook.name}\n{said.event_id}"))
    body = msgspec.json.encode(_BODIES[hook.template](said, delivery_id))
    return Delivery(delivery_id=delivery_id, hook=hook.name, event=said.event, body=body)


def _json(said: Told, delivery_id: str) -> object:
    fields = {"delivery_id": delivery_id, **msgspec.to_builtins(said)}
    return fields | {"text": f"{said.sentence}: {said.link}"}


def _slack(said: Told, _: str) -> object:
    return {"text": f"{_escaped(said.sentence)}: <{said.link}|open>"}


def _teams(said: Told, _: str) -> object:
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "TextBlock", "text": said.sentence, "wrap": True}],
        "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": said.link}],
    }
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [content]}


_BODIES = {Template.JSON: _json, Template.SLACK: _slack, Template.TEAMS: _teams}


def _escaped(text: str) -> str:
    """Slack's control characters: a name must not become a mention or a link.

    >>> _escaped("<!channel> & co")
    '&lt;!channel&gt; &amp; co'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def headers_of(message: Delivery, address: Address, now: int) -> Mapping[str, str]:
    """What goes with a message that is sent ``now`` (ms UTC)."""
    return {
        "X-Hitl-Delivery": message.delivery_id,
        "X-Hitl-Event": message.event,
        "X-Hitl-Signature": signature(address.secret, message.body, now // 1000),
    }


def signature(secret: str, body: bytes, at: int) -> str:
    """The ``X-Hitl-Signature`` of a body sent ``at`` (s UTC): HMAC-SHA256 over "<at>.<body>".

    >>> signature("s" * 16, b"{}", 1)[:14]
    't=1,v1=ba3a899'
    """
    mac = hmac.digest(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={mac.hex()}"
