"""Which decisions were read before: a repeated id at another position is a duplicate."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from app.review_queue.keys import Keys
from app.review_queue.store import Client, Script, reachable

_pack = msgspec.msgpack.Encoder().encode


class SeenDecisions:
    """Remembers where each decision id was first read, for ``window`` ms."""

    def __init__(self, client: Client, keys: Keys, *, window: int, chunk: int = 250) -> None:
        self._client = client
        self._base = keys.seen()
        self._window = window
        self._chunk = chunk
        self._script = Script("seen")

    def follow(self, window: int) -> None:
        """Another window (ms), from the next claim on."""
        self._window = window

    def claim(self, ids: Sequence[str], positions: Sequence[str]) -> list[str | None]:
        """For each id ``None`` when it is new here (or this very position read again), else the
        position where it was first read. Repeats within the batch count too, in order.

        One round trip for each ``chunk`` ids, half a millisecond of the store's time: it serves others in
        between.
        """
        if len(ids) != len(positions):
            raise ValueError(f"{len(ids)} ids but {len(positions)} positions")
        found: list[str | None] = [None] * len(ids)
        for start in range(0, len(ids), self._chunk):
            pairs: list[str] = [""] * (2 * len(ids[start : start + self._chunk]))
            pairs[::2] = ids[start : start + self._chunk]
            pairs[1::2] = positions[start : start + self._chunk]
            with reachable:
                repeats = self._script.run(self._client, self._base, (self._window, _pack(pairs)))
            for index, first in zip(repeats[::2], repeats[1::2], strict=True):
                found[start + index] = first.decode()
        return found
