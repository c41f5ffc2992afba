"""Everything the console works with, put together by the composition root."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

import msgspec

from app.console.accounts import Accounts
from app.console.keys import ConsoleKeys
from app.console.ledger import Ledger
from app.console.limits import Limits
from app.console.outgoing import Outgoing
from app.console.publishing import EventPublisher, Writer
from app.console.session_room import SessionRoom
from app.console.sessions import Draw, Sessions
from app.console.submissions import Submissions
from app.console.terms import Pace
from app.desk.desk import ReviewDesk
from app.desk.evidence import EvidenceRoom
from app.desk.following import Following
from app.desk.rules import RuleDesk
from app.domain.people import Directory
from app.policy.compiled import CompiledPolicy
from app.policy.console import ConsoleTerms
from app.review_queue.cases import CaseFile
from app.review_queue.keys import Keys
from app.review_queue.store import Client
from app.settings import Settings

LOOPBACK = ("localhost", "127.0.0.1", "::1")


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
    policy_in_force: Callable[[], CompiledPolicy]
    place: Place
    desk: ReviewDesk
    cases: CaseFile
    client: Client
    """The store."""
    queue_keys: Keys
    keys: ConsoleKeys
    accounts: Accounts
    sessions: Sessions
    limits: Limits
    submissions: Submissions
    """Who handed in what by the API."""
    following: Following
    """What producers are told of their decisions."""
    clock: Callable[[], int]
    draw: Draw
    publisher: EventPublisher
    """Publishes what is submitted; waits for the broker's word."""
    broker_answers: Callable[[], bool]
    """Whether the broker answers, within a second or two."""
    unheard: Callable[[], str]
    """A topic of authority (policy, standing rules) that could not be read for too long; or empty."""
    messages: Outgoing | None = None
    """What waits for webhooks; ``None`` as the ledger."""
    ledger: Ledger | None = None
    """The read model behind the numbers; ``None`` where there is no broker (tests of pages)."""
    evidence: EvidenceRoom | None = None
    """Makes evidence packs; ``None`` as the ledger."""
    rules: RuleDesk | None = None
    """Standing rules; ``None`` as the ledger."""
    room: SessionRoom | None = None
    """Calibration sessions and onboarding; ``None`` as the ledger."""
    pace: Pace = Pace()

    @property
    def policy(self) -> CompiledPolicy:
        """The policy in force now."""
        return self.policy_in_force()

    @property
    def terms(self) -> ConsoleTerms:
        """Sessions and limits, as the policy in force has them."""
        return self.policy_in_force().console

    @property
    def directory(self) -> Directory:
        """Everybody, as the policy in force has it."""
        return self.policy_in_force().directory

    @property
    def open_writer(self) -> Callable[[], AbstractContextManager[Writer]]:
        """``with open_writer() as writer`` publishes events, stored at the end of the block."""
        return self.publisher.writer
