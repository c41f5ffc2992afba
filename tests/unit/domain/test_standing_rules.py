"""Standing rules: who is in force, what they may touch, and that they do only what two people agreed on."""

from __future__ import annotations

import itertools
import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.events import (
    ConsequenceClass,
    DecisionRouted,
    DecisionScored,
    ReviewKind,
    RuleChange,
    RuleChanged,
    RuleKind,
    StandingRule,
)
from app.domain.evidence import reviewed_probability
from app.domain.labels import label_for
from app.domain.routing import eligible, route
from app.domain.rule_trial import RecentAnswers, tried
from app.domain.standing_rules import (
    AUTO_APPROVED,
    EXCEPTION,
    NO_RULES,
    RulesInForce,
    RuleState,
    SpotChecks,
    Standing,
    approved_rule,
    auto_approved_by,
    record_key,
    suspicion,
)
from app.domain.thresholds import SUSPENDED
from tests.unit.domain.cases import (
    DAY,
    HOUR,
    NEVER_DRAWN,
    NOW,
    SIGNALS,
    answered,
    assessed,
    decision,
    quiet,
    rule,
    terms,
    with_rules,
)
from tests.unit.domain.test_routing import situations

AMOUNT = terms(amount_fact="amount")


def a_rule(**changes):
    given = {
        "rule_id": "r-1",
        "kind": RuleKind.AUTO_APPROVE,
        "decision_type": "expense.approval",
        "condition": "true",
        "action": "approve",
        "max_class": ConsequenceClass.LOW,
        "max_amount": None,
        "min_level": 2,
        "pool": None,
        "reason": "small train tickets are always right",
        "source_review": None,
        "proposed_by": "ana",
        "proposed_at": NOW - 2 * HOUR,
        "expires_at": NOW + 10 * DAY,
    }
    return StandingRule(**{**given, **changes})


def an_exception(min_level=4, **changes):
    return a_rule(kind=RuleKind.EXCEPTION, action="", min_level=min_level, **changes)


def changed(change, by="ben", rule=None, at=NOW - HOUR, reason="", excluded=()):
    return RuleChanged(
        rule=rule or a_rule(), change=change, actor=by, at=at, reason=reason, excluded=list(excluded)
    )


def life(*events):
    standing = Standing()
    for event in events:
        standing = standing.noted(event)
    return standing


def approved(rule=None, by="ben", **changes):
    rule = rule or a_rule(**changes)
    return approved_rule(
        life(changed(RuleChange.PROPOSED, "ana", rule), changed(RuleChange.APPROVED, by, rule))
    )


def in_force(*rules, answers=None):
    return RulesInForce(tuple(rules), lambda _context: list(answers or [True] * len(rules)))


def routed(submitted, given_terms=AMOUNT, standing=NO_RULES, thresholds=None, drawn=NEVER_DRAWN):
    assessment, context = assessed(submitted, given_terms)
    taken = route(
        submitted, assessment, context, given_terms, thresholds or quiet(given_terms), drawn, standing
    )
    return DecisionRouted(scored=DecisionScored(decision=submitted, assessment=assessment), route=taken)


def steps(story):
    return [(reason.step, reason.code) for reason in story.route.reasons]


# --- the life of a rule ---------------------------------------------------------------------------


def test_a_rule_is_in_force_from_its_approval_to_its_end():
    proposed, agreed = changed(RuleChange.PROPOSED, "ana"), changed(RuleChange.APPROVED)
    assert approved_rule(life(proposed)) is None
    assert life(proposed).state(NOW) is RuleState.PROPOSED
    assert approved_rule(life(proposed, agreed)).approved_by == "ben"
    assert life(proposed, agreed).state(NOW) is RuleState.ACTIVE
    assert life(proposed, agreed).state(NOW + 10 * DAY) is RuleState.EXPIRED
    for end in (RuleChange.REVOKED, RuleChange.SUSPENDED, RuleChange.EXPIRED, RuleChange.REJECTED):
        over = life(proposed, agreed, changed(end, "cleo"))
        assert approved_rule(over) is None
        assert over.state(NOW).value == end.value


@given(st.permutations([RuleChange.PROPOSED, RuleChange.APPROVED, RuleChange.REVOKED]))
def test_an_end_counts_in_whatever_order_it_is_heard(order):
    assert approved_rule(life(*(changed(change) for change in order))) is None


def test_ends_share_a_key_so_that_compaction_keeps_one():
    keys = {record_key(changed(change)) for change in RuleChange}
    assert keys == {"r-1/proposed", "r-1/approved", "r-1/ended"}


