"""Webhooks: what happens to reviews, and what is found in their outcomes, told to chat tools and other
programs. At least once, signed.

Who is told what is in the policy (``webhooks:``); where they are and with which secret stands in one
private file (``HITL_WEBHOOKS_FILE``). A message says which review and what happened, never facts of the
case, and of a pattern never whom it is about: chats have other readers than queues.
"""

from __future__ import annotations

import hashlib
import hmac
import stat
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from app.domain.events import PatternDetected, ReviewLifecycle, ReviewRequested
from app.domain.learning.sighting import Pattern
from app.domain.review import REVIEWS
from app.domain.words import HAPPENED, moment
from app.errors import UsageError
from app.policy.webhooks import HookEvent, Template, WebhookTerms

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
        return f"{self.pool}: {HAPPENED.get(self.event, self.event)}{by}"


class ToldPattern(Told, frozen=True, kw_only=True):
    """A pattern that began. ``pool`` is that of its decision type; ``shared_with`` are the types that learn
    from it. Which reviewer stands out is left to the page, which not everybody may read."""

    pattern: str
    decision_type: str
    shared_with: tuple[str, ...]
    said: str
    action: str

    @property
    def sentence(self) -> str:
        """What was found and what to do."""
        also = f" For {', '.join(self.shared_with)}, too, as evidence." if self.shared_with else ""
        return f"{self.said} {self.action}{also}"


def told_pattern(
    event: PatternDetected, pools: Sequence[str], shared_with: tuple[str, ...], console: str
) -> ToldPattern:
    """What a pattern says to whoever may read a chat."""
    decision_type = event.learning_key.partition("|")[0]
    personal = event.pattern == Pattern.REVIEWER_OUTLIER
    retrain = event.pattern == Pattern.RETRAIN
    return ToldPattern(
        event_id=str(uuid.uuid5(REVIEWS, f"pattern\n{event.pattern_id}")),
        event=(HookEvent.RETRAIN if retrain else HookEvent.PATTERN_DETECTED).value,
        at=moment(event.detected_at),
        pool=pools[0] if pools else "",
        review_id="",
        actor="",
        link=f"{console}/lead",
        pattern=event.pattern,
        decision_type=decision_type,
        shared_with=shared_with,
        said="One reviewer overrides much more or less than colleagues." if personal else event.text,
        action="Look at the lead's page." if personal else event.action,
    )


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
        name, pool, at = HookEvent.REQUESTED.value, request.pool, request.requested_at
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


def pattern_deliveries(
    event: PatternDetected,
    pools: Sequence[str],
    shared_with: tuple[str, ...],
    hooks: Mapping[str, WebhookTerms],
    console: str,
) -> Iterable[Delivery]:
    """What follows from a pattern that concerns these pools, its own first."""
    said = told_pattern(event, pools, shared_with, console)
    for hook in hooks.values():
        if hook.wants(said.event, *pools):
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
