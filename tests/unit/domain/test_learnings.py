"""Work items of the four sinks: who has one, what came of it, whatever the order of events."""

from __future__ import annotations

from itertools import permutations

import msgspec
import pytest

from app.desk.errors import (
    IncompleteAnswerError,
    LearningConflictError,
    NotAllowedError,
    UnknownLearningError,
)
from app.desk.learnings import LearningDesk
from app.domain.events import LearningChanged, OverrideCategory
from app.domain.learnings import ItemState, Learnings
from app.domain.overrides import feedback_for
from app.domain.people import Directory, Profile
from tests.unit.domain.cases import NOW, TERMS, answered, decision, routed

TYPE = TERMS.decision_type
ANN = Profile(name="ann", supervises=frozenset({TERMS.pool}))
BEN = Profile(name="ben", pools=frozenset({TERMS.pool}))
CAT = Profile(name="cat", pools=frozenset({"elsewhere"}))
DAN = Profile(name="dan", supervises=frozenset({"elsewhere"}))
PEOPLE = Directory({one.name: one for one in (ANN, BEN, CAT, DAN)}, frozenset({TERMS.pool, "elsewhere"}))


def feedback(category=OverrideCategory.EDGE_CASE, **changes):
    told = answered(routed(decision(0.8)), "reject", category=category, reviewer="ben")
    return msgspec.structs.replace(feedback_for(told, TERMS)[0][1], **changes)


def step(item, state="closed", at=NOW):
    return LearningChanged(
        item_id=item.feedback_id, sink=item.sink, decision_type=TYPE, state=state, assignee="", result="x",
        actor="ann", at=at,
    )  # fmt: skip


class Policy(msgspec.Struct):
    directory: Directory = PEOPLE
    terms: dict[str, object] = msgspec.field(
        default_factory=lambda: {
            TYPE: TERMS,
            "loan.approval": msgspec.structs.replace(
                TERMS, decision_type="loan.approval", pool="elsewhere", learnings_from=(TYPE,)
            ),
        }
    )


@pytest.fixture
def written():
    return []


@pytest.fixture
def known():
    book = Learnings()
    book.add(feedback())
    book.add(feedback(OverrideCategory.HUMAN_ERROR, feedback_id="note"))
    return book


@pytest.fixture
def desk(known, written):
    return LearningDesk(known, written.append, Policy, lambda: NOW)


def test_where_an_item_stands_does_not_depend_on_the_order_of_events():
    one = feedback()
    steps = [one, step(one, "assigned", NOW), step(one, "closed", NOW + 1), step(one, "assigned", NOW + 2)]
    for order in permutations(steps):
        book = Learnings()
        for event in [*order, *order]:
            book.add(event)
        assert book.get(one.feedback_id).state is ItemState.CLOSED


def test_a_lead_assigns_and_whoever_has_it_closes_it(desk, written, known):
    item = feedback().feedback_id
    assert desk.assign(ANN, item, "ben").assignee == "ben"
    closed = desk.close(BEN, item, "the rule is written")
    assert (closed.state, closed.step.result, closed.step.actor) == (
        ItemState.CLOSED,
        "the rule is written",
        "ben",
    )
    assert [one.state for one in written] == ["assigned", "closed"]
    with pytest.raises(LearningConflictError, match="closed by ben"):
        desk.close(ANN, item, "again")
    assert item not in [one.feedback.feedback_id for one in desk.list(ANN)]
    assert item in [one.feedback.feedback_id for one in desk.list(ANN, closed=True)]


def test_what_is_wrong_is_said_before_anything_is_written(desk, written):
    item = feedback().feedback_id
    with pytest.raises(NotAllowedError):
        desk.assign(BEN, item, "ben")
    with pytest.raises(IncompleteAnswerError, match="nobody called 'zoe'"):
        desk.assign(ANN, item, "zoe")
    with pytest.raises(IncompleteAnswerError, match="what came of it"):
        desk.close(ANN, item, " ")
    with pytest.raises(UnknownLearningError):
        desk.show(CAT, item)
    assert written == []


def test_coaching_is_seen_by_its_person_and_the_lead_only(desk):
    assert desk.show(BEN, "note").feedback.sink == "coaching"
    assert desk.show(ANN, "note")
    with pytest.raises(UnknownLearningError):
        desk.show(CAT, "note")


def test_a_type_sees_what_another_learned_as_evidence_to_read(desk):
    """`learnings_from` shows; it lets nobody change anything, and no coaching crosses over."""
    for who in (CAT, DAN):
        [shared] = desk.list(who, decision_type="loan.approval")
    assert (shared.learned_from, shared.feedback.sink) == (TYPE, "exception_rules")
    with pytest.raises(UnknownLearningError):
        desk.close(CAT, shared.feedback.feedback_id, "mine now")
    assert desk.list(CAT, decision_type=TYPE) == []