def test_the_first_reason_of_an_end_stands():
    over = life(changed(RuleChange.REVOKED, reason="wrong"), changed(RuleChange.SUSPENDED, "hitl"))
    assert (over.ended.actor, over.ended.reason) == ("ben", "wrong")


def test_nobody_approves_the_own_rule_whatever_the_topic_says():
    alone = life(changed(RuleChange.PROPOSED, "ana"), changed(RuleChange.APPROVED, "ana"))
    assert approved_rule(alone) is None


# --- what an auto-approve rule does ---------------------------------------------------------------


def test_what_a_person_would_have_approved_runs_at_level_two_with_both_names():
    assert routed(decision(0.8)).route.level == 3
    story = routed(decision(0.8), standing=in_force(approved()))
    assert (story.route.level, story.route.action) == (2, "approve")
    assert steps(story)[-1] == (AUTO_APPROVED, "r-1")
    text = story.route.reasons[-1].text
    assert text.startswith("auto-approve rule r-1, proposed by ana, approved by ben, until 2026-03-12")
    assert text.endswith(": small train tickets are always right")
    assert auto_approved_by(story) == "r-1"


def test_it_leaves_the_certificates_population_and_coin_and_keeps_the_spot_check():
    always = msgspec.structs.replace(quiet(AMOUNT), evidence_probability=1.0)
    ruled = routed(
        decision(0.8),
        standing=in_force(approved()),
        thresholds=always,
        drawn=msgspec.structs.replace(NEVER_DRAWN, audit=0.05),
    )
    assert (ruled.route.evidence, ruled.route.evidence_probability) == (False, 0.0)
    assert (ruled.route.audit, ruled.route.review_kinds) == (True, [ReviewKind.AUDIT])
    assert not eligible(ruled)
    assert reviewed_probability(ruled.route) == pytest.approx(AMOUNT.audit_rate)
    label = label_for(answered(ruled, kind=ReviewKind.AUDIT, first_action="reject"))
    assert (label.evidence, label.automated) == (False, True)
    assert label.inclusion_probability == pytest.approx(AMOUNT.audit_rate)


def test_what_it_covers_is_its_own_whatever_the_score():
    """Else which decisions are left for the certificate would depend on their score."""
    sure = routed(decision(0.99), standing=in_force(approved()))
    assert (sure.route.level, auto_approved_by(sure)) == (2, "r-1")
    assert not eligible(sure)


@pytest.mark.parametrize(
    ("submitted", "given_terms"),
    [
        (decision(0.6), AMOUNT),
        (decision(None), AMOUNT),
        (decision(0.8, facts='{"amount": 40, "harm": 0.2}'), AMOUNT),
        (decision(0.8, facts='{"amount": 40, "harm": 0.9}'), AMOUNT),
        (decision(0.8, facts="{}"), AMOUNT),
        (decision(0.8), terms(min_level=3)),
        (decision(0.8), terms(level_by_class={ConsequenceClass.LOW: 3})),
        (decision(0.8), terms(rules_may_approve=False)),
        (decision(0.8), terms(audit_rate=0.0)),
        (decision(0.8), with_rules(rule(min_level=3), answers=[True])),
        (decision(0.8), with_rules(rule(min_level=1, approvals=2), answers=[True])),
        (decision(0.8), with_rules(rule(min_level=1), answers=["no such key"])),
        (decision(0.8, subject="ana"), AMOUNT),
        (decision(0.8, submitted_by="ben"), AMOUNT),
        (decision(0.8, recommendation=msgspec.structs.replace(decision(0.8).recommendation, action="reject")),
         AMOUNT),
    ],
    ids=[
        "level 4", "no confidence", "more harm", "critical", "missing fact", "type's minimum",
        "class's minimum",
        "type excluded", "no spot checks", "hard rule", "four eyes", "failing rule", "about its proposer",
        "from its approver", "another recommendation",
    ],
)  # fmt: skip
def test_what_it_may_not_touch(submitted, given_terms):
    without, ruled = (
        routed(submitted, given_terms),
        routed(submitted, given_terms, standing=in_force(approved())),
    )
    assert ruled == without
    assert ruled.route.level >= 3


def test_a_weak_signal_is_out_of_reach():
    given_terms = terms(signals=SIGNALS)
    weak = decision(0.99, signals=msgspec.structs.replace(decision().signals, consensus=0.1))
    assert routed(weak, given_terms, in_force(approved())).route.level == 4


