"""A key's life under the certificate, through ``KeyState``: what lets automation begin, widen and end."""

from __future__ import annotations

import itertools
import math
import random
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.events import (
    LearningLabel,
    PatternDetected,
    ReviewKind,
    ScoreTally,
    ThresholdOrder,
    ThresholdOrdered,
    ThresholdUpdated,
)
from app.domain.learning.bins import bin_of
from app.domain.learning.boundary import SHALLOW, boundary
from app.domain.learning.drift import KeyState, learn
from app.domain.learning.fast_cap import error_by_bin
from app.domain.learning.odds_shift import Found, Reference, Shift
from app.domain.learning.records import LearningRecordError
from app.domain.learning.terms import LearningTerms

KEY = "expense.approval|expenses:3"
TERMS = LearningTerms(own_threshold=0.9, alpha=0.05, delta=0.1, catch_rate=1.0, refresh_labels=1)
FIRST = boundary(0.05, 0.09, 1800, SHALLOW)[0]
"""99: labels without an error that the first certificate needs."""
_numbers = itertools.count()


def tally(*scores, epoch=0, alone=0):
    bins = [n for score in scores for n in (bin_of(score), 25, alone)]
    return ScoreTally(
        learning_key=KEY, epoch=epoch, bins=bins, policy_threshold=0.9, routed_at=next(_numbers)
    )


def label(score=0.95, *, error=False, epoch=1, **fields):
    number = next(_numbers)
    values = {
        "label_id": f"l{number}",
        "decision_id": f"d{number}",
        "learning_key": KEY,
        "decision_type": "expense.approval",
        "epoch": epoch,
        "raw": score,
        "score": score,
        "level": 3,
        "automated": False,
        "evidence": True,
        "inclusion_probability": 1.0,
        "source": "review",
        "kind": ReviewKind.REVIEW,
        "blind": True,
        "reviewer": "ann",
        "error": error,
        "decided_at": number,
        "labelled_at": number,
    }
    return LearningLabel(**{**values, **fields})


def order(kind, actor="root", reason="the auditors ask", **fields):
    number = next(_numbers)
    return ThresholdOrdered(
        **{
            "order_id": f"o{number}",
            "learning_key": KEY,
            "order": ThresholdOrder(kind),
            "actor": actor,
            "reason": reason,
            "ordered_at": number,
            **fields,
        }
    )


def life(*records, terms=TERMS, state=None):
    state = state or KeyState(learning_key=KEY)
    changes = [change for record in records for change in state.apply(record, terms)]
    return state, [change for change in changes if isinstance(change, ThresholdUpdated)]


def certified(*, terms=TERMS, deeper=0):
    """A key that has just earned .95, or went on to .80 with so many further labels."""
    records = [tally(0.95, 0.8), *(label() for _ in range(FIRST))]
    records += [label(0.8) for _ in range(deeper)]
    return life(*records, terms=terms)


# --- beginning ------------------------------------------------------------------------------------


def test_people_decide_everything_until_the_evidence_is_in():
    state, changes = life(tally(0.95, 0.8), *(label() for _ in range(FIRST - 1)))
    assert {(change.certified, change.threshold > 1) for change in changes} == {(None, True)}
    assert state.in_force.evidence_probability == 1.0
    _, (begun,) = life(label(), state=state)
    assert (begun.certified, begun.threshold, begun.labels, begun.errors) == (0.95, 0.95, FIRST, 0)
    assert begun.previous > 1
    assert begun.reason.startswith(
        "Automation begins at 0.95: 99 blind checks, 0 errors; with 90 % certainty fewer than 5 % wrong."
    )


def test_labels_of_decisions_before_the_order_was_fixed_do_not_count():
    """50 scores fix the order; what was routed before is of epoch 0."""
    early = [label(epoch=0) for _ in range(2 * FIRST)]
    state, _ = life(tally(0.95), *early[:FIRST], tally(0.8))
    assert state.epoch == 1
    state, changes = life(*early[FIRST:], state=state)
    assert sum(state.evidence.labels) == 0
    known, _, _ = state.evidence.fit_by_score(TERMS.ridge)
    assert known[bin_of(0.95)] == pytest.approx(2 * FIRST, rel=0.02), "the cap knows"
    late, _, _ = state.evidence.fit_of_epoch(TERMS.ridge)
    assert late[bin_of(0.95)] == pytest.approx(FIRST, rel=0.02), "monitors do not compare with what is late"
    assert all(change.certified is None for change in changes)


