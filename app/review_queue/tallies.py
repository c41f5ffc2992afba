"""Sums behind the targets, by hour and by day: kept in the store, so that every process sees the same.

They are no part of what the log can rebuild: a store that comes back empty begins anew, as metrics do.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.review_queue.keys import Keys
from app.review_queue.store import Argument, Client, Script, reachable
from app.telemetry.standing import DAY, DAYS, HOUR, HOURS, Kept

GAUGES_MS = 60_000
"""After so long without a reader, gauges are not known."""


class Tallies:
    """Adds and reads. One hash an hour and one a day, some forty fields each."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._base = keys.tally()
        self._add = Script("tally_add")

    def add(self, sums: Mapping[str, float], at: int) -> None:
        """Grow the sums of the hour and day of ``at`` (ms UTC). Raises ``StoreUnavailableError``; whether it
        was added is not known then."""
        arguments: list[Argument] = [f"h{at // HOUR}", (HOURS + 2) * HOUR, f"d{at // DAY}", (DAYS + 2) * DAY]
        for field, by in sums.items():
            arguments += [field, by]
        with reachable:
            self._add.run(self._client, self._base, arguments)

    def show(self, gauges: Mapping[str, float]) -> None:
        """What the one reader of gauges sees now. Raises ``StoreUnavailableError``."""
        key = f"{self._base}now"
        pipe = self._client.pipeline(transaction=True)
        pipe.execute_command("DEL", key)
        pipe.execute_command("HSET", key, *(part for pair in gauges.items() for part in pair))
        pipe.execute_command("PEXPIRE", key, GAUGES_MS)
        with reachable:
            pipe.execute()

    def read(self, now: int) -> Kept:
        """Everything that windows may ask for, in one round trip. Raises ``StoreUnavailableError``."""
        hours = range(now // HOUR - HOURS + 1, now // HOUR + 1)
        days = range(now // DAY - DAYS + 1, now // DAY + 1)
        names = [*(f"h{hour}" for hour in hours), *(f"d{day}" for day in days), "now"]
        pipe = self._client.pipeline(transaction=False)
        for name in names:
            pipe.execute_command("HGETALL", f"{self._base}{name}")
        with reachable:
            found = [_sums(answer) for answer in pipe.execute()]
        return Kept(
            hours=dict(zip(hours, found, strict=False)),
            days=dict(zip(days, found[HOURS:], strict=False)),
            gauges=found[-1] or None,
        )


def _sums(answer: Mapping[bytes, bytes]) -> dict[str, float]:
    return {field.decode(): float(value) for field, value in answer.items()}
