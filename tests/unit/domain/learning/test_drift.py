"""What feeds what, what is counted once, and that the same records give the same bytes."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.events import (
    CalibrationUpdated,
    LearningLabel,
    PatternDetected,
    ReviewKind,
    ScoreTally,
    ThresholdUpdated,
)
from app.domain.labels import CONFIRMATION
from app.domain.learning.automation import Automation
from app.domain.learning.bins import BINS, bin_of
from app.domain.learning.drift import KeyState, LearningStateError, learn
from app.domain.learning.fast_cap import error_by_bin, expected_errors
from app.domain.learning.odds_shift import Monitors, Reference
from app.domain.learning.records import LearningRecordError
from app.domain.learning.terms import LearningTerms
from app.domain.terms import EvidencePlan
from app.errors import UsageError

KEY = "expense.approval|expenses:3"
TERMS = LearningTerms(own_threshold=0.9, floor=0.9, guaranteed=False, order_scores=10**12)
"""On the policy's own threshold; the order of a certificate's tests is never fixed."""
BIN = bin_of(0.93)


@pytest.fixture
def state():
    return KeyState(learning_key=KEY)


def apply(state: KeyState, *records, terms: LearningTerms = TERMS):
    changes = []
    for record in records:
        if isinstance(record, ScoreTally):
            changes += state.apply_tally(record, terms)
        else:
            changes += state.apply_label(record, terms)
    return changes


# --- what feeds what ------------------------------------------------------------------------------


def test_an_evidence_label_feeds_the_certificates_counts_the_cap_and_the_estimate(state, a_label):
    apply(state, a_label(error=True), a_label())
    assert (state.evidence.labels[BIN], state.evidence.errors[BIN]) == (2, 1)
    assert (state.evidence.score_labels[BIN], state.evidence.score_errors[BIN]) == (2.0, 1.0)
    assert state.automated_error(TERMS).estimate == pytest.approx(0.5)


def test_a_reviewed_evidence_label_is_no_audit(state, a_label):
    apply(state, a_label(automated=False, kind=ReviewKind.REVIEW))
    assert state.evidence.labels[BIN] == 1
    assert state.automated_error(TERMS) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"evidence": False},
        {"blind": False},
        {"inclusion_probability": 0.0},
        {"inclusion_probability": float("nan")},
        {"kind": ReviewKind.GOLD},
        {"kind": ReviewKind.CALIBRATION},
        {"kind": ReviewKind.HUMAN_ONLY},
        {"evidence": False, "source": "observation", "reviewer": ""},
    ],
)
def test_nothing_else_speaks_about_automation(state, a_label, fields):
    before = msgspec.msgpack.encode(state.evidence)
    apply(state, a_label(error=True, **fields))
    assert msgspec.msgpack.encode(state.evidence) == before


def test_answers_to_a_shown_recommendation_feed_the_monitors_alone_once_a_decision(state, a_label):
    before = msgspec.structs.replace(state.evidence, shown_labels=[], shown_errors=[])
    known = msgspec.msgpack.encode(before)
    first = a_label(error=True, evidence=False, blind=False, kind=ReviewKind.REVIEW, automated=False)
    apply(state, first, msgspec.structs.replace(first, reviewer="ben", label_id="by ben"))
    assert (state.evidence.shown_labels[BIN], state.evidence.shown_errors[BIN]) == (1.0, 1.0)
    assert state.automation.monitors.shown == 1
    assert state.overrides.shown.count == 2
    after = msgspec.structs.replace(state.evidence, shown_labels=[], shown_errors=[])
    assert msgspec.msgpack.encode(after) == known
    apply(state, a_label(evidence=False, blind=False, kind=ReviewKind.AUDIT, epoch=-1))
    assert state.automation.monitors.shown == 1, "of an epoch that is over"


def test_scores_below_one_half_have_no_bin_and_break_nothing(state, a_label, a_tally):
    apply(
        state,
        a_tally([-1, 5, 0, BIN, 2, 2]),
        a_label(score=0.2),
        a_label(score=float("nan"), raw=float("nan")),
    )
    assert state.evidence.clock == 7
    assert sum(state.evidence.labels) == 0


def test_contextual_adjustments_are_not_calibrations_business(state, a_label):
    apply(state, a_label(raw=0.97, score=0.93))
    assert state.evidence.raw_labels[bin_of(0.97)] == 1.0
    assert state.evidence.score_labels[BIN] == 1.0


def test_traffic_feeds_the_clock_the_bins_and_the_share_of_checks(state, a_tally):
    apply(state, a_tally([BIN, 100, 80, 20, 50, 0]))
    assert (state.evidence.clock, state.evidence.automated) == (150, 80)
    assert state.evidence.traffic[BIN] / state.evidence.scale == pytest.approx(100)
    assert state.evidence.audits.drawn == pytest.approx(80.0)


# --- once, corrected, late ------------------------------------------------------------------------


def test_a_repeated_label_counts_once(state, a_label):
    label = a_label(error=True)
    apply(state, label, label, msgspec.structs.replace(label, label_id="sent again"))
    assert state.evidence.labels[BIN] == 1
    assert state.ignored.duplicates == 2
    assert state.overrides.blind == 1


def test_a_decision_counts_once_whoever_answers(state, a_label):
    first = a_label()
    apply(state, first, a_label(decision_id=first.decision_id, reviewer="ben"))
    assert state.evidence.labels[BIN] == 1
    assert state.ignored.repeated == 1
    assert state.overrides.blind == 2


@pytest.mark.parametrize(("first", "second", "counted"), [(1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 0)])
@pytest.mark.parametrize("second_comes_first", [False, True])
def test_a_disagreement_counts_when_a_second_person_confirms_it(
    state, a_label, first, second, counted, second_comes_first
):
    audit = a_label(error=bool(first))
    look = a_label(
        decision_id=audit.decision_id,
        kind=ReviewKind.SECOND_LOOK,
        evidence=False,
        reviewer="ben",
        error=bool(second),
    )
    apply(state, *((look, audit) if second_comes_first else (audit, look)))
    assert (state.evidence.labels[BIN], state.evidence.errors[BIN]) == (1, counted)
    assert state.evidence.score_errors[BIN] == counted
    assert state.automated_error(TERMS).errors == counted


def test_nobody_confirms_themselves(state, a_label):
    audit = a_label(error=True)
    again = msgspec.structs.replace(audit, kind=ReviewKind.SECOND_LOOK, evidence=False, error=False)
    apply(state, audit, again)
    assert state.evidence.errors[BIN] == 1
    assert sum(band.pairs for band in state.overrides.bands) == 0


@pytest.mark.parametrize(
    ("looks", "third", "counted"), [(3, True, 1), (3, False, 0), (2, True, 0), (2, False, 0)]
)
@pytest.mark.parametrize("second_comes_first", [False, True])
def test_where_three_may_look_the_third_decides_what_the_second_did_not_confirm(
    state, a_label, looks, third, counted, second_comes_first
):
    audit = a_label(error=True)
    others = [
        a_label(
            decision_id=audit.decision_id,
            kind=ReviewKind.SECOND_LOOK,
            evidence=False,
            reviewer=name,
            error=found,
        )
        for name, found in (("ben", False), ("eve", third), ("kim", not third))
    ]
    order = (others[0], audit) if second_comes_first else (audit, others[0])
    terms = msgspec.structs.replace(TERMS, looks=looks)
    apply(state, *order, terms=terms)
    again = msgspec.structs.replace(others[0], error=True, source="again")
    apply(state, again, terms=terms)
    assert state.evidence.errors[BIN] == 0, "nobody decides twice"
    apply(state, *others[1:], terms=terms)
    assert (state.evidence.labels[BIN], state.evidence.errors[BIN]) == (1, counted)
    assert state.evidence.score_errors[BIN] == counted


CONFIRMING = msgspec.structs.replace(TERMS, confirm_errors=True)


def confirmation(audit, *, error: bool, a_label):
    return a_label(
        decision_id=audit.decision_id,
        kind=ReviewKind.SECOND_LOOK,
        evidence=False,
        reviewer="ben",
        error=error,
        source=CONFIRMATION,
    )


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_finding_counts_at_once_and_is_heard_by_the_monitors_once_it_is_settled(
    state, a_label, a_tally, confirmed, monkeypatch
):
    heard = []
    monkeypatch.setattr(Automation, "monitor", lambda _self, judged: heard.append(judged.error))
    audit = a_label(error=True)
    apply(state, a_label(), audit, terms=CONFIRMING)
    assert (state.evidence.errors[BIN], heard) == (1, [False])
    apply(state, confirmation(audit, error=confirmed, a_label=a_label), terms=CONFIRMING)
    assert (state.evidence.errors[BIN], heard) == (confirmed, [False, confirmed])
    assert (state.evidence.labels[BIN], state.overrides.blind) == (2, 2), "asked about it, no sample"
    assert sum(band.pairs for band in state.overrides.bands) == 0


def test_of_findings_that_wait_the_monitors_expect_what_was_upheld_so_far(state, a_label):
    for upheld in (True, False, False):
        audit = a_label(error=True)
        apply(state, audit, confirmation(audit, error=upheld, a_label=a_label), terms=CONFIRMING)
    apply(state, a_label(error=True), a_label(error=True), terms=CONFIRMING)
    assert (state.automation.findings, state.automation.upheld) == (3, 1)
    pending = state.judgements.pending()
    assert len(pending) == 2
    _, errors, _ = state.evidence.fit_of_epoch(10.0, pending, 0.25)
    assert errors[BIN] == pytest.approx(1 + 2 * 0.25)
    assert state.evidence.score_errors[BIN] == 3, "cap and certificate count them whole"


def test_a_finding_that_waits_is_remembered_longer_than_what_is_settled(state, a_label):
    terms = msgspec.structs.replace(CONFIRMING, memory=4)
    audit = a_label(error=True)
    apply(state, audit, *(a_label() for _ in range(50)), terms=terms)
    apply(state, confirmation(audit, error=False, a_label=a_label), terms=terms)
    assert (state.evidence.labels[BIN], state.evidence.errors[BIN]) == (51, 0)
    apply(state, *(a_label(error=True) for _ in range(50)), terms=terms)
    assert len(state.judgements.standing) == 4


@pytest.mark.parametrize("judged", [True, False])
@pytest.mark.parametrize("truth", [True, False])
def test_a_truth_makes_an_error_and_never_takes_one_back(state, a_label, a_tally, judged, truth):
    audit = a_label(error=judged)
    observed = a_label(
        decision_id=audit.decision_id, evidence=False, source="observation", reviewer="", error=truth
    )
    look = a_label(
        decision_id=audit.decision_id,
        kind=ReviewKind.SECOND_LOOK,
        evidence=False,
        reviewer="ben",
        error=judged,
    )
    apply(state, audit, a_tally([BIN, 300, 250]), observed, look)
    direct = KeyState(learning_key=KEY)
    apply(direct, msgspec.structs.replace(audit, error=judged or truth), a_tally([BIN, 300, 250]))
    for name in ("labels", "errors", "score_labels", "score_errors", "raw_labels", "raw_errors"):
        assert getattr(state.evidence, name) == pytest.approx(getattr(direct.evidence, name)), name
    assert state.evidence.audits == direct.evidence.audits
    assert state.evidence.quality.brier == pytest.approx(direct.evidence.quality.brier)


def test_whoever_submits_can_not_clear_an_error_before_it_is_counted_either(state, a_label):
    """A drawn second look came first, then somebody says that all was right, then a check finds the error."""
    audit = a_label(error=True)
    look = msgspec.structs.replace(
        audit, label_id="look", kind=ReviewKind.SECOND_LOOK, evidence=False, reviewer="ben"
    )
    right = msgspec.structs.replace(
        audit, label_id="right", evidence=False, source="observation", reviewer="", error=False
    )
    apply(state, look, right, audit)
    assert (state.evidence.labels[BIN], state.evidence.errors[BIN]) == (1, 1)


@pytest.mark.parametrize("looked", [False, True])
def test_an_error_that_a_truth_told_of_stays_one_when_a_missed_check_is_answered(state, a_label, looked):
    audit = a_label(error=False)
    missed = msgspec.structs.replace(audit, label_id="missed", source="missed_sla", reviewer="", error=True)
    look = msgspec.structs.replace(
        audit, label_id="look", kind=ReviewKind.SECOND_LOOK, evidence=False, reviewer="ben"
    )
    wrong = msgspec.structs.replace(
        audit, label_id="wrong", evidence=False, source="observation", reviewer="", error=True
    )
    apply(state, *((look, wrong, missed) if looked else (missed, wrong)))
    apply(state, audit)
    assert (state.evidence.labels[BIN], state.evidence.errors[BIN]) == (1, 1)
    assert state.evidence.score_errors[BIN] == pytest.approx(state.evidence.scale)


def test_a_second_look_alone_does_not_keep_a_missed_check_from_counting(state, a_label):
    audit = a_label(error=True, source="withdrawn", reviewer="")
    look = a_label(
        decision_id=audit.decision_id,
        kind=ReviewKind.SECOND_LOOK,
        evidence=False,
        reviewer="ben",
        error=False,
    )
    apply(state, look, audit)
    assert (state.evidence.labels[BIN], state.evidence.errors[BIN]) == (1, 1)


def test_a_truth_alone_is_not_counted(state, a_label):
    apply(state, a_label(evidence=False, source="observation", reviewer="", error=True))
    assert sum(state.evidence.labels) == 0
    assert state.ignored.unmatched_truths == 1


def test_a_label_of_an_older_epoch_no_longer_speaks_about_automation(state, a_label, a_tally):
    late = a_label(epoch=0, error=True)
    apply(state, a_label(epoch=0), a_tally([BIN, 10, 10], epoch=1), late, a_tally([BIN, 10, 10], epoch=0))
    assert sum(state.evidence.labels) == 0
    assert state.ignored.late_labels == 1
    assert state.ignored.late_tallies == 1
    assert state.evidence.automated == 10
    assert state.overrides.blind == 2


def test_a_new_epoch_keeps_a_share_of_what_the_cap_knew(state, a_label, a_tally):
    apply(state, *(a_label() for _ in range(8)), a_tally([BIN, 1, 1], epoch=1))
    assert state.evidence.old_labels[BIN] / state.evidence.scale == pytest.approx(2.0, rel=1e-3)
    assert state.epoch == 1


@pytest.mark.parametrize("bins", [[80], [80, 1], [94, 1, 1], [-2, 1, 1], [80, -1, 0], [80, 1, 2]])
def test_a_broken_tally_is_refused_whole(state, a_tally, bins):
    before = state.to_bytes()
    with pytest.raises(LearningRecordError, match="bins must be triples"):
        apply(state, a_tally([80, 1, 1, *bins]))
    assert state.to_bytes() == before


def test_records_of_another_key_are_refused(state, a_label, a_tally):
    with pytest.raises(LearningRecordError, match="other"):
        apply(state, a_label(learning_key="other"))
    with pytest.raises(LearningRecordError, match="other"):
        apply(state, a_tally([], key="other"))


# --- thresholds -----------------------------------------------------------------------------------


def thresholds(changes) -> list[ThresholdUpdated]:
    return [change for change in changes if isinstance(change, ThresholdUpdated)]


def traffic(a_tally) -> ScoreTally:
    return a_tally([n for b in range(80, 94) for n in (b, 20, 20)])


def test_the_first_record_says_what_applies_and_what_is_missing(state, a_tally):
    (first,) = thresholds(apply(state, a_tally([BIN, 10, 10])))
    assert (first.version, first.threshold, first.floor, first.cap) == (1, 0.9, 0.9, 0.0)
    assert (first.labels, first.labels_needed, first.certified) == (0, 317, None)
    assert first.evidence_probability == 1.0
    assert first.reason == (
        "The policy's own threshold 0.90 applies, without a guarantee. Of 0 blind checks from 0.90 up 0 "
        "found the AI wrong. Not enough evidence: scores are watched first, then about 317 blind checks "
        "without an error are needed."
    )


def test_a_few_errors_do_not_tighten_many_do(state, a_label, a_tally):
    few = apply(state, traffic(a_tally), *(a_label(error=i == 0) for i in range(25)))
    assert thresholds(few)[-1].cap == 0.0
    many = apply(state, *(a_label(error=i % 3 == 0) for i in range(50)))
    last = thresholds(many)[-1]
    assert last.threshold == last.cap > 0.9


def test_tightening_is_told_with_its_numbers(state, a_label, a_tally):
    labels = [a_label(score=0.91, error=i % 8 == 0) for i in range(200)] + [
        a_label(score=0.985) for _ in range(400)
    ]
    terms = msgspec.structs.replace(TERMS, alpha=0.03, refresh_labels=600)
    changes = apply(state, traffic(a_tally), *labels, terms=terms)
    last = thresholds(changes)[-1]
    assert 0.91 < last.threshold <= 1.0
    assert last.reason.startswith(
        f"Tightened from 0.90 to {last.threshold:.2f}: of 200 blind checks between them "
        "25 found the AI wrong (12 %)."
    )
    assert "more than the 3 % allowed" in last.reason
    assert "within the 3 % allowed" in last.reason


def test_when_no_threshold_will_do_everything_is_reviewed_and_checked(state, a_label, a_tally):
    labels = [a_label(score=s, error=i % 2 == 0) for i in range(100) for s in (0.92, 0.95, 0.985, 0.995)]
    last = thresholds(apply(state, traffic(a_tally), *labels))[-1]
    assert last.threshold > 1.0
    assert last.evidence_probability == 1.0
    assert "People decide everything from now on" in last.reason


@given(st.lists(st.tuples(st.sampled_from([0.85, 0.92, 0.97, 0.995]), st.booleans()), max_size=300))
@settings(max_examples=40, deadline=None)
def test_the_threshold_never_goes_below_the_policys_own(rows):
    state = KeyState(learning_key=KEY)
    records = [tally_of([b, 5, 5], i) for i, b in enumerate(range(80, 94))]
    records += [label_of(i, score=score, error=error) for i, (score, error) in enumerate(rows)]
    for change in thresholds(apply(state, *records)):
        assert change.threshold >= change.floor == 0.9
        assert 0 < change.evidence_probability <= 1
        assert change.certified is None


def test_relaxing_goes_no_further_than_the_evidence(state, a_label, a_tally):
    scores = (0.905, 0.925, 0.945, 0.965, 0.985)
    bad = [a_label(score=s, error=i % 5 == 0 and s < 0.97) for i in range(40) for s in scores]
    good = [a_label(score=s, error=i % 40 == 0 and s < 0.94) for i in range(200) for s in scores]
    apply(state, traffic(a_tally), *bad)
    relaxed = 0
    for label in good:
        before = state.in_force.threshold
        changes = thresholds(apply(state, label))
        if changes and changes[0].threshold < before:
            relaxed += 1
            counts, errors, platt = state.evidence.fit_by_score(TERMS.ridge)
            curve = expected_errors(error_by_bin(counts, errors, platt, 50.0), state.evidence.traffic)
            assert curve[bin_of(changes[0].threshold)] <= TERMS.relax_share * TERMS.alpha
    assert relaxed > 0


def test_a_changed_policy_acts_at_the_next_record(state, a_tally):
    apply(state, a_tally([BIN, 1, 1]))
    stricter = msgspec.structs.replace(TERMS, own_threshold=0.95)
    (change,) = thresholds(apply(state, a_tally([BIN, 1, 1]), terms=stricter))
    assert (change.previous, change.threshold, change.version) == (0.9, 0.95, 2)
    (back,) = thresholds(apply(state, a_tally([BIN, 1, 1])))
    assert back.threshold == 0.9


def test_checks_become_fewer_in_steps_that_are_announced(state, a_tally):
    changes = thresholds(apply(state, *(a_tally([BIN, 100, 100]) for _ in range(200))))
    shares = [change.evidence_probability for change in changes]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == pytest.approx(TERMS.evidence.floor)
    assert len(shares) < 20
    assert [change.version for change in changes] == list(range(1, len(changes) + 1))


def test_without_a_floor_there_are_still_checks(state, a_tally):
    terms = msgspec.structs.replace(TERMS, evidence=EvidencePlan(floor=0.0, initial=1.0, scale=10.0))
    apply(state, *(a_tally([BIN, 5000, 5000]) for _ in range(5)), terms=terms)
    assert state.in_force.evidence_probability == pytest.approx(terms.evidence_minimum)


def test_calibration_is_announced_when_it_moved(state, a_label):
    changes = apply(state, *(a_label(score=0.97, error=i % 5 == 0) for i in range(100)))
    calibrations = [c for c in changes if isinstance(c, CalibrationUpdated)]
    assert [c.version for c in calibrations] == list(range(1, len(calibrations) + 1))
    assert 1 <= len(calibrations) <= 3
    assert 0 <= calibrations[0].labels - TERMS.calibration_labels < TERMS.refresh_labels
    assert state.calibration.probability(0.97) < 0.93


# --- a pure value ---------------------------------------------------------------------------------


def tally_of(bins: list[int], at: int) -> ScoreTally:
    return ScoreTally(learning_key=KEY, epoch=0, bins=bins, policy_threshold=0.9, routed_at=at)


def label_of(number: int, **fields) -> LearningLabel:
    score = fields.get("score", 0.93)
    values = {
        "label_id": f"label-{number}",
        "decision_id": f"decision-{number}",
        "learning_key": KEY,
        "decision_type": "expense.approval",
        "epoch": 0,
        "raw": score,
        "score": score,
        "level": 1,
        "automated": True,
        "evidence": True,
        "inclusion_probability": 0.37,
        "source": "review",
        "kind": ReviewKind.AUDIT,
        "blind": True,
        "reviewer": "ann",
        "error": False,
        "decided_at": number,
        "labelled_at": number,
    }
    return LearningLabel(**{**values, **fields})


SMALL = msgspec.structs.replace(
    TERMS, refresh_labels=3, refresh_decisions=40, half_life=7.0, memory=6, duplicates=8, reviewers=2
)
TALLIES = st.builds(
    lambda rows, at: tally_of([n for b, d, a in rows for n in (b, d, min(a, d))], at),
    st.lists(st.tuples(st.integers(-1, 93), st.integers(0, 30), st.integers(0, 30)), max_size=4),
    st.integers(0, 10_000),
)
LABELS = st.builds(
    label_of,
    st.integers(0, 12),
    score=st.sampled_from([0.3, 0.72, 0.91, 0.97, 0.999]),
    epoch=st.integers(0, 1),
    evidence=st.booleans(),
    blind=st.booleans(),
    automated=st.booleans(),
    source=st.sampled_from(["review", "review", "observation"]),
    kind=st.sampled_from(list(ReviewKind)),
    reviewer=st.sampled_from(["ann", "ben", "cem"]),
    error=st.booleans(),
)
RECORDS = st.lists(st.one_of(TALLIES, LABELS), max_size=60)


@given(RECORDS, st.lists(st.integers(0, 60), max_size=6))
@settings(max_examples=60, deadline=None)
def test_batches_and_restarts_change_nothing(records, cuts):
    whole, expected = learn(KeyState(learning_key=KEY), records, SMALL)
    state, changes = KeyState(learning_key=KEY), []
    edges = [0, *sorted(cut for cut in cuts if cut < len(records)), len(records)]
    for start, end in pairwise(edges):
        state = KeyState.from_bytes(state.to_bytes())
        state, some = learn(state, records[start:end], SMALL)
        changes += some
    assert state.to_bytes() == whole.to_bytes()
    assert changes == expected


@given(RECORDS)
@settings(max_examples=30, deadline=None)
def test_a_batch_leaves_the_state_before_it_alone(records):
    state, _ = learn(KeyState(learning_key=KEY), records[:30], SMALL)
    before = state.to_bytes()
    learn(state, records[30:], SMALL)
    assert state.to_bytes() == before


def test_a_batch_that_fails_leaves_nothing_behind(a_label, a_tally):
    state = KeyState(learning_key=KEY)
    before = state.to_bytes()
    with pytest.raises(LearningRecordError):
        learn(state, [a_label(), a_tally([1])], TERMS)
    assert state.to_bytes() == before


def test_what_is_remembered_of_names_is_the_same_in_every_process(state, a_label):
    apply(state, a_label(decision_id="exp-001"))
    ((decision, judgement),) = state.judgements.standing.items()
    assert (decision, judgement.reviewer) == (4459498768774503990, 38968)


def test_long_lives_do_not_overflow(state, a_label, a_tally):
    terms = msgspec.structs.replace(TERMS, half_life=1.0)
    for _ in range(50):
        apply(state, a_tally([BIN, 1000, 900]), a_label(), terms=terms)
    assert state.evidence.traffic[BIN] / state.evidence.scale == pytest.approx(1000)
    assert state.evidence.score_labels[BIN] / state.evidence.scale == pytest.approx(1.0)


def test_a_changed_half_life_keeps_what_is_known(state, a_label, a_tally):
    apply(state, a_tally([BIN, 4000, 4000]), a_label(), a_tally([BIN, 4000, 4000]))
    apply(state, a_tally([BIN, 0, 0]), terms=msgspec.structs.replace(TERMS, half_life=100.0))
    assert state.evidence.score_labels[BIN] / state.evidence.scale == pytest.approx(0.5)
    assert state.evidence.half_life == 100.0


def test_a_full_state_is_small(state, a_label, a_tally):
    apply(state, a_tally([BIN, 2_000_000_000, 1_000_000_000]))
    for i in range(2000):
        reviewer = f"reviewer-{i % 100:03d}@example.org"
        apply(
            state,
            a_tally([BIN, 100, 70]),
            a_label(score=0.5 + i % 500 / 1000, reviewer=reviewer, error=i % 9 == 0),
        )
        apply(state, a_label(evidence=False, blind=False, kind=ReviewKind.REVIEW, reviewer=reviewer))
    assert len(state.overrides.reviewers) == TERMS.reviewers
    for name in ("labels", "errors", "old_labels", "old_errors", "shown_labels", "shown_errors"):
        values = getattr(state.evidence, name)
        setattr(state.evidence, name, [value + 301 for value in values])
    state.automation.certificate.rejected = [100] * BINS
    state.automation.expansion.before = [0.935] * 16
    young = [Reference(2_000_000_000, [49_999] * BINS, 0.123, 0.003) for _ in range(3)]
    state.automation.monitors = Monitors(references=young, shown_references=young)
    state.raised = [f"reviewer_outlier:reviewer-{i:03d}@example.org" for i in range(20)]
    assert len(state.judgements.standing) == TERMS.memory
    assert len(state.to_bytes()) < 32_000


@pytest.mark.parametrize("saved", [b"", b"\xc3\x01 nothing of ours", b"\x80"])
def test_state_that_can_not_be_read_says_what_to_do(saved):
    with pytest.raises(LearningStateError) as failure:
        KeyState.from_bytes(saved)
    assert "learning.state" in failure.value.hint


def test_state_of_a_later_format_is_refused(state):
    state.format = 4
    with pytest.raises(LearningStateError, match="format 4"):
        KeyState.from_bytes(state.to_bytes())


@pytest.mark.parametrize(
    "fields",
    [{"alpha": 0.0}, {"delta": 1.0}, {"half_life": 0.0}, {"relax_share": 0.99}, {"evidence_step": 1.0}],
)
def test_terms_that_can_not_work_are_refused(fields):
    with pytest.raises(UsageError, match=next(iter(fields))):
        LearningTerms(own_threshold=0.9, **fields)


def test_a_pattern_carries_where_and_what(state, a_label):
    changes = apply(state, *(a_label(score=0.97, error=i % 4 == 0) for i in range(75)))
    found, retrain = [change for change in changes if isinstance(change, PatternDetected)]
    assert retrain.pattern == "retrain"
    assert found.text in retrain.text
    assert (found.pattern, found.segment, found.learning_key) == ("miscalibrated", "expense.approval", KEY)
    assert 2_000 < found.detected_at <= state.latest
    assert abs(found.value) > abs(found.limit)
