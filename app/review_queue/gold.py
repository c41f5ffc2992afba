"""Items with known truth in the store: for each decision type a ring that goes round and round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from app.domain.gold import GoldItem
from app.review_queue import keys as names
from app.review_queue.keys import Keys
from app.review_queue.store import Client, reachable

MOST = 500
"""Items of one type. More would only make each come back less often."""

_pack = msgspec.msgpack.Encoder().encode
_item = msgspec.msgpack.Decoder(GoldItem)


class GoldStore:
    """Rings of items. They are a copy: ``hitl gold collect`` makes them from the log again."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def next(self, types: Sequence[str]) -> list[GoldItem | None]:
        """For each decision type asked for, the item that was not shown for longest; ``None`` where there
        is none. One round trip; what was handed out goes to the end of its ring."""
        if not types:
            return []
        pipe = self._client.pipeline(transaction=False)
        for name in types:
            ring = self._keys.gold(names.RING, name)
            pipe.execute_command("LMOVE", ring, ring, "LEFT", "RIGHT")
        with reachable:
            found = pipe.execute()
        return [_item.decode(raw) if raw else None for raw in found]

    def add(self, items: Sequence[GoldItem]) -> int:
        """Put items at the ends of their rings, each once; how many were new. The first ``MOST`` of a type
        are taken; those that are there for longest make room for them. Two round trips for each type."""
        by_type: dict[str, dict[str, GoldItem]] = {}
        for item in items:
            by_type.setdefault(item.decision_type, {}).setdefault(item.item_id, item)
        return sum(self._add(name, offered) for name, offered in by_type.items())

    def _add(self, decision_type: str, offered: dict[str, GoldItem]) -> int:
        known = [item.item_id for item in self.items(decision_type)]
        new = [item for item_id, item in offered.items() if item_id not in known][:MOST]
        if not new:
            return 0
        ring = self._keys.gold(names.RING, decision_type)
        pipe = self._client.pipeline(transaction=True)
        pipe.execute_command("RPUSH", ring, *map(_pack, new))
        pipe.execute_command("LTRIM", ring, -MOST, -1)
        with reachable:
            pipe.execute()
        return len(new)

    def drop(self, decision_type: str, item_id: str) -> bool:
        """Take an item out; whether it was there."""
        ring = self._keys.gold(names.RING, decision_type)
        with reachable:
            for raw in self._client.execute_command("LRANGE", ring, 0, -1):
                if _item.decode(raw).item_id == item_id:
                    return bool(self._client.execute_command("LREM", ring, 1, raw))
        return False

    def items(self, decision_type: str) -> Iterator[GoldItem]:
        """The ring of a type, the next one first."""
        ring = self._keys.gold(names.RING, decision_type)
        with reachable:
            found = self._client.execute_command("LRANGE", ring, 0, -1)
        yield from map(_item.decode, found)
