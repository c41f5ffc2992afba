"""The read model: each answer once, work apart from gold and sessions, memory bounded."""

from __future__ import annotations

import msgspec
import pytest

from app.domain import ledger as ledger_module
from app.domain.events import (
    Arm,
    LearningChanged,
    ObservationKind,
    ObservedOutcome,
    OverrideCategory,
    PatternDetected,
    ReviewDecided,
    ReviewKind,
    ScoreTally,
)
from app.domain.gold import beside
from app.domain.ledger import LedgerFold
from app.domain.overrides import feedback_for
from app.domain.quality import session_offers
from app.domain.quality.figures import SignalName
from app.domain.quality.session_figures import SessionItem, SessionKind
from app.domain.quality.sessions import Given, Opening, answered, opened, people_of
from app.domain.review import ReviewState
from tests.unit.domain import cases
from tests.unit.domain.test_evidence_chain import step

HOUR = cases.HOUR
PACKAGE = '{"available_actions":["approve","reject","request_info"],"text":"' + "word " * 100 + '"}'


class Desk:
    """People answer; the ledger hears of it."""

    def __init__(self, **options) -> None:
        self.ledger = LedgerFold(**options)
        self.count = 0

    def answer(
        self, who="ann", action="approve", *, kind=ReviewKind.REVIEW, arm=Arm.SHOWN, first=None,
        took=60_000, at=None, story=None, pool="expenses", **changes,
    ) -> ReviewDecided:  # fmt: skip
        self.count += 1
        at = cases.NOW + self.count if at is None else at
        story = story or cases.routed(cases.decision(0.8, decision_id=f"d{self.count}"))
        if story.route.arm is not Arm.GOLD:
            route = msgspec.structs.replace(story.route, arm=arm)
            story = msgspec.structs.replace(story, route=route)
        decided = cases.answered(
            story, action, kind=kind, reviewer=who, first_action=first, answer_id=f"a{self.count}",
            claimed_at=at - took, decided_at=at, **changes,
        )  # fmt: skip
        request = msgspec.structs.replace(decided.requested.request, package=PACKAGE, pool=pool)
        requested = msgspec.structs.replace(decided.requested, request=request)
        decided = ReviewDecided(requested=requested, answer=decided.answer)
        self.ledger.add(decided)
        return decided

    @property
    def seen(self):
        return self.ledger.snapshot()

    def person(self, name="ann"):
        return self.seen.reviewers[name]


def test_an_answer_counts_once_however_often_it_is_delivered():
    desk = Desk()
    decided = desk.answer("ann", "reject")
    desk.answer("ann", "approve")
    desk.ledger.add(decided)
    ann = desk.person()
    assert (ann.answered, ann.agreed, ann.overridden) == (2, 1, 1)
    assert desk.seen.pools["expenses"].answered == 2
    assert ann.types == {"expense.approval": 2}


def test_what_only_hands_the_work_on_is_no_answer():
    desk = Desk()
    desk.answer("ann", "request_info")
    assert desk.seen.reviewers == {}


def counted(desk, who="ann"):
    return desk.ledger.snapshot(caught_up=True).reviewers[who]


def test_counts_cover_thirty_days_also_of_somebody_who_has_not_answered_since():
    desk = Desk()
    for day in (0, 19):
        desk.answer("ann", at=cases.NOW + day * 24 * HOUR)
    desk.answer("bob", at=cases.NOW + 30 * 24 * HOUR)
    assert counted(desk).answered == 1, "day 0 is 30 days ago"
    assert [one.answered for one in counted(desk).days] == [1]
    desk.answer("bob", at=cases.NOW + 200 * 24 * HOUR)
    assert (counted(desk).answered, counted(desk).days) == (0, ())
    assert counted(desk, "bob").answered == 1


def test_a_snapshot_never_changes():
    desk = Desk()
    desk.answer()
    before = desk.seen
    kept = msgspec.json.encode(before)
    desk.answer()
    assert msgspec.json.encode(before) == kept
    assert before.reviewers["ann"].answered == 1


def test_an_override_has_its_category_from_its_reason_code():
    desk = Desk(terms=lambda: {"expense.approval": cases.TERMS})
    code = next(
        reason for reason in cases.TERMS.reason_codes if reason.category is OverrideCategory.EDGE_CASE
    )
    desk.answer(action="reject", reason_code=code.code)
    desk.answer(action="reject", reason_code="", category=None)
    assert desk.person().categories == {OverrideCategory.EDGE_CASE: 1, OverrideCategory.AI_ERROR: 1}


