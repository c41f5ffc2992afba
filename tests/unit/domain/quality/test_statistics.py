"""The statistics of people: against scipy, against published numbers, and by simulation."""

from __future__ import annotations

import math
import random

import pytest
from scipy import stats

from app.domain.learning.override_rates import Expectation
from app.domain.learning.proportions import beta_at_most
from app.domain.quality.agreement import agreement
from app.domain.quality.anchoring import Cell, anchoring
from app.domain.quality.figures import Anchoring, FunnelPoint, GoldFigures, Handling
from app.domain.quality.forecast import HOUR, WEEK_HOURS, forecast
from app.domain.quality.funnel import dispersion, funnel
from app.domain.quality.gold_catch import ALARM, lower_bound, update
from app.domain.quality.reading import reading_floor, words
from app.domain.quality.rubber_stamp import rubber_stamp
from app.domain.quality.staffing import erlang_c, expected_reviews, plan, what_if
from app.errors import UsageError


def expectation(overrides, cases, p):
    group = Expectation()
    for i in range(cases):
        group.add(i < overrides, p, 1.0)
    return group


# --- funnel ---------------------------------------------------------------------------------------


def test_who_decides_by_chance_is_hardly_ever_flagged():
    rng = random.Random(7)
    flagged = 0
    for _ in range(200):
        people = {
            f"r{i}": expectation(sum(rng.random() < 0.2 for _ in range(150)), 150, 0.2) for i in range(20)
        }
        flagged += sum(dot.flagged for dot in funnel(people).points)
    assert flagged / (200 * 20) < 0.006  # 0.27 % by the normal limits, and phi estimated


def test_people_who_really_differ_widen_the_limits():
    rng = random.Random(8)
    rates = [rng.betavariate(6, 24) for _ in range(30)]
    people = {
        f"r{i}": expectation(sum(rng.random() < p for _ in range(400)), 400, 0.2) for i, p in enumerate(rates)
    }
    plot = funnel(people)
    assert plot.dispersion > 4
    assert sum(dot.flagged for dot in plot.points) <= 1


def test_limits_are_where_z_is():
    [dot] = funnel({"ann": expectation(30, 100, 0.2)}).points
    assert dot.z == pytest.approx((30 - 20) / math.sqrt(100 * 0.2 * 0.8))
    assert dot.upper == pytest.approx(1 + 3 * math.sqrt(16) / 20)
    assert dispersion([]) == 1.0
    assert funnel({}).points == ()


def test_in_a_small_team_one_outlier_does_not_hide_itself():
    """Were its own z part of the dispersion, it would widen its own limits."""
    team = {name: expectation(20, 100, 0.2) for name in ("ann", "cat", "dan")}
    plot = funnel(team | {"bob": expectation(1, 100, 0.2)})
    assert [dot.reviewer for dot in plot.points if dot.flagged] == ["bob"]


# --- gold -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("caught", "shown"), [(0, 0), (18, 20), (0, 9), (7, 7), (80, 100)])
def test_the_catch_rates_bound_is_the_beta_quantile(caught, shown):
    expected = stats.beta.ppf(0.05, 1 + caught, 1 + shown - caught)
    assert lower_bound(caught, shown) == pytest.approx(expected, abs=1e-6)


