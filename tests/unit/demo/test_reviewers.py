"""Simulated reviewers: as good as stated, the same for the same seed, never dependent on order."""

import pytest
from msgspec.structs import replace

from app.demo.reviewers import OTHER, PROFILES, Profile, Shown, reply, stated
from app.domain.events import OverrideCategory
from app.domain.terms import ReasonCode

CODES = (
    ReasonCode(code="agrees", text="right", category=None),
    ReasonCode(code="facts_misread", text="misread", category=OverrideCategory.AI_ERROR),
    ReasonCode(code="special_case", text="special", category=OverrideCategory.EDGE_CASE),
)
ANA: Profile = PROFILES[0]
CHLOE: Profile = PROFILES[2]


def shown(n, recommendation="approve", revealed=None):
    return Shown(
        decision_id=f"d-{n}",
        recommendation=recommendation,
        revealed=revealed,
        facts={"payment_to_income": 0.6, "loan_to_value": 0.5, "public_bad_credit": False},
        reason_codes=CODES,
    )


def answers(profile, *, truth, count=4000, seed=7, **what):
    return [reply(profile, shown(n, **what), advised="approve", truth=truth, seed=seed) for n in range(count)]


def share(replies, action):
    return sum(r.action == action for r in replies) / len(replies)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
def test_errors_of_the_ai_are_caught_as_often_as_stated_when_it_is_hidden(profile):
    caught = share(answers(profile, truth="reject", recommendation=None), "reject")
    assert caught == pytest.approx(profile.sensitivity, abs=0.02)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
def test_anchoring_costs_its_stated_share_of_catches_when_the_recommendation_is_shown(profile):
    caught = share(answers(profile, truth="reject"), "reject")
    assert caught == pytest.approx(profile.sensitivity * (1 - profile.anchoring), abs=0.025)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
def test_right_answers_are_wrongly_changed_as_often_as_stated(profile):
    assert share(answers(profile, truth="approve"), "reject") == pytest.approx(
        profile.false_override, abs=0.01
    )


def test_a_blind_review_keeps_the_first_answer_and_may_revise_it():
    blind = answers(CHLOE, truth="reject", recommendation=None, revealed="approve")
    caught_first = [r for r in blind if r.first_action == "reject"]
    assert len(caught_first) / len(blind) == pytest.approx(CHLOE.sensitivity, abs=0.02)
    given_up = sum(r.action == "approve" for r in caught_first) / len(caught_first)
    assert given_up == pytest.approx(CHLOE.anchoring, abs=0.03)
    assert all(r.first_action is None for r in answers(CHLOE, truth="reject", count=5))


def test_answers_do_not_depend_on_order_and_change_with_the_seed():
    forwards = [reply(ANA, shown(n), advised="approve", truth="reject", seed=7) for n in range(50)]
    backwards = [reply(ANA, shown(n), advised="approve", truth="reject", seed=7) for n in reversed(range(50))]
    assert forwards == backwards[::-1]
    assert forwards != [reply(ANA, shown(n), advised="approve", truth="reject", seed=8) for n in range(50)]


def test_every_answer_has_reasoning_and_every_change_a_reason_with_its_category():
    for r in answers(CHLOE, truth="reject", count=500):
        assert r.reasoning.startswith(f"I {r.action}: ")
        assert r.handling > 0
        if r.action == "approve":
            assert (r.reason_code, r.category) == ("agrees", None)
        else:
            assert r.category is not None
            assert r.reason_code in {"facts_misread", "special_case", OTHER}
            assert bool(r.note) == (r.reason_code == OTHER)


def test_the_decisive_fact_fits_the_action():
    rejects = answers(replace(ANA, sensitivity=1.0, anchoring=0.0), truth="reject", count=1)
    assert "all debt payments are 60% of income" in rejects[0].reasoning


def test_a_reviewer_without_any_fact_still_says_so():
    bare = replace(shown(1), facts={})
    assert "too little is known" in reply(ANA, bare, advised="approve", truth="approve", seed=7).reasoning


def test_stated_numbers_name_everyone():
    assert [line.split(",")[0] for line in stated()] == [p.name for p in PROFILES]