def test_small_types_start_with_more_of_the_traffic():
    usual, _ = life(tally(0.97, 0.9, 0.8, 0.7))
    small, _ = life(tally(0.97, 0.9, 0.8, 0.7), terms=msgspec.structs.replace(TERMS, first_mass=0.4))
    assert (usual.automation.certificate.first, small.automation.certificate.first) == (
        bin_of(0.97),
        bin_of(0.9),
    )


def test_progress_is_said():
    _, changes = life(tally(0.95, 0.8), *(label(error=n == 5) for n in range(30)))
    second = boundary(0.05, 0.09, 1800, SHALLOW)[1]
    assert (changes[-1].labels, changes[-1].errors, changes[-1].labels_needed) == (28, 1, second - 28)
    assert f"28 of about {second} blind checks from 0.95 up, 1 error." in changes[-1].reason
    assert len(changes) < 10, "every tenth of it is announced"


def test_automation_widens_step_by_step_and_says_so():
    _, changes = certified(deeper=120)
    widened = changes[-1]
    assert (widened.certified, widened.previous) == (0.8, 0.95)
    assert widened.reason.startswith("Automation widened from 0.95 to 0.80: ")
    assert 0 < widened.delta_spent <= 0.09 + 1e-12


def test_a_fast_cap_above_the_first_region_means_review_of_everything():
    state, _ = certified()
    _, changes = life(*(label(error=True) for _ in range(12)), state=state)
    assert changes[-1].threshold > 1
    assert changes[-1].certified == 0.95, "the certificate stays; the cap holds it back"
    assert changes[-1].evidence_probability == 1.0
    assert changes[-1].reason.startswith("People decide everything from now on.")


def test_what_lies_above_the_first_region_is_not_automated_by_the_cap_alone():
    """The cap asks for .94, above k0 = .93: what is up there was never tested."""
    first = ScoreTally(
        learning_key=KEY,
        epoch=0,
        bins=[bin_of(0.93), 90, 0, bin_of(0.999), 10, 0],
        policy_threshold=0.9,
        routed_at=1,
    )
    state, changes = life(first, *(label(0.93) for _ in range(FIRST)), *(label(0.999) for _ in range(60)))
    assert changes[-1].certified == 0.93
    _, changes = life(*(label(0.93, error=n % 3 == 0) for n in range(60)), state=state)
    assert changes[-1].threshold > 1
    assert min(change.threshold for change in changes if change.cap) > 1


def test_the_floor_bounds_the_certificate():
    _, changes = certified(terms=msgspec.structs.replace(TERMS, floor=0.9), deeper=120)
    assert min(change.threshold for change in changes) == 0.9 or changes[-1].threshold == 0.95


# --- the promise ----------------------------------------------------------------------------------


def test_at_the_tolerated_error_itself_nothing_is_certified_but_with_probability_delta():
    """120 keys whose AI is wrong in exactly alpha of cases: each certificate would be false."""
    terms = msgspec.structs.replace(TERMS, delta=0.2, planned=300, refresh_labels=4)
    false, runs = 0, 120
    for seed in range(runs):
        luck = random.Random(seed)
        state, _ = life(tally(0.95, 0.97), terms=terms)
        for _ in range(300):
            state.apply_label(label(luck.choice((0.95, 0.97)), error=luck.random() < 0.05), terms)
            if state.automation.certified(state.evidence, terms) <= 1:
                false += 1
                break
    allowed = 0.18 * runs
    assert allowed / 3 < false < allowed + 2.5 * (allowed * 0.82) ** 0.5


def test_a_good_ai_is_certified():
    luck = random.Random(4)
    _, changes = life(
        tally(0.95, 0.97), *(label(luck.choice((0.95, 0.97)), error=luck.random() < 0.01) for _ in range(600))
    )
    assert changes[-1].certified == 0.95


# --- reviewers ------------------------------------------------------------------------------------


def gold(caught):
    return label(kind=ReviewKind.GOLD, evidence=False, blind=True, source="gold", error=caught, reviewer="g")