def test_blind_answers_are_measured_by_the_first_and_apart_from_shown_ones():
    desk = Desk()
    for n in range(20):
        desk.answer("ann", "approve", arm=Arm.BLIND, first="reject" if n < 8 else "approve")
        desk.answer("ann", "approve")
    ann = desk.person()
    assert (ann.anchoring.blind, ann.anchoring.blind_overrides) == (20, 8)
    assert (ann.anchoring.shown, ann.anchoring.shown_overrides) == (20, 0)
    assert ann.anchoring.gap == pytest.approx(0.4)
    assert ann.funnel.answers == 20, "a blind answer is no override"


def test_work_without_ai_content_is_counted_and_compared_with_nobody():
    desk = Desk()
    desk.answer(action="reject", kind=ReviewKind.HUMAN_ONLY)
    ann = desk.person()
    assert (ann.answered, ann.human_only, ann.anchoring.blind, ann.funnel) == (1, 1, 0, None)


def test_whoever_never_overrides_is_below_the_funnel():
    desk = Desk()
    for n in range(150):
        for who in ("ann", "bob", "cat", "dan"):
            desk.answer(who, "reject" if n % 4 == 0 else "approve")
        desk.answer("eve", "approve")
    plot = {dot.reviewer: dot for dot in desk.seen.funnel.points}
    assert [name for name, dot in plot.items() if dot.flagged] == ["eve"]
    assert plot["eve"].ratio < plot["eve"].lower
    signal = desk.person("eve").rubber_stamp.signals[0]
    assert (signal.name, signal.fired) == (SignalName.OVERRIDES, True)
    assert [dot.reviewer for dot in desk.seen.pools["expenses"].funnel.points if dot.flagged] == ["eve"]


def test_four_signals_make_a_rubber_stamp():
    desk = Desk()
    for n in range(150):
        for who in ("ann", "bob", "cat"):
            desk.answer(who, "reject" if n % 4 == 0 else "approve")
        desk.answer("eve", "approve", took=2000)
    for n in range(40):
        desk.answer("eve", "approve", arm=Arm.BLIND, first="reject" if n % 3 == 0 else "approve", took=2000)
    for _ in range(10):
        gold(desk, "eve", "approve")
    eve = desk.person("eve")
    assert [signal.fired for signal in eve.rubber_stamp.signals] == [True] * 4
    assert eve.rubber_stamp.stamped
    assert desk.seen.pools["expenses"].stamped == ("eve",)
    assert not desk.person("ann").rubber_stamp.stamped


# --- gold -----------------------------------------------------------------------------------------


def gold(desk, who, action, truth="reject"):
    """The AI recommended approve; the truth is something else."""
    past = cases.routed(cases.decision(0.8, decision_id=f"old-{desk.count}"))
    real = cases.routed(cases.decision(0.8, decision_id=f"exp-{desk.count}"))
    return desk.answer(who, action, kind=ReviewKind.GOLD, story=beside(past, truth, real, b"secret"))


def test_gold_is_measured_and_never_work():
    desk = Desk()
    gold(desk, "ann", "reject")
    gold(desk, "ann", "approve")
    for _ in range(2):
        gold(desk, "ann", "approve", truth="approve")
    assert desk.person().gold.wrong == 0, "a number that moves with each answer gives the case away"
    gold(desk, "ann", "reject", truth="approve")
    ann, pool = desk.person(), desk.seen.pools["expenses"]
    assert (ann.gold.wrong, ann.gold.caught, ann.gold.right, ann.gold.confirmed) == (2, 1, 3, 2)
    assert (ann.answered, ann.overridden, pool.answered, pool.handling.answers) == (0, 0, 0, 0)
    assert desk.seen.volumes == {}
    assert pool.gold.wrong == 2


def test_truths_are_told_a_burst_at_a_time():
    desk = Desk()
    for n in range(4):
        gold(desk, "ann", "reject" if n else "approve")
    assert desk.person().gold_feedback == ()
    gold(desk, "ann", "reject")
    told = desk.person().gold_feedback
    assert [one.right for one in told] == [True, True, True, True, False]
    gold(desk, "ann", "reject")
    assert len(desk.person().gold_feedback) == 5


# --- steps, volumes, the rest ---------------------------------------------------------------------


def test_steps_count_once_and_tell_who_has_what_in_hand():
    desk = Desk()
    claimed = step(1, "claimed", ReviewState.CLAIMED)
    for event in (claimed, claimed, step(2, "escalated", ReviewState.OPEN)):
        desk.ledger.add(event)
    assert desk.person().escalated == 1
    assert desk.person().in_hand == 0
    desk.ledger.add(step(1, "claimed", ReviewState.CLAIMED, review_id="expenses.2"))
    assert desk.person().in_hand == 1
    desk.ledger.add(step(2, "lease_expired", ReviewState.OPEN, review_id="expenses.2"))
    assert (desk.person().in_hand, desk.person().lapsed) == (0, 1)
    assert desk.seen.pools["expenses"].lapsed == 1


