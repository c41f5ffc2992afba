"""Items with known truth beside real work, where routing drew that one is due."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import structlog

from app.agents.store import ask_store
from app.domain.events import DecisionRouted
from app.domain.gold import GoldItem, beside, due
from app.policy.compiled import CompiledPolicy
from app.review_queue.gold import GoldStore
from app.stream.codec import Codec
from app.stream.envelope import key_id_of
from app.stream.errors import DecodeError
from app.stream.records import Incoming

log = structlog.get_logger("hitl.gold")


class Beside(msgspec.Struct, frozen=True):
    """An item as it comes back, with the record that causes its review."""

    record: Incoming
    routed: DecisionRouted
    original: str
    """The id of the past decision. In no record: whoever reads it there, or meets the case among those before
    it, knows the item for what it is."""


class GoldItems:
    """Takes items from the store. ``secret`` keys their ids: whoever lacks it can not tell them."""

    def __init__(self, codec: Codec, store: GoldStore, secret: bytes) -> None:
        self._codec = codec
        self._store = store
        self._secret = secret

    async def beside(
        self, routed: Sequence[tuple[Incoming, DecisionRouted]], policy: CompiledPolicy
    ) -> list[Beside]:
        """An item for each decision beside which one is due, as a record that causes a review. Nothing
        where the store has none of the type, or the item no longer fits the policy."""
        reals = [(record, real) for record, real in routed if due(real)]
        types = [real.scored.decision.decision_type for _, real in reals]
        items = await ask_store(self._store.next, types)
        found = []
        for (record, real), item in zip(reals, items, strict=True):
            if item is None or item.truth not in policy.terms[item.decision_type].actions:
                continue
            past = self._read(item)
            if past is None or _id_of(past) == _id_of(real):
                continue
            known = beside(past, item.truth, real, self._secret)
            value = self._codec.encode(known, key_id_of(item.record))
            found.append(Beside(msgspec.structs.replace(record, value=value), known, _id_of(past)))
        return found

    def _read(self, item: GoldItem) -> DecisionRouted | None:
        try:
            return self._codec.decode_as(item.record, DecisionRouted)
        except DecodeError as error:
            log.warning("an item with known truth can not be read", item=item.item_id, error=str(error))
            return None


def _id_of(routed: DecisionRouted) -> str:
    return routed.scored.decision.decision_id