def test_what_reviewers_are_assumed_to_catch_raises_the_bar_and_is_said():
    assumed = msgspec.structs.replace(TERMS, catch_rate=0.8)
    state, changes = life(tally(0.95, 0.8), *(label() for _ in range(FIRST)), terms=assumed)
    assert changes[-1].certified is None
    assert changes[-1].catch_rate == 0.8
    assert "Assumed: reviewers catch 80 % of the AI's errors (0 of 30 known errors" in changes[-1].reason
    more = boundary(0.04, 0.09, 1800, SHALLOW)[0] - FIRST
    _, changes = life(*(label() for _ in range(more)), state=state, terms=assumed)
    assert changes[-1].certified == 0.95


def test_gold_answers_replace_the_assumption_in_both_directions():
    state, _ = certified()
    life(*(label() for _ in range(20)), state=state)
    _, changes = life(*(gold(n % 2 == 0) for n in range(30)), state=state)
    assert changes[-1].certified is None, (
        "half of the errors are missed: the evidence shows less than it seemed"
    )
    assert changes[-1].catch_rate == 0.35
    assert "Reviewers caught 15 of 30 known errors: at least 35 %." in changes[-1].reason
    _, changes = life(*(gold(True) for _ in range(400)), state=state)
    assert changes[-1].certified == 0.95


def test_where_a_second_person_has_to_confirm_both_have_to_catch_it():
    alone, _ = certified()
    life(*(gold(n % 10 > 0) for n in range(400)), state=alone)
    assert alone.automation.catch(TERMS) == 85
    double = msgspec.structs.replace(TERMS, second_look_share=1.0)
    assert alone.automation.catch(double) == 75, "at least .872 squared"
    some = msgspec.structs.replace(TERMS, second_look_share=0.03)
    assert alone.automation.catch(some) == 85


def test_where_findings_are_confirmed_two_people_catch_less_also_before_it_is_measured():
    asks = msgspec.structs.replace(TERMS, confirm_errors=True, catch_rate=0.8)
    state, _ = certified()
    assert state.automation.catch(asks) == 60, "at least .64"
    life(*(gold(n % 10 > 0) for n in range(400)), state=state)
    assert state.automation.catch(asks) == 75, "at least .872 squared"


def test_labels_that_two_people_made_stay_so_until_the_next_epoch():
    state, _ = certified()
    life(*(gold(n % 10 > 0) for n in range(400)), state=state)
    found = label(error=True)
    second = label(
        decision_id=found.decision_id, kind=ReviewKind.SECOND_LOOK, evidence=False, source="confirmation"
    )
    state, _ = life(found, second, state=state)
    assert state.automation.catch(TERMS) == 75, "no policy makes more of labels that are there"
    state.automation.restart(state.evidence, None, TERMS)
    assert state.automation.catch(TERMS) == 85


# --- checks that nobody answered in time ----------------------------------------------------------


def test_a_missed_check_is_an_error_for_the_certificate_until_it_is_answered():
    state, _ = life(tally(0.95, 0.8), *(label() for _ in range(FIRST - 1)))
    late = label(error=True, source="missed_sla", reviewer="")
    _, changes = life(late, label(), state=state)
    assert (sum(state.evidence.labels), sum(state.evidence.errors)) == (FIRST + 1, 1)
    assert all(change.certified is None for change in changes)
    assert sum(state.evidence.score_errors) == 0, "the cap does not punish people for being busy"
    answer = msgspec.structs.replace(late, source="review", reviewer="ann", error=False, label_id="answer")
    _, changes = life(answer, state=state)
    assert (sum(state.evidence.labels), sum(state.evidence.errors)) == (FIRST + 1, 0)
    assert changes[-1].certified == 0.95