def test_a_claim_that_is_told_after_the_end_holds_nothing():
    desk = Desk()
    desk.ledger.add(step(3, "decided", ReviewState.DECIDED))
    desk.ledger.add(step(2, "claimed", ReviewState.CLAIMED))
    desk.ledger.add(step(2, "escalated", ReviewState.OPEN, review_id="expenses.2"))  # ann is known
    assert desk.person().in_hand == 0


def test_an_answer_after_the_deadline_is_late():
    desk = Desk()
    for number, (deadline, decided) in enumerate(((10, 5), (10, 11), (None, 11))):
        decided_step = step(1, "decided", ReviewState.DECIDED, review_id=f"expenses.{number}")
        state = msgspec.json.decode(decided_step.state)
        state |= {"decided_at": decided} | ({} if deadline is None else {"deadline": deadline})
        desk.ledger.add(msgspec.structs.replace(decided_step, state=msgspec.json.encode(state).decode()))
    pool = desk.seen.pools["expenses"]
    assert (pool.on_time, pool.late, desk.person().late) == (2, 1, 1)


def test_traffic_is_counted_by_type_and_hour_and_old_hours_go():
    desk = Desk()
    start = cases.NOW - cases.NOW % HOUR
    for hour, bins in ((0, [80, 10, 7, -1, 2, 0]), (0, [90, 5, 5]), (28 * 24, [80, 1, 0])):
        desk.ledger.add(
            ScoreTally(
                learning_key="expense.approval|m:1", epoch=0, bins=bins, policy_threshold=0.9,
                routed_at=start + hour * HOUR + 5,
            )
        )  # fmt: skip
        if hour == 0:
            found = desk.seen.volumes["expense.approval"]
    assert (found.routed, found.automated, found.automation_rate) == (17, 12, 12 / 17)
    assert [(one.hour, one.routed, one.automated) for one in found.hours] == [(start, 17, 12)]
    assert [one.routed for one in desk.seen.volumes["expense.approval"].hours] == [1]


def test_two_who_answer_alone_and_differ_make_a_case_for_a_session():
    desk = Desk()
    for n, (one, two) in enumerate((("approve", "approve"), ("approve", "reject"))):
        story = cases.routed(cases.decision(0.8, decision_id=f"pair-{n}"))
        desk.answer("ann", one, arm=Arm.SECOND_LOOK, story=story)
        desk.answer("bob", two, arm=Arm.SECOND_LOOK, story=story, kind=ReviewKind.SECOND_LOOK)
    assert desk.seen.pools["expenses"].agreement.observed == 0.5
    [case] = desk.seen.candidates
    assert (case.source, case.truth, case.answered) == ("disagreement", None, ("approve", "reject"))
    assert case.actions == ("approve", "reject")
    assert "ai_recommendation" not in case.package
    desk.ledger.add(
        ObservedOutcome(
            observation_id="o", decision_id="pair-1", kind=ObservationKind.GROUND_TRUTH,
            correct_action="reject", observed_at=1, source="", note="",
        )
    )  # fmt: skip
    assert desk.seen.candidates[0].truth == "reject"


def test_a_finding_that_was_not_confirmed_is_a_case_for_a_session_and_no_sample_of_agreement():
    """There is no third look: people who differ talk about the case."""
    desk = Desk()
    for n, two in enumerate(("reject", "approve")):
        story = cases.routed(cases.decision(0.97, decision_id=f"found-{n}"), cases.terms())
        drawn = {"level": 3, "action": None, "evidence": True, "evidence_probability": 1.0}
        route = msgspec.structs.replace(story.route, review_kinds=[ReviewKind.REVIEW], **drawn)
        story = msgspec.structs.replace(story, route=route)
        desk.answer("ann", "reject", arm=Arm.BLIND, story=story)
        desk.answer("bob", two, arm=Arm.BLIND, story=story, kind=ReviewKind.SECOND_LOOK)
    [case] = desk.seen.candidates
    assert (case.source, case.answered) == ("disagreement", ("reject", "approve"))
    assert desk.seen.pools["expenses"].agreement is None


def test_a_teaching_example_is_a_case_with_its_answer_as_truth():
    desk = Desk()
    desk.answer(action="reject", tags=["teaching_example"])
    [case] = desk.seen.candidates
    assert (case.source, case.truth) == ("teaching_example", "reject")
    routed = cases.routed(cases.decision(0.8))
    asked = cases.answered(routed).requested.request
    decision = routed.scored.decision
    assert (case.pool, *people_of(case)) == (asked.pool, decision.subject, decision.submitted_by)


