"""Feedback that waits for somebody: the oldest open item of each type."""

from __future__ import annotations

import msgspec

from app.domain.events import LearningChanged
from app.domain.overrides import COACHING, RULES, TRAINING, feedback_for
from app.domain.pending_feedback import PendingFeedback
from tests.unit.domain import cases

NOW = cases.NOW


def feedback(name: str, sink: str = RULES, at: int = NOW):
    [(_, event), *_] = feedback_for(cases.answered(cases.routed(cases.decision(0.8)), "reject"), cases.TERMS)
    return msgspec.structs.replace(event, feedback_id=name, sink=sink, decided_at=at)


def closed(name: str, state: str = "closed") -> LearningChanged:
    return LearningChanged(
        item_id=name, sink=RULES, decision_type="t", state=state, assignee="", result="", actor="ann", at=NOW
    )


def oldest(*events) -> dict[str, int]:
    found = PendingFeedback()
    for event in events:
        found.add(event)
    return found.oldest()


def test_the_oldest_open_item_counts():
    assert oldest(feedback("a", at=NOW), feedback("b", COACHING, at=NOW - 5)) == {"expense.approval": NOW - 5}


def test_training_examples_need_nobody():
    assert oldest(feedback("a", TRAINING)) == {}


def test_closed_items_are_gone_whichever_topic_was_read_first():
    assert oldest(feedback("a"), closed("a")) == {}
    assert oldest(closed("a"), feedback("a")) == {}
    assert oldest(feedback("a"), closed("a", "assigned")) == {"expense.approval": NOW}
