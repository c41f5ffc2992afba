"""Past cases that are good for a session: disagreements, teaching examples, known errors."""

from __future__ import annotations

from collections.abc import Container, Sequence

import msgspec

from app.domain.events import ObservedOutcome, ReviewDecided
from app.domain.quality.latest import Latest
from app.domain.quality.session_figures import SessionItem
from app.domain.quality.sessions import item_id_of, item_of
from app.domain.resolution import HAND_ONS

MOST = 60
"""Cases on offer; the newest stay."""


class SessionOffers:
    """What leads choose from when they open a session."""

    def __init__(self) -> None:
        self._items: Latest[str, SessionItem] = Latest(MOST)

    def add(
        self,
        decided: ReviewDecided,
        source: str,
        truth: str | None,
        answered: tuple[str, ...] = (),
        *,
        under: str = "",
    ) -> None:
        """Offer an answered case, with its ``truth`` where it is known and what people had ``answered``;
        ``under`` names the key with which it goes."""
        item = item_of(decided, _actions(decided.requested.request.package), source, truth)
        item = msgspec.structs.replace(item, answered=answered or item.answered, key_id=under)
        self._items.put(item.item_id, item)

    def forget(self, gone: Container[str]) -> None:
        """Drop the cases of keys that are gone."""
        for item in self.figures():
            if item.key_id in gone:
                del self._items[item.item_id]

    def observed(self, outcome: ObservedOutcome) -> None:
        """A later truth about a case that is on offer."""
        item_id = item_id_of(outcome.decision_id)
        item = self._items.get(item_id)
        if item is not None and outcome.correct_action is not None:
            self._items[item_id] = msgspec.structs.replace(
                item, truth=outcome.correct_action, source="ground_truth"
            )

    def figures(self) -> tuple[SessionItem, ...]:
        """Newest first."""
        return tuple(reversed(self._items.values()))


def _actions(package: str) -> Sequence[str]:
    try:
        found = msgspec.json.decode(package, type=_Actions).available_actions
    except msgspec.MsgspecError:
        return ()
    return [action for action in found if action not in HAND_ONS]


class _Actions(msgspec.Struct):
    available_actions: list[str] = []
