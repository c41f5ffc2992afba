"""Sessions of people who signed in: kept in the store, known to the browser by a random id only."""

from __future__ import annotations

import base64
from collections.abc import Callable

import msgspec

from app.console.keys import ConsoleKeys, hashed
from app.console.lua import ConsoleScript
from app.policy.console import ConsoleTerms
from app.review_queue.store import Argument, Client, reachable

ID_BYTES = 32
"""256 bits: not to be guessed."""

Draw = Callable[[int], bytes]
"""So many unpredictable bytes (``secrets.token_bytes``)."""


def token(draw: Draw, size: int = ID_BYTES) -> str:
    """An unpredictable text for ids and tokens, safe in addresses and headers.

    >>> token(lambda size: b"\\xff" * size, 3)
    '____'
    """
    return base64.urlsafe_b64encode(draw(size)).decode().rstrip("=")


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A running session. ``method`` is how the person signed in: ``password`` or ``oidc``."""

    key: str
    """Hash of the id: good for naming the session, useless for taking it over."""
    who: str
    began: int
    seen: int
    csrf: str
    method: str


class Sessions:
    """Opens, finds and ends sessions. ``terms`` gives those in force, for running sessions, too; ``clock``
    gives ms UTC."""

    def __init__(
        self,
        client: Client,
        keys: ConsoleKeys,
        terms: Callable[[], ConsoleTerms],
        clock: Callable[[], int],
        draw: Draw,
    ) -> None:
        self._client = client
        self._base = keys.sessions()
        self._terms = terms
        self._clock = clock
        self._draw = draw
        self._open, self._touch, self._end = (
            ConsoleScript(f"session_{verb}") for verb in ("open", "touch", "end")
        )

    def open(self, who: str, method: str) -> str:
        """A new session of a person; its id, which exists nowhere else from now on. Always a new id:
        one that somebody planted in a browser before the sign-in is worth nothing after it."""
        identifier = token(self._draw)
        terms = self._terms()
        fields = ["csrf", token(self._draw), "method", method]
        with reachable:
            self._open.run(
                self._client,
                self._base,
                [hashed(identifier), who, self._clock(), terms.session_idle, terms.session_longest, *fields],
            )
        return identifier

    def find(self, identifier: str, *, renew: bool = True) -> Session | None:
        """The session of an id, ``None`` when it is over. ``renew=False`` is no sign of life: for what a
        page does by itself while nobody looks at it."""
        key = hashed(identifier)
        terms = self._terms()
        renewing = "1" if renew else "0"
        arguments: list[Argument] = [key, self._clock(), terms.session_idle, terms.session_longest, renewing]
        with reachable:
            found = self._touch.run(self._client, self._base, arguments)
        if not found:
            return None
        fields = {name.decode(): value.decode() for name, value in zip(found[::2], found[1::2], strict=True)}
        return Session(
            key=key,
            who=fields["who"],
            began=int(fields["began"]),
            seen=int(fields["seen"]),
            csrf=fields["csrf"],
            method=fields["method"],
        )

    def end(self, identifier: str) -> None:
        """Sign out."""
        with reachable:
            self._end.run(self._client, self._base, [hashed(identifier), ""])

    def end_all(self, who: str) -> int:
        """End every session of a person; how many there were."""
        with reachable:
            return int(self._end.run(self._client, self._base, ["", who]))