@pytest.mark.parametrize("confirm", [False, True])
def test_missed_checks_wait_for_their_answer_however_much_is_judged_meanwhile(confirm):
    terms = msgspec.structs.replace(TERMS, confirm_errors=confirm)
    state, _ = life(tally(0.95, 0.8), terms=terms)
    late = [label(error=True, source="missed_sla", reviewer="") for _ in range(10)]
    life(*late, *(label() for _ in range(TERMS.memory + 50)), terms=terms, state=state)
    assert (sum(state.evidence.labels), sum(state.evidence.errors)) == (TERMS.memory + 60, 10)
    answers = [
        msgspec.structs.replace(
            one, source="review", reviewer="ann", error=False, label_id=f"a-{one.label_id}"
        )
        for one in late
    ]
    life(*answers, terms=terms, state=state)
    assert (sum(state.evidence.labels), sum(state.evidence.errors)) == (TERMS.memory + 60, 0)


def test_of_missed_checks_no_more_are_remembered_than_leave_room_for_what_is_judged():
    state, _ = life(tally(0.95, 0.8))
    life(*(label(error=True, source="missed_sla", reviewer="") for _ in range(2 * TERMS.memory)), state=state)
    life(*(label() for _ in range(2 * TERMS.memory)), state=state)
    standing = state.judgements.standing.values()
    assert len(standing) == TERMS.memory
    assert sum(known.missed for known in standing) == TERMS.memory // 2
    assert sum(state.evidence.errors) == 2 * TERMS.memory, "what is forgotten stays an error"
    assert len(state.to_bytes()) < 32_000


def test_withdrawn_checks_are_forgotten_like_judged_ones():
    state, _ = life(tally(0.95, 0.8))
    for n in range(10):
        gone = label(error=True, source="withdrawn", reviewer="")
        late = msgspec.structs.replace(gone, source="missed_sla", label_id="late")
        life(*([late, gone] if n % 2 else [gone]), state=state)
    life(*(label() for _ in range(TERMS.memory)), state=state)
    assert not any(known.missed for known in state.judgements.standing.values())
    assert sum(state.evidence.errors) == 10


def test_a_withdrawn_check_is_an_error_for_the_certificate_once():
    state, _ = life(tally(0.95, 0.8), *(label() for _ in range(9)))
    gone = label(error=True, source="withdrawn", reviewer="")
    late = msgspec.structs.replace(gone, source="missed_sla", label_id="late")
    life(late, gone, state=state)
    assert (sum(state.evidence.labels), sum(state.evidence.errors)) == (10, 1)
    assert sum(state.evidence.score_errors) == 0, "nobody judged it: the cap learns nothing"
    assert state.overrides.blind == 9


@pytest.mark.parametrize("source", ["missed_sla", "withdrawn"])
def test_an_unanswered_check_of_an_older_epoch_says_nothing_to_the_cap(source):
    state, _ = life(tally(0.95, 0.8), *(label() for _ in range(9)))
    life(label(error=True, source=source, reviewer="", epoch=state.epoch - 1), state=state)
    assert (state.ignored.late_labels, sum(state.evidence.old_errors)) == (1, 0)


def test_what_was_answered_is_not_missed():
    answer = label()
    state, _ = life(tally(0.95), tally(0.8), answer)
    late = msgspec.structs.replace(answer, source="missed_sla", reviewer="", error=True, label_id="late")
    life(late, state=state)
    assert (sum(state.evidence.labels), sum(state.evidence.errors)) == (1, 0)
    assert state.overrides.blind == 1


# --- restarts -------------------------------------------------------------------------------------


def watched(state, p=0.01):
    known = Reference(state.evidence.clock, [round(p * 1e5)] * 94, 0.3, 0.003)
    state.automation.monitors.references = [known]
    return state


def test_a_change_for_the_worse_counts_anew_with_the_next_delta_and_checks_more():
    state, _ = certified(deeper=120)
    life(*(tally(0.95, 0.8, epoch=1, alone=25) for _ in range(200)), state=state)
    assert state.in_force.evidence_probability < 0.05
    _, changes = life(*(label(0.8, error=True, automated=True) for _ in range(4)), state=watched(state))
    restarted = next(change for change in changes if change.epoch == 2)
    assert restarted.epoch == 2
    assert "Errors have become more frequent" in restarted.reason
    assert restarted.delta_spent == pytest.approx(0.095)
    assert restarted.evidence_probability >= 0.15
    assert state.automation.certified_before == 0.8
    assert sum(state.evidence.labels) <= 3