def test_the_catch_rates_bound_is_what_bisection_alone_gives():
    """To the last bit: saved states and announcements rest on it."""
    for shown in (0, 1, 2, 5, 29, 30, 150, 1200):
        for caught in {0, shown // 3, shown * 4 // 5, shown}:
            below, above = 1e-12, 1.0 - 1e-12
            while above - below > 1e-9:
                middle = (below + above) / 2
                if beta_at_most(middle, 1.0 + caught, 1.0 + shown - caught) < 0.05:
                    below = middle
                else:
                    above = middle
            assert lower_bound(caught, shown) == (below + above) / 2


def items_until_alarm(rate, rng, most=5000):
    evidence = 1.0
    for n in range(1, most + 1):
        evidence = update(evidence, rng.random() < rate)
        if evidence >= ALARM:
            return n
    return most


def test_a_good_reviewer_is_left_alone_and_a_bad_one_is_found():
    rng = random.Random(9)
    good = [items_until_alarm(0.8, rng) for _ in range(300)]
    assert sum(good) / len(good) > 100  # what is promised for whoever just meets the target
    bad = sorted(items_until_alarm(0.3, rng) for _ in range(300))
    assert bad[150] < 14


def test_years_of_good_work_do_not_hide_that_somebody_stopped_looking():
    evidence = 1.0
    for _ in range(500):
        evidence = update(evidence, True)
    missed = 0
    while evidence < ALARM:
        evidence, missed = update(evidence, False), missed + 1
    assert missed == 6


# --- anchoring ------------------------------------------------------------------------------------


def test_the_interval_of_the_gap_covers_as_often_as_it_says():
    rng = random.Random(10)
    covered = 0
    for _ in range(600):
        cells = []
        for base in (0.05, 0.15, 0.35):
            cell = Cell()
            for _ in range(30):
                cell.add(blind=True, override=rng.random() < base + 0.1)
            for _ in range(120):
                cell.add(blind=False, override=rng.random() < base)
            cells.append(cell)
        found = anchoring(cells)
        covered += found.lower <= 0.1 <= found.upper
    assert 0.92 < covered / 600 < 0.98


def test_another_mix_of_cases_is_no_gap():
    """More blind answers on hard cases: the plain rates differ by 18 points, within bands by nothing."""
    found = anchoring([Cell(100, 40, 20, 8), Cell(20, 2, 100, 10)])
    assert found.blind_overrides / found.blind - found.shown_overrides / found.shown > 0.18
    assert found.gap == pytest.approx(0.0)


# --- agreement ------------------------------------------------------------------------------------


def test_gwets_own_example_of_twelve_units_and_four_raters():
    """Handbook of Inter-Rater Reliability, missing ratings included: AC1 .77544, standard error .14295."""
    rated = [
        "aaa", "bbcb", "cccc", "cccc", "bbbb", "abcd", "dddd", "aaba", "bbbb", "eee", "aa", "c",
    ]  # fmt: skip
    found = agreement([list(unit) for unit in rated])
    assert found.coefficient == pytest.approx(0.77544, abs=1e-5)
    assert found.standard_error == pytest.approx(0.14295, abs=1e-5)


def test_nearly_everybody_approves_and_still_they_agree():
    found = agreement([["approve", "approve"]] * 95 + [["approve", "reject"]] * 5)
    assert found.coefficient > 0.94
    assert agreement([]) is None


def test_the_interval_of_the_agreement_covers_as_often_as_it_says():
    rng = random.Random(11)
    found = [agreement([[rng.choice("ab"), rng.choice("ab")] for _ in range(150)]) for _ in range(300)]
    assert 0.92 < sum(one.lower < 0 < one.upper for one in found) / 300 < 0.98


# --- rubber stamp ---------------------------------------------------------------------------------

LOW = FunnelPoint(
    reviewer="ann",
    answers=200,
    observed=2,
    expected=40,
    ratio=0.05,
    z=-6.7,
    lower=0.5,
    upper=1.5,
    flagged=True,
)
MISSES = GoldFigures(wrong=12, caught=3, rate=0.25, lower=0.1, evidence=900.0)
ANCHORED = Anchoring(
    blind=40, blind_overrides=12, shown=160, shown_overrides=2, gap=0.28, lower=0.15, upper=0.4
)
HASTY = Handling(answers=200, median=4000, under_floor=150, under_share=0.75)


def test_it_takes_all_four():
    assert rubber_stamp(LOW, MISSES, ANCHORED, HASTY).stamped
    for missing in (
        (None, MISSES, ANCHORED, HASTY),
        (LOW, GoldFigures(wrong=12, caught=11, rate=0.92, lower=0.7, evidence=0.6), ANCHORED, HASTY),
        (LOW, MISSES, Anchoring(blind=40, shown=160, gap=0.01, lower=-0.05, upper=0.07), HASTY),
        (LOW, MISSES, ANCHORED, Handling(answers=200, median=90_000, under_floor=4, under_share=0.02)),
    ):
        found = rubber_stamp(*missing)
        assert not found.stamped
        assert found.fired == 3


def test_raw_agreement_is_a_flag_and_no_verdict():
    found = rubber_stamp(None, GoldFigures(), Anchoring(shown=200, shown_overrides=1), Handling())
    assert (found.raw, found.stamped, found.fired) == (True, False, 0)
    assert not rubber_stamp(None, GoldFigures(), Anchoring(shown=49), Handling()).raw


def test_overriding_far_more_than_others_is_no_rubber_stamp():
    high = FunnelPoint(
        reviewer="b", answers=99, observed=80, expected=20, ratio=4, z=9, lower=0.4, upper=1.6, flagged=True
    )
    assert rubber_stamp(high, GoldFigures(), Anchoring(), Handling()).signals[0].fired is False


# --- reading -------------------------------------------------------------------------------


def test_a_package_takes_as_long_as_its_words():
    assert reading_floor('{"a": ' + '"' + "word " * 400 + '"}') == 60_000
    assert words('[{"deep": ["two words", 7, null, false]}]') == 3


# --- capacity -------------------------------------------------------------------------------------


def test_erlang_c_is_the_sum_formula():
    for people, load in ((1, 0.5), (5, 3.2), (40, 36.0)):
        top = load**people / math.factorial(people) * people / (people - load)
        below = sum(load**k / math.factorial(k) for k in range(people))
        assert erlang_c(people, load) == pytest.approx(top / (below + top))


def test_a_large_desk_is_planned_without_overflow():
    found = plan(36_000, 600_000, wait=300_000)
    assert found.load == 6000
    assert found.people >= 8000
    assert found.within > 0.99


def test_more_automation_takes_fewer_and_more_volume_more_people():
    volumes = [50, 400, 300]
    before = [one.people for one in what_if(volumes, 300_000, automation=0.7)]
    assert all(
        a <= b
        for a, b in zip([p.people for p in what_if(volumes, 300_000, automation=0.85)], before, strict=True)
    )
    grown = what_if(volumes, 300_000, automation=0.7, growth=1.5)
    assert all(a.people >= b for a, b in zip(grown, before, strict=True))
    assert expected_reviews(100, 1.0, 0.1) == pytest.approx(10)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: plan(10, 1000, occupancy=0),
        lambda: plan(10, 1000, shrinkage=1),
        lambda: plan(-1, 1000),
        lambda: plan(float("nan"), 1000),
        lambda: expected_reviews(10, 1.2),
        lambda: expected_reviews(float("nan"), 0.5),
    ],
)
def test_what_can_not_be_planned_is_said(wrong):
    with pytest.raises(UsageError):
        wrong()