def test_a_case_whose_key_is_gone_is_neither_offered_nor_shown():
    desk = Desk()
    desk.answer(action="reject", tags=["teaching_example"])
    for n, key in ((2, "aa"), (3, "bb")):
        story = cases.routed(cases.decision(0.8, decision_id=f"d{n}"))
        told = cases.answered(story, "reject", answer_id=f"a{n}", tags=["teaching_example"])
        desk.ledger.add(told, key)
    assert desk.ledger.keys() == {"aa", "bb"}
    items = desk.seen.candidates
    items = tuple(msgspec.structs.replace(item, actions=("a", "b")) for item in items)
    opening = Opening(kind=SessionKind.CALIBRATION, title="t", invited=("ann", "bob"), items=items)
    desk.ledger.add(opened("s", opening, "lee", 1))
    for item in items:
        given = Given(item_id=item.item_id, action="a", reasoning="because")
        desk.ledger.add(answered(desk.ledger.sessions.get("s"), given, "ann", 2))
    desk.ledger.forget({"aa"})
    assert [case.key_id for case in desk.seen.candidates] == ["bb", ""]
    [session] = desk.seen.sessions.values()
    assert [case.key_id for case in session.items] == ["bb", ""]
    assert {one.item_id for one in session.answers} == {case.item_id for case in session.items}
    desk.ledger.forget({"bb", ""})
    assert desk.seen.sessions["s"].items == ()


def test_patterns_are_shown_newest_first():
    desk = Desk()
    for n in (1, 2):
        desk.ledger.add(
            PatternDetected(
                pattern_id=f"p{n}", pattern="high_override", learning_key="t|m:1", segment="t", value=0.4,
                limit=0.3, count=60, text="...", action="...", detected_at=n,
            )
        )  # fmt: skip
    assert [(one.pattern_id, one.decision_type) for one in desk.seen.patterns] == [("p2", "t"), ("p1", "t")]


def test_a_session_counts_for_the_person_and_not_as_work():
    desk = Desk()
    item = SessionItem(item_id="i", decision_type="t", package="{}", actions=("a", "b"))
    opening = Opening(kind=SessionKind.CALIBRATION, title="t", invited=("ann", "bob"), items=(item,))
    desk.ledger.add(opened("s", opening, "lee", 1))
    desk.ledger.add(answered(desk.ledger.sessions.get("s"), Given(item_id="i", action="a"), "ann", 2))
    assert (desk.person().sessions, desk.person().answered) == (1, 0)
    assert list(desk.seen.sessions) == ["s"]


def test_memory_is_bounded(monkeypatch):
    for name in ("MOST_PEOPLE", "MOST_SEEN", "MOST_WAITING", "MOST_PATTERNS"):
        monkeypatch.setattr(ledger_module, name, 10)
    monkeypatch.setattr(session_offers, "MOST", 10)
    desk = Desk()
    for n in range(200):
        desk.answer(f"r{n}", "reject", tags=["teaching_example"], arm=Arm.SECOND_LOOK)
        desk.ledger.add(step(1, "claimed", ReviewState.CLAIMED, review_id=f"expenses.{n}", actor=f"r{n}"))
    fold = desk.ledger
    offered = desk.seen.candidates
    sizes = [len(fold._people), len(fold._seen), len(offered), len(fold._waiting), len(fold._held)]
    assert sizes == [10] * 5


def test_days_that_are_over_a_month_old_go():
    desk = Desk()
    for day in range(45):
        desk.answer(at=cases.NOW + day * cases.DAY)
    ann = desk.person()
    assert (ann.answered, len(ann.days), ann.today) == (30, 30, 1)


# --- coaching ---------------------------------------------------------------------------------------


def coaching(note="note", sink="coaching", who="ann"):
    told = cases.answered(
        cases.routed(cases.decision(0.8)), "reject", category=OverrideCategory.HUMAN_ERROR, reviewer=who
    )
    [(_, feedback)] = feedback_for(told, cases.TERMS)
    return msgspec.structs.replace(feedback, feedback_id=note, sink=sink)


def closed(note="note"):
    return LearningChanged(
        item_id=note, sink="coaching", decision_type="x", state="closed", assignee="", result="done",
        actor="cleo", at=cases.NOW,
    )  # fmt: skip


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_open_notes_are_with_their_person_until_they_are_closed(order):
    ledger = LedgerFold()
    events = [coaching("one"), coaching("two"), closed("one")]
    for i in order:
        ledger.add(events[i])
    notes = ledger.snapshot().coaching
    assert {name: [note.item_id for note in told] for name, told in notes.items()} == {"ann": ["two"]}


def test_only_coaching_is_a_note():
    ledger = LedgerFold()
    ledger.add(coaching(sink="training_examples"))
    assert ledger.snapshot().coaching == {}