def test_a_change_for_the_worse_is_a_reason_to_retrain():
    state, _ = certified(deeper=120)
    life(*(tally(0.95, 0.8, epoch=1, alone=25) for _ in range(200)), state=state)
    records = [label(0.8, error=True, automated=True) for _ in range(4)]
    changes = [change for one in records for change in watched_apply(state, one)]
    (found,) = [change for change in changes if isinstance(change, PatternDetected)]
    assert (found.pattern, found.segment, found.learning_key) == ("retrain", "expense.approval", KEY)
    assert found.value >= found.limit > 1
    assert found.count >= 1
    assert "Errors have become more frequent" in found.text
    assert "times as high" in found.text
    assert "hitl export training" in found.action


def watched_apply(state, record):
    if state.epoch == 1 and not state.automation.monitors.references:
        watched(state)
    return state.apply(record, TERMS)


def test_a_restart_moves_what_was_known_by_what_was_found():
    state, _ = certified(deeper=120)
    before, wrong, platt = state.evidence.fit_by_score(TERMS.ridge)
    known = error_by_bin(before, wrong, platt, TERMS.prior_labels)
    state.automation.restart(state.evidence, Found(Shift.WORSE, math.log(4), 9.0, 5.0), TERMS)
    labels, errors, _ = state.evidence.fit_by_score(TERMS.ridge)
    k, p = bin_of(0.95), known[bin_of(0.95)]
    assert labels[k] == pytest.approx(before[k] * TERMS.restart_weight)
    assert errors[k] == pytest.approx(labels[k] * 4 * p / (1 + 3 * p))
    assert sum(state.evidence.score_labels) == 0, "the reference begins anew"


def test_suspicion_asks_for_checks_at_once_and_lets_go_at_the_next_look():
    state, _ = certified(deeper=120)
    life(*(tally(0.95, 0.8, epoch=1, alone=25) for _ in range(200)), state=state)
    usual = state.in_force.evidence_probability
    assert usual < 0.05
    slow = msgspec.structs.replace(TERMS, refresh_labels=10)
    watched(state, 0.05).automation.monitors.worse = [4.0] * 4
    _, changes = life(label(0.95, automated=True), terms=slow, state=state)
    assert changes[-1].evidence_probability == 0.15
    assert "recent answers may be a change" in changes[-1].reason
    assert changes[-1].epoch == 1
    assert state.automation.usual_probability == usual, "limits are those without it"
    _, changes = life(*(label(0.95, automated=True) for _ in range(20)), terms=slow, state=state)
    assert (state.epoch, state.in_force.evidence_probability) == (1, usual)


def test_after_a_change_for_the_better_everything_is_checked_again():
    state, _ = certified()
    life(*(tally(0.95, 0.8, epoch=1, alone=25) for _ in range(200)), state=state)
    _, changes = life(*(label(automated=True) for _ in range(100)), state=watched(state, 0.2))
    better = next(change for change in changes if change.epoch == 2)
    assert "Errors have become rarer" in better.reason
    assert state.evidence.automated == -round(TERMS.evidence.scale * math.log(2)), "twice as much as at first"


def test_another_way_of_making_scores_ends_every_certificate():
    state, _ = certified(terms=msgspec.structs.replace(TERMS, scoring="one"))
    assert state.in_force.threshold == 0.95
    _, changes = life(tally(0.95, epoch=1), state=state, terms=msgspec.structs.replace(TERMS, scoring="two"))
    assert (changes[0].certified, changes[0].epoch) == (None, 2)
    assert "makes scores in another way" in changes[0].reason


# --- people ---------------------------------------------------------------------------------------


def test_a_freeze_stops_expansion_and_not_tightening():
    state, _ = certified()
    _, (frozen,) = life(order("freeze"), state=state)
    assert (frozen.frozen, frozen.actor, frozen.certified) == (True, "root", 0.95)
    assert frozen.reason.startswith("Frozen by root: the auditors ask.")
    _, changes = life(*(label(0.8) for _ in range(200)), state=state)
    assert state.in_force.certified == 0.95
    _, changes = life(order("unfreeze"), state=state)
    assert changes[-1].certified == 0.8
    _, changes = life(order("freeze"), *(label(error=True) for _ in range(30)), state=state)
    assert changes[-1].threshold > 1


