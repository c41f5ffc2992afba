"""Steps that the relay put aside: which they are, and the way back into the outbox."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from app.review_queue import keys as names
from app.review_queue.keys import Keys
from app.review_queue.store import Client, Script, reachable

ENTRY = "@entry"
WHY = "@why"
"""Fields that an entry has only while it is put aside."""

_PAGE = 100
_REQUEST_MS = 86_400_000
"""For how long a request waits for the relay whose review is forgotten."""


class BrokenStep(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``outbox:broken``. ``entry`` is the pool and its id there, ``why`` the kind of error (its
    words are in the worker's log, as they may name a person), or what Kafka said when it refused the step.
    ``request_gone``: the review's request is no longer in the store, and neither is it in the step."""

    entry: str
    pool: str
    review_id: str
    decision_id: str
    event: str
    actor: str
    why: str
    request_gone: bool
    is_outcome: bool
    """An answer or a safe default: what is published then begins with the request."""


class BrokenSteps:
    """Those of some pools. Listing is O(entries put aside): there should be none."""

    def __init__(self, client: Client, keys: Keys, pools: Sequence[str]) -> None:
        self._client = client
        self._keys = keys
        self._pools = pools
        self._put_back = Script("put_back")

    def __iter__(self) -> Iterator[BrokenStep]:
        """Pool by pool, oldest first. Raises ``StoreUnavailableError``."""
        for pool in self._pools:
            since = "-"
            while page := self._page(pool, since):
                yield from self._steps(pool, page)
                since = f"({page[-1][0].decode()}"

    def put_back(self, step: BrokenStep, request: bytes | None = None) -> bool:
        """Into the outbox, once, as if it had been written now, and its request into the store where that
        is gone. False when it was not there any more, or has nothing in it. One that was published before
        it was put aside is recognised further on by its id, for as long as decisions are remembered."""
        arguments = (_id_in(step), request or b"", _REQUEST_MS)
        with reachable:
            done = self._put_back.run(self._client, self._keys.pool(step.pool), arguments)
        return int(done) == 1

    def discard(self, step: BrokenStep) -> bool:
        """For ever: Kafka never hears of it. False when it was not there any more."""
        with reachable:
            gone = self._client.execute_command(
                "XDEL", self._keys.pool(step.pool, names.BROKEN), _id_in(step)
            )
        return bool(gone)

    def _page(self, pool: str, since: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        with reachable:
            found: list[tuple[bytes, dict[bytes, bytes]]] = self._client.execute_command(
                "XRANGE", self._keys.pool(pool, names.BROKEN), since, "+", "COUNT", _PAGE
            )
        return found

    def _steps(self, pool: str, page: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> Iterator[BrokenStep]:
        pipe = self._client.pipeline(transaction=False)
        told = [_told(fields) for _, fields in page]
        for fields in told:
            pipe.execute_command("EXISTS", self._keys.pool(pool, names.REQUEST, fields.get("@id", "")))
        with reachable:
            there: list[Any] = pipe.execute()
        for (entry, _), fields, exists in zip(page, told, there, strict=True):
            yield BrokenStep(
                entry=f"{pool}/{entry.decode()}",
                pool=pool,
                review_id=f"{pool}.{fields.get('@id', '')}",
                decision_id=fields.get("decision", ""),
                event=fields.get("@event", ""),
                actor=fields.get("@actor", ""),
                why=fields.get(WHY, ""),
                request_gone=not exists and not fields.get("@request"),
                is_outcome="@request" in fields,
            )


def _id_in(step: BrokenStep) -> str:
    return step.entry.rpartition("/")[2]


def _told(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    """Anybody may have written it."""
    return {name.decode(errors="replace"): value.decode(errors="replace") for name, value in fields.items()}