def test_suspended_automation_stays_suspended():
    thresholds = quiet(AMOUNT, threshold=SUSPENDED, cap=SUSPENDED)
    story = routed(decision(0.8), standing=in_force(approved()), thresholds=thresholds)
    assert story.route.level == 3


@pytest.mark.parametrize(("facts", "level"), [("40", 2), ("100", 2), ("100.5", 3), ('"x"', 3)])
def test_an_amount_above_the_bound_or_unknown_is_not_covered(facts, level):
    submitted = decision(0.8, facts=f'{{"amount": {facts}, "harm": 0.0}}')
    given_terms = terms(amount_fact="amount", required_facts=())
    assert routed(submitted, given_terms, in_force(approved(max_amount=100.0))).route.level == level


def test_a_more_harmful_class_needs_the_rule_and_the_policy():
    harm = decision(0.95, facts='{"amount": 40, "harm": 0.2}')
    wide = terms(rules_max_class=ConsequenceClass.MEDIUM)
    assert routed(harm, wide, in_force(approved())).route.level == 3
    assert routed(harm, AMOUNT, in_force(approved(max_class=ConsequenceClass.MEDIUM))).route.level == 3
    assert routed(harm, wide, in_force(approved(max_class=ConsequenceClass.MEDIUM))).route.level == 2


@pytest.mark.parametrize(
    ("approved_at", "expires_at", "level"),
    [(NOW, NOW + 1, 2), (NOW + 1, NOW + DAY, 3), (NOW - DAY, NOW, 3)],
    ids=["its first moment", "not yet", "over"],
)
def test_the_records_time_decides_whether_it_holds(approved_at, expires_at, level):
    given_rule = msgspec.structs.replace(approved(expires_at=expires_at), approved_at=approved_at)
    assert routed(decision(0.8), standing=in_force(given_rule)).route.level == level


@pytest.mark.parametrize("answer", [False, "no such key: category"])
def test_a_condition_that_does_not_hold_or_fails_lets_nothing_run(answer):
    story = routed(decision(0.8), standing=in_force(approved(), answers=[answer]))
    assert (story.route.level, auto_approved_by(story)) == (3, None)


# --- what an exception does -----------------------------------------------------------------------


def test_an_exception_asks_for_more():
    story = routed(decision(0.99), standing=in_force(approved(an_exception(4))))
    assert (story.route.level, story.route.action, story.route.pool) == (4, None, "experts")
    assert steps(story)[0] == (EXCEPTION, "r-1")
    assert not eligible(story)


def test_an_exception_stands_above_an_auto_approve_rule():
    both = in_force(approved(), approved(an_exception(3, rule_id="r-2")))
    assert routed(decision(0.8), standing=both).route.level == 3


def test_an_exception_that_can_not_be_evaluated_asks_for_a_person():
    story = routed(decision(0.99), standing=in_force(approved(an_exception()), answers=["no such key: x"]))
    assert story.route.level == 3
    assert "could not be evaluated (no such key: x)" in story.route.reasons[0].text


def test_an_exception_sends_only_to_people_with_more_authority():
    up = routed(decision(0.99), standing=in_force(approved(an_exception(3, pool="experts"))))
    aside = routed(decision(0.99), standing=in_force(approved(an_exception(3, pool="interns"))))
    assert (up.route.pool, aside.route.pool) == ("experts", "expenses")


# --- what holds for every decision ----------------------------------------------------------------

kinds = st.sampled_from(list(RuleKind))
classes = st.sampled_from(list(ConsequenceClass))


@st.composite
def standing_rules(draw):
    rules = []
    for number in range(draw(st.integers(1, 3))):
        kind = draw(kinds)
        given_rule = a_rule(
            rule_id=f"r-{number}",
            kind=kind,
            action=draw(st.sampled_from(["", "approve", "reject"])),
            max_class=draw(classes),
            max_amount=draw(st.sampled_from([None, 10.0, 1e6])),
            min_level=draw(st.integers(-3, 9)),
            pool=draw(st.sampled_from([None, "experts", "leads", "nobody"])),
            expires_at=draw(st.sampled_from([NOW, NOW + DAY])),
        )
        rules.append(approved(given_rule))
    answers = draw(
        st.lists(st.sampled_from([True, False, "failed"]), min_size=len(rules), max_size=len(rules))
    )
    return in_force(*rules, answers=answers)


