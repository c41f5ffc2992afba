"""Everything the console works with, put together by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import msgspec

from app.console.accounts import Accounts
from app.console.keys import ConsoleKeys
from app.console.limits import Limits
from app.console.sessions import Draw, Sessions
from app.console.terms import ConsoleTerms
from app.domain.events import Record
from app.domain.people import Directory
from app.policy.compiled import CompiledPolicy
from app.review_queue.store import Client
from app.settings import Settings

if TYPE_CHECKING:
    from app.desk.desk import ReviewDesk

LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Writer(Protocol):
    """Publishes events; the ``EventWriter`` of the composition root."""

    def write(self, topic: str, key: str, event: Record) -> None:
        """Send an event, at the latest with ``flush``."""

    def flush(self) -> None:
        """Wait for the broker's word on everything."""


class Place(msgspec.Struct, frozen=True):
    """Where people find the console: scheme, host and port as a browser says them."""

    url: str

    @property
    def secure(self) -> bool:
        """Reached by https."""
        return self.url.startswith("https://")

    @property
    def host(self) -> str:
        """The host name, without the port.

        >>> Place("http://127.0.0.1:8080").host, Place("http://[::1]:8080").host
        ('127.0.0.1', '::1')
        """
        return urlsplit(self.url).hostname or ""

    @property
    def loopback(self) -> bool:
        """Only reached from this machine."""
        return self.host in LOOPBACK

    @property
    def origin(self) -> str:
        """As in the ``Origin`` header.

        >>> Place("https://reviews.example.org/").origin
        'https://reviews.example.org'
        """
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def hosts(self) -> frozenset[str]:
        """The host names under which the console answers."""
        return frozenset((self.host, *(LOOPBACK if self.loopback else ())))


class ConsoleParts(msgspec.Struct, frozen=True, kw_only=True):
    """What every page and every call of the API may use. ``clock`` gives ms UTC, ``draw`` so many
    unpredictable bytes."""

    settings: Settings
    policy: CompiledPolicy
    place: Place
    desk: ReviewDesk
    directory: Directory
    client: Client
    """The store."""
    keys: ConsoleKeys
    terms: ConsoleTerms
    accounts: Accounts
    sessions: Sessions
    limits: Limits
    clock: Callable[[], int]
    draw: Draw
    open_writer: Callable[[], Any]
    """``with open_writer() as writer:`` publishes events, stored at the end of the block."""
    broker_answers: Callable[[], bool]
    """Whether the broker answers, within a second or two."""
    ledger: Any = None
    """The read model behind the numbers; ``None`` when there is none."""
