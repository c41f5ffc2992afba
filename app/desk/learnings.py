"""The one way in for what people do about learnings, whatever the entry (docs/learning.md)."""

from __future__ import annotations

from collections.abc import Callable

from app.desk.errors import (
    IncompleteAnswerError,
    LearningConflictError,
    NotAllowedError,
    UnknownLearningError,
)
from app.domain.authority import Denial
from app.domain.events import LearningChanged
from app.domain.governance import ItemDeed, ItemMatter, item_refused
from app.domain.learnings import WORK, Item, ItemState, Learnings
from app.domain.overrides import COACHING
from app.domain.people import Profile
from app.policy.compiled import CompiledPolicy


class LearningDesk:
    """``known`` holds every item, ``write`` stores a step and makes it known; ``clock`` gives ms UTC."""

    def __init__(
        self,
        known: Learnings,
        write: Callable[[LearningChanged], None],
        policy: Callable[[], CompiledPolicy],
        clock: Callable[[], int],
    ) -> None:
        self._known = known
        self._write = write
        self._policy = policy
        self._clock = clock

    def list(
        self,
        who: Profile,
        *,
        sinks: frozenset[str] = WORK,
        decision_type: str | None = None,
        closed: bool = False,
    ) -> list[Item]:
        """The items that this person may see. What a type learns from others comes as evidence, read only."""
        sharing = {name: terms.learnings_from for name, terms in self._policy().terms.items()}
        found = self._known.items(
            sinks=sinks, decision_type=decision_type, learns_from=sharing, closed=closed
        )
        return [item for item in found if self._may_look(who, item, decision_type)]

    def show(self, who: Profile, item_id: str) -> Item:
        """One item. Raises ``UnknownLearningError``, also for one that this person may not see."""
        item = self._known.get(item_id)
        if item is None or self._refused(who, ItemDeed.LOOK, item) is not None:
            raise UnknownLearningError(item_id)
        return item

    def assign(self, who: Profile, item_id: str, to: str) -> Item:
        """Give an item to somebody."""
        item = self._open(who, item_id, ItemDeed.ASSIGN)
        if self._policy().directory.find(to) is None:
            raise IncompleteAnswerError(
                {"to": Denial("unknown_person", f"nobody called '{to}' is in the policy")}
            )
        return self._step(who, item, ItemState.ASSIGNED, to, "")

    def close(self, who: Profile, item_id: str, result: str) -> Item:
        """Close an item with what came of it."""
        item = self._open(who, item_id, ItemDeed.CLOSE)
        if not result.strip():
            raise IncompleteAnswerError(
                {"result": Denial("missing", "say what came of it", "others read it")}
            )
        return self._step(who, item, ItemState.CLOSED, item.assignee, result.strip())

    def settle(self, who: Profile, item_id: str, result: str) -> Item:
        """Close a draft that became a proposal of ``who``: the authority was asked for the rule itself."""
        return self._step(who, self.show(who, item_id), ItemState.CLOSED, who.name, result)

    def _open(self, who: Profile, item_id: str, deed: ItemDeed) -> Item:
        item = self.show(who, item_id)
        denial = self._refused(who, deed, item)
        if denial is not None:
            raise NotAllowedError(denial)
        if item.state is ItemState.CLOSED:
            raise LearningConflictError(item_id, item.step.actor if item.step else "")
        return item

    def _step(self, who: Profile, item: Item, state: ItemState, assignee: str, result: str) -> Item:
        event = LearningChanged(
            item_id=item.feedback.feedback_id,
            sink=item.feedback.sink,
            decision_type=item.feedback.decision_type,
            state=state.value,
            assignee=assignee,
            result=result,
            actor=who.name,
            at=self._clock(),
        )
        self._write(event)
        self._known.add(event)
        return self.show(who, item.feedback.feedback_id)

    def _may_look(self, who: Profile, item: Item, decision_type: str | None) -> bool:
        """What is learned from another type is read by whoever reads the own type's, but no coaching."""
        if self._refused(who, ItemDeed.LOOK, item) is None:
            return True
        if not item.learned_from or decision_type is None or item.feedback.sink == COACHING:
            return False
        as_own = ItemMatter(sink=item.feedback.sink, pool=self._pool(decision_type), about="")
        return item_refused(self._policy().directory, who, ItemDeed.LOOK, as_own) is None

    def _refused(self, who: Profile, deed: ItemDeed, item: Item) -> Denial | None:
        feedback = item.feedback
        matter = ItemMatter(
            sink=feedback.sink,
            pool=self._pool(feedback.decision_type),
            about=feedback.reviewer,
            assignee=item.assignee,
        )
        return item_refused(self._policy().directory, who, deed, matter)

    def _pool(self, decision_type: str) -> str:
        terms = self._policy().terms.get(decision_type)
        return terms.pool if terms else ""
