"""How often: token buckets in the store, shared by every console process."""

from __future__ import annotations

from collections.abc import Callable

from app.console.keys import ConsoleKeys
from app.console.lua import ConsoleScript
from app.errors import HitlError
from app.policy.console import Allowance
from app.review_queue.store import Client, reachable


class TooManyError(HitlError):
    """More than is allowed in this time. ``retry_after`` is in whole seconds."""

    def __init__(self, what: str, wait: int) -> None:
        self.retry_after = max(1, -(-wait // 1000))
        super().__init__(f"too many {what}", hint=f"try again in {self.retry_after} s")


class Limits:
    """``clock`` gives ms UTC."""

    def __init__(self, client: Client, keys: ConsoleKeys, clock: Callable[[], int]) -> None:
        self._client = client
        self._keys = keys
        self._clock = clock
        self._take = ConsoleScript("bucket_take")

    def take(self, kind: str, whom: str, allowance: Allowance, what: str) -> None:
        """Count one, or raise ``TooManyError`` ("too many <what>") without counting."""
        wait = self.wait(kind, whom, allowance)
        if wait:
            raise TooManyError(what, wait)

    def wait(self, kind: str, whom: str, allowance: Allowance) -> int:
        """Count one and return 0, or the time in ms until one may be counted."""
        return self._run(kind, whom, allowance, 1)

    def refill(self, kind: str, whom: str, allowance: Allowance) -> None:
        """All is well: start again with a full bucket."""
        self._run(kind, whom, allowance, -allowance.burst)

    def give_back(self, kind: str, whom: str, allowance: Allowance) -> None:
        """One that was counted should not have been."""
        self._run(kind, whom, allowance, -1)

    def _run(self, kind: str, whom: str, allowance: Allowance, tokens: int) -> int:
        arguments = [self._clock(), allowance.burst, allowance.every, tokens]
        with reachable:
            return int(self._take.run(self._client, self._keys.bucket(kind, whom), arguments))
