"""Who has a case open right now: pages report themselves every 20 seconds.

Losing this costs nothing, so nothing waits for it and no step depends on it.
"""

from __future__ import annotations

from collections.abc import Callable

from app.console.keys import ConsoleKeys
from app.review_queue.store import Client, reachable

FRESH = 45_000
"""A page that was silent for so long (ms) is closed: two reports were missed."""
AT_MOST = 20
"""Names to show; more than a page has room for."""


class Presence:
    """One sorted set a case: name -> last seen, ms UTC."""

    def __init__(self, client: Client, keys: ConsoleKeys, clock: Callable[[], int]) -> None:
        self._client = client
        self._keys = keys
        self._clock = clock

    def report(self, review_id: str, name: str) -> list[str]:
        """I have it open; who else has, in the order of their names."""
        key = self._keys.presence(review_id)
        now = self._clock()
        pipe = self._client.pipeline(transaction=False)
        pipe.execute_command("ZADD", key, now, name)
        pipe.execute_command("ZREMRANGEBYSCORE", key, "-inf", now - FRESH)
        pipe.execute_command("PEXPIRE", key, FRESH)
        pipe.execute_command("ZRANGE", key, 0, AT_MOST)
        with reachable:
            found = pipe.execute()[-1]
        return sorted(other for other in (member.decode() for member in found) if other != name)
