"""Where a list goes on: opaque to the caller, checked when it comes back."""

from __future__ import annotations

import base64

import msgspec

from app.console.errors import UnacceptableError

_FURTHEST = 1_000_000


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """The next pool (its place among those of the list) and how many of its reviews were given."""

    pool: int = 0
    offset: int = 0

    def text(self) -> str:
        """
        >>> Cursor(1, 50).text(), read(Cursor(1, 50).text())
        ('WzEsNTBd', Cursor(pool=1, offset=50))
        """
        return base64.urlsafe_b64encode(msgspec.json.encode(self)).decode().rstrip("=")


def read(text: str | None) -> Cursor:
    """A cursor that was given before. Raises ``UnacceptableError``."""
    if not text:
        return Cursor()
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        cursor = msgspec.json.decode(raw, type=Cursor)
    except (ValueError, msgspec.MsgspecError) as error:
        raise UnacceptableError("the cursor is none of this list's", hint="begin without one") from error
    if not (0 <= cursor.pool < _FURTHEST and 0 <= cursor.offset < _FURTHEST):
        raise UnacceptableError("the cursor is none of this list's", hint="begin without one")
    return cursor