def test_a_forecast_knows_the_hour_of_the_week_and_covers():
    rng = random.Random(12)

    def rate(hour):
        of_day, of_week = hour % 24, hour % WEEK_HOURS
        return 40.0 if 8 <= of_day < 18 and of_week < 120 else 3.0

    def drawn(mean):
        return sum(rng.random() < mean / 1000 for _ in range(1000))

    start = 3000 * WEEK_HOURS
    past = {(start + h) * HOUR: drawn(rate(h)) for h in range(4 * WEEK_HOURS)}
    ahead = forecast(past, (start + 4 * WEEK_HOURS) * HOUR, WEEK_HOURS, known_from=start * HOUR)
    assert [f.expected > 20 for f in ahead] == [rate(h) > 20 for h in range(WEEK_HOURS)]
    inside = sum(f.lower <= drawn(rate(h)) <= f.upper for h, f in enumerate(ahead))
    assert inside / WEEK_HOURS > 0.82


def test_with_less_than_a_week_the_mean_of_what_is_known_is_taken():
    past = {h * HOUR: 6 for h in range(10)}
    [found] = forecast(past, 10 * HOUR, 1, known_from=0)
    assert found.expected == 6
    [nothing] = forecast({}, 10 * HOUR, 1, known_from=10 * HOUR)
    assert (nothing.expected, nothing.upper) == (0.0, math.inf)
