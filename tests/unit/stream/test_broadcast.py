"""How long the start waits for what a topic says: as long as something comes."""

from __future__ import annotations

from typing import cast

import pytest

from app.stream.broadcast import Broadcast
from app.stream.connection import Connection
from app.stream.errors import BrokerUnreachableError


class Slow:
    """Whether all is read, asked once a timeout: ``taken`` records came until then, each time."""

    def __init__(self, broadcast: Broadcast, taken: list[int]) -> None:
        self._broadcast = broadcast
        self._taken = taken

    def wait(self, _timeout: float) -> bool:
        if not self._taken:
            return True
        self._broadcast._taken += self._taken.pop(0)
        return False

    def is_set(self) -> bool:
        return not self._taken

    def set(self) -> None: ...


def reading(monkeypatch: pytest.MonkeyPatch, taken: list[int]) -> Broadcast:
    monkeypatch.setattr(Broadcast, "_run", lambda _: None)
    broadcast = Broadcast(cast(Connection, None), "known", lambda _: None)
    broadcast._caught_up = Slow(broadcast, taken)  # type: ignore[assignment]
    return broadcast


def test_a_long_topic_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    reading(monkeypatch, [100_000, 90_000, 1]).start()


@pytest.mark.parametrize("taken", [[0, 7], [9, 0, 7]])
def test_a_topic_of_which_nothing_more_comes_is_an_outage(
    monkeypatch: pytest.MonkeyPatch, taken: list[int]
) -> None:
    with pytest.raises(BrokerUnreachableError, match="nothing more came"):
        reading(monkeypatch, taken).start()