def test_a_rollback_goes_back_and_stays():
    state, _ = certified(deeper=120)
    _, (back,) = life(order("rollback"), state=state)
    assert (back.certified, back.previous, back.frozen) == (0.95, 0.8, True)
    _, changes = life(order("rollback"), *(label() for _ in range(50)), state=state)
    assert state.in_force.threshold > 1
    _, changes = life(order("unfreeze"), state=state)
    assert changes[-1].certified == 0.8


def test_a_rollback_ends_the_policy_s_own_threshold_until_it_is_lifted():
    own = msgspec.structs.replace(TERMS, guaranteed=False)
    state, _ = life(tally(0.95), terms=own)
    assert state.in_force.threshold == 0.9
    _, (back,) = life(order("rollback"), state=state, terms=own)
    assert (back.threshold, back.frozen) == (1.01, True)
    assert back.reason.startswith("Rolled back and frozen by root: the auditors ask. People decide")
    life(order("restart"), tally(0.95, epoch=2), *(label(epoch=3) for _ in range(50)), state=state, terms=own)
    assert state.in_force.threshold == 1.01
    _, (lifted,) = life(order("unfreeze"), state=state, terms=own)
    assert lifted.threshold == 0.9


def test_an_expansion_waits_for_a_yes_where_the_policy_asks_for_it():
    asked = msgspec.structs.replace(TERMS, confirm=True)
    state, changes = certified(terms=asked)
    assert (changes[-1].certified, changes[-1].awaiting) == (None, 0.95)
    assert "waits for a person's yes" in changes[-1].reason
    _, (yes,) = life(order("confirm"), state=state, terms=asked)
    assert (yes.certified, yes.awaiting, yes.actor) == (0.95, None, "root")
    _, (nothing,) = life(order("confirm"), state=state, terms=asked)
    assert "nothing waited" in nothing.reason
    assert nothing.certified == 0.95


def test_the_canary_goes_first():
    small = msgspec.structs.replace(TERMS, canary_share=0.2, canary_size=40)
    state, changes = certified(terms=small)
    begun = changes[-1]
    assert (begun.certified, begun.canary_share) == (0.95, 0.2)
    assert begun.threshold > 1
    assert "At first 20 % of the decisions are automated." in begun.reason
    state, changes = life(tally(0.95, epoch=1, alone=25), state=state, terms=small)
    assert state.in_force.threshold > 1
    state, changes = life(
        tally(0.95, epoch=1, alone=25), *(label() for _ in range(2)), state=state, terms=small
    )
    assert state.in_force.threshold == 0.95


def test_expansions_keep_their_distance():
    slow = msgspec.structs.replace(TERMS, cooldown=1000)
    state, _ = certified(terms=slow, deeper=300)
    assert state.in_force.certified == 0.95
    life(*(tally(0.8, epoch=1) for _ in range(40)), label(), state=state, terms=slow)
    assert state.in_force.certified == 0.8


def test_an_order_counts_once_and_a_restart_has_the_whole_delta():
    state, _ = certified()
    again = order("restart")
    _, changes = life(again, again, state=state)
    assert len(changes) == 1
    assert (changes[0].certified, changes[0].epoch) == (None, 2)
    assert changes[0].delta_spent == pytest.approx(0.09)


def test_an_order_for_another_key_is_refused():
    with pytest.raises(LearningRecordError, match="other"):
        life(order("freeze", learning_key="other"))


# --- a pure value ---------------------------------------------------------------------------------

SMALL = LearningTerms(
    own_threshold=0.9,
    alpha=0.4,
    delta=0.5,
    planned=60,
    order_scores=6,
    catch_items=3,
    canary_share=0.5,
    canary_size=6,
    cooldown=5,
    refresh_labels=2,
    refresh_decisions=20,
    half_life=50.0,
    memory=6,
    duplicates=16,
    reference_labels=4,
    reference_lag=10,
    reference_refresh=5,
    worse_limit=20.0,
    better_limit=20.0,
)


def fixed_tally(scores, epoch, at):
    bins = [n for score, count, alone in scores for n in (bin_of(score), count, min(count, alone))]
    return ScoreTally(learning_key=KEY, epoch=epoch, bins=bins, policy_threshold=0.9, routed_at=at)


