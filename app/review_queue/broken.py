"""Steps that the relay put aside: which they are, and the way back into the outbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from app.domain.review import locate
from app.review_queue import keys as names
from app.review_queue.keys import Keys
from app.review_queue.store import Client, reachable

ENTRY = "@entry"
WHY = "@why"
"""Fields that an entry has only while it is put aside."""

_PAGE = 100
_REQUEST_SECONDS = 86_400  # as long as a request that was brought back waits for the relay


class BrokenStep(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``outbox:broken``. ``entry`` is its id there; ``why`` in words; ``request_gone``: the
    review's request is no longer in the store, and it names the key under which the step is encrypted."""

    entry: str
    pool: str
    review_id: str
    decision_id: str
    event: str
    actor: str
    why: str
    request_gone: bool


class BrokenSteps:
    """Those of some pools. Each call is O(entries put aside); there should be none."""

    def __init__(self, client: Client, keys: Keys, pools: Sequence[str]) -> None:
        self._client = client
        self._keys = keys
        self._pools = pools

    def __iter__(self) -> Iterator[BrokenStep]:
        """Pool by pool, oldest first. Raises ``StoreUnavailableError``."""
        for pool in self._pools:
            since = "-"
            while page := self._page(pool, since):
                yield from self._steps(pool, page)
                since = f"({page[-1][0].decode()}"

    def put_back(self, step: BrokenStep, request: bytes | None = None) -> bool:
        """Into the outbox, as if it had been written now, and with its request where that is gone; all or
        nothing. Whether it was still there. A repeat is recognised by its id further on."""
        broken = self._keys.pool(step.pool, names.BROKEN)
        with reachable:
            found = self._client.execute_command("XRANGE", broken, step.entry, step.entry)
            if not found:
                return False
            fields = {k: v for k, v in found[0][1].items() if k not in (ENTRY.encode(), WHY.encode())}
            flat = [part for pair in fields.items() for part in pair]
            pipe = self._client.pipeline(transaction=True)
            if request is not None:
                name = self._keys.pool(step.pool, names.REQUEST, locate(step.review_id)[1])
                pipe.execute_command("SET", name, request, "NX", "EX", _REQUEST_SECONDS)
            pipe.execute_command("XADD", self._keys.pool(step.pool, names.OUTBOX), "*", *flat)
            pipe.execute_command("XDEL", broken, step.entry)
            pipe.execute()
        return True

    def discard(self, step: BrokenStep) -> bool:
        """For ever: Kafka never hears of it. Whether it was still there."""
        with reachable:
            gone = self._client.execute_command("XDEL", self._keys.pool(step.pool, names.BROKEN), step.entry)
        return bool(gone)

    def _page(self, pool: str, since: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        with reachable:
            found: list[tuple[bytes, dict[bytes, bytes]]] = self._client.execute_command(
                "XRANGE", self._keys.pool(pool, names.BROKEN), since, "+", "COUNT", _PAGE
            )
        return found

    def _steps(self, pool: str, page: Sequence[tuple[bytes, dict[bytes, bytes]]]) -> Iterator[BrokenStep]:
        pipe = self._client.pipeline(transaction=False)
        for _, fields in page:
            name = fields.get(b"@id", b"").decode(errors="replace")
            pipe.execute_command("EXISTS", self._keys.pool(pool, names.REQUEST, name))
        with reachable:
            there: list[Any] = pipe.execute()
        for (entry, fields), exists in zip(page, there, strict=True):
            told = {name.decode(): value.decode(errors="replace") for name, value in fields.items()}
            yield BrokenStep(
                entry=entry.decode(),
                pool=pool,
                review_id=f"{pool}.{told.get('@id', '')}",
                decision_id=told.get("decision", ""),
                event=told.get("@event", ""),
                actor=told.get("@actor", ""),
                why=told.get(WHY, ""),
                request_gone=not exists and "@request" not in told,
            )