def both(situation, given_terms, standing):
    """The decision of a situation without and with the rules."""
    facts = f'{{"amount": {situation["amount"]}, "harm": {situation["harm"]}}}'
    submitted = decision(situation["probability"], facts=facts, signals=situation["signals"])
    return tuple(
        routed(submitted, given_terms, rules, situation["in_force"], situation["drawn"])
        for rules in (NO_RULES, standing)
    )


@settings(max_examples=400, deadline=None)
@given(situations(), standing_rules(), classes)
def test_no_rule_does_more_than_it_may(situation, standing, most):
    given_terms = msgspec.structs.replace(situation["terms"], rules_max_class=most, amount_fact="amount")
    in_force_ = situation["in_force"]
    before, after = both(situation, given_terms, standing)
    assessment = after.scored.assessment
    rule_id = auto_approved_by(after)
    assert after.route.level >= min(2, before.route.level)
    if rule_id is None:
        assert after.route.level >= before.route.level, "an exception only tightens"
        return
    assert after.route.level == 2
    assert before.route.level <= 3
    assert assessment.confidence.valid
    assert assessment.consequence.consequence_class is not ConsequenceClass.CRITICAL
    assert not assessment.missing_facts
    assert given_terms.min_level < 3
    assert given_terms.audit_rate > 0
    assert in_force_.cap < SUSPENDED
    assert before.route.approvals == 1
    assert not any(reason.step in ("signal", "input") for reason in after.route.reasons)
    assert not eligible(after)
    assert not after.route.evidence


@settings(max_examples=200, deadline=None)
@given(situations(), st.permutations(list(RuleChange)), st.integers(0, 6))
def test_rules_that_are_not_in_force_do_nothing(situation, order, count):
    """Whatever was heard of it: without an approval by somebody else, or with an end, nothing changes."""
    heard = order[:count]
    standing = life(*(changed(change) for change in heard)) if heard else None
    found = approved_rule(standing) if standing else None
    assert (found is not None) == (RuleChange.APPROVED in heard and not {*heard} & ENDS)
    rules = in_force(found) if found else NO_RULES
    if found is None:
        before, after = both(situation, situation["terms"], rules)
        assert before == after


ENDS = {RuleChange.REJECTED, RuleChange.REVOKED, RuleChange.SUSPENDED, RuleChange.EXPIRED}


# --- spot checks ----------------------------------------------------------------------------------


def test_a_rule_is_suspect_when_its_overrides_are_unlikely_at_the_target():
    for checked, overridden in itertools.product(range(1, 60), range(4)):
        said = suspicion(SpotChecks(500, checked, overridden), alpha=0.05, level=0.05)
        chance = 1 - sum(_binomial(checked, k, 0.05) for k in range(overridden))
        assert (said is not None) == (overridden > 0 and chance < 0.05), (checked, overridden)


def _binomial(n, k, p):
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


def test_nobody_can_write_a_policy_in_which_a_rule_lets_critical_cases_run():
    """Past the policy's own check, and with a type whose critical cases need no people."""
    lax = terms(rules_max_class=ConsequenceClass.CRITICAL, level_by_class={ConsequenceClass.CRITICAL: 1})
    critical = decision(0.95, facts='{"amount": 40, "harm": 0.9}')
    wide = in_force(approved(max_class=ConsequenceClass.CRITICAL))
    story = routed(critical, lax, wide)
    assert (auto_approved_by(story), story.route.level >= 3) == (None, True)


# --- what it would have done ----------------------------------------------------------------------


def test_a_trial_counts_what_would_have_matched_and_how_people_answered():
    recent = RecentAnswers()
    for n in range(10):
        story = routed(decision(0.8, facts=f'{{"amount": {n * 10}, "harm": 0.0}}', decision_id=f"d-{n}"))
        done = answered(story, "reject" if n < 2 else "approve", answer_id=f"a-{n}")
        recent.add(done)
        recent.add(done)  # the outbox delivers at least once
    recent.add(answered(routed(decision(0.8)), "escalate", answer_id="handed-on"))
    found = recent.of("expense.approval")
    trial = tried(a_rule(max_amount=40.0), found, AMOUNT, lambda _context: [True])
    assert (trial.looked_at, trial.matching, trial.as_recommended) == (10, 5, 3)
    assert "5 would have matched. People answered 3 of them as the AI recommended and 2" in trial.words
    none = tried(a_rule(), found, AMOUNT, lambda _context: ["no such key"])
    assert none.words == "None of the last 10 answered cases of this type would have matched."
    assert tried(a_rule(), (), AMOUNT, lambda _context: [True]).words.startswith("Nothing is known")