SCORES = st.sampled_from([0.72, 0.91, 0.97])
SMALL_NUMBERS = st.integers(0, 4)
TALLIES = st.builds(
    fixed_tally,
    st.lists(st.tuples(SCORES, SMALL_NUMBERS, SMALL_NUMBERS), max_size=3),
    st.integers(0, 2),
    st.integers(0, 99),
)
LABELS = st.builds(
    lambda number, score, error, epoch, automated, kind: label(
        score,
        error=error,
        epoch=epoch,
        automated=automated,
        kind=kind,
        label_id=f"l{number}",
        decision_id=f"d{number}",
        decided_at=number,
        labelled_at=number,
    ),
    st.integers(0, 200),
    SCORES,
    st.integers(0, 5).map(lambda n: n == 0),
    st.integers(0, 2),
    st.booleans(),
    st.sampled_from([ReviewKind.REVIEW, ReviewKind.REVIEW, ReviewKind.AUDIT, ReviewKind.GOLD]),
)
ORDERS = st.builds(
    lambda kind, number: order(kind, order_id=f"o{number}", ordered_at=number),
    st.sampled_from(list(ThresholdOrder)),
    st.integers(0, 9),
)
RECORDS = st.lists(st.one_of(TALLIES, LABELS, LABELS, LABELS, ORDERS), min_size=10, max_size=120)


@given(RECORDS, st.lists(st.integers(0, 120), max_size=8), st.booleans())
@settings(max_examples=60, deadline=None)
def test_restarts_batches_and_replays_change_nothing(records, cuts, confirm):
    terms = msgspec.structs.replace(SMALL, confirm=confirm)
    whole, expected = learn(KeyState(learning_key=KEY), records, terms)
    state, changes = KeyState(learning_key=KEY), []
    edges = [0, *sorted(cut for cut in cuts if cut < len(records)), len(records)]
    for start, end in pairwise(edges):
        state = KeyState.from_bytes(state.to_bytes())
        state, some = learn(state, records[start:end], terms)
        changes += some
    assert state.to_bytes() == whole.to_bytes()
    assert changes == expected
    assert learn(KeyState(learning_key=KEY), records, terms)[1] == expected


@given(RECORDS)
@settings(max_examples=60, deadline=None)
def test_nothing_runs_alone_below_a_certificate(records):
    state = KeyState(learning_key=KEY)
    for record in records:
        state.apply(record, SMALL)
        automation, now = state.automation, state.in_force
        lowest = min(automation.certified(state.evidence, SMALL), automation.certified_before)
        assert now.canary >= min(lowest, automation.expansion.in_force)
        assert automation.expansion.in_force >= lowest
        assert now.threshold >= now.canary


def test_state_of_the_first_format_goes_on_with_what_it_knew():
    state, _ = life(tally(0.95, 0.8), *(label() for _ in range(5)))
    old = msgspec.msgpack.decode(state.to_bytes(), strict=False)
    old["format"] = 1
    del old["automation"]
    news = ("epoch", "floor", "certified", "canary_above", "canary_share", "frozen", "awaiting", "progress")
    for name in news:
        old["in_force"].pop(name, None)
    read = KeyState.from_bytes(msgspec.msgpack.encode(old))
    assert read.format == 3
    assert read.evidence == state.evidence
    assert not read.automation.certificate.fixed
    _, changes = life(tally(0.95, 0.8, epoch=1), label(epoch=2), state=read)
    assert changes[-1].certified is None


def test_state_of_the_second_format_keeps_its_certificate():
    state, _ = certified()
    old = msgspec.msgpack.decode(state.to_bytes(), strict=False)
    old["format"] = 2
    for name in ("old_labels", "old_errors", "shown_labels", "shown_errors"):
        del old["evidence"][name]
    old["automation"]["monitors"] = {"references": [[0, [1] * 94, 12.0, 0.0]], "better_audits": [1.0] * 4}
    for name in ("usual_probability", "suspicious"):
        del old["automation"][name]
    read = KeyState.from_bytes(msgspec.msgpack.encode(old))
    assert read.automation.certificate == state.automation.certificate
    assert read.automation.monitors.references == []
    assert read.judgements.standing == {}
    life(label(), tally(0.95, epoch=1), state=read)
    assert read.in_force.certified == 0.95
