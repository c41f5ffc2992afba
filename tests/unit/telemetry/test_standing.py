"""The targets' numbers from kept sums, and when they are met."""

from __future__ import annotations

import pytest

from app.telemetry import catalogue as c
from app.telemetry.counts import Increments
from app.telemetry.formulas import Quantile, Total, Usual, Worst, where
from app.telemetry.standing import (
    DAY,
    HOUR,
    Kept,
    TargetSums,
    Verdict,
    evaluate,
    field_of,
    standings,
    verdict,
)
from app.telemetry.targets import TARGETS
from tests.unit.domain.cases import NOW

BY_NAME = {target.name: target for target in TARGETS}


def sums(name: str, part: float, whole: float) -> dict[str, float]:
    formula = BY_NAME[name].formula
    return {field_of(formula.part): part, field_of(formula.whole): whole}


def kept(*, hours=None, days=None, gauges=None) -> Kept:
    """Sums by how many hours or days ago."""
    return Kept(
        hours={NOW // HOUR - ago: found for ago, found in (hours or {}).items()},
        days={NOW // DAY - ago: found for ago, found in (days or {}).items()},
        gauges=gauges,
    )


def at(name: str, kept: Kept):
    return next(one for one in standings(kept, NOW) if one.target.name == name)


def test_a_day_is_the_last_24_hours():
    found = kept(hours={0: sums("automation_rate", 6, 10), 23: sums("automation_rate", 9, 10)})
    assert at("automation_rate", found).value == 0.75
    assert at("automation_rate", kept(hours={24: sums("automation_rate", 6, 10)})).value is None


def test_weeks_and_months_are_whole_days():
    found = kept(days={0: sums("sla", 95, 100), 6: sums("sla", 85, 100), 7: sums("sla", 0, 500)})
    assert at("sla", found).value == 0.9
    assert at("sla", found).verdict is Verdict.BELOW


def test_what_has_not_come_yet_is_missed_only_when_its_time_is_over():
    assert at("new_scenarios", kept()).verdict is Verdict.UNKNOWN
    assert at("new_scenarios", kept(days={28: sums("sla", 95, 100)})).verdict is Verdict.UNKNOWN
    assert at("new_scenarios", kept(days={29: sums("sla", 95, 100)})).verdict is Verdict.BELOW


def test_a_change_is_judged_and_needs_something_to_compare_with():
    this_week = {0: sums("downstream_errors", 2, 100)}
    assert at("downstream_errors", kept(days=this_week)).verdict is Verdict.UNKNOWN
    both = this_week | {8: sums("downstream_errors", 1, 100)}
    found = at("downstream_errors", kept(days=both))
    assert (found.value, found.judged, found.verdict) == (0.02, 2.0, Verdict.ABOVE)


def test_improvement_is_the_better_of_automation_and_accuracy():
    days = {
        0: sums("automation_rate", 70, 100) | sums("accuracy", 99, 100),
        30: sums("automation_rate", 80, 100) | sums("accuracy", 97, 100),
    }
    found = at("model_improvement", kept(days=days))
    assert found.value == pytest.approx(0.02)
    assert found.verdict is Verdict.MET


def buckets(*counts: int) -> dict[str, float]:
    return {f"{c.HANDLING_SECONDS.name}/{index}": float(count) for index, count in enumerate(counts)}


def test_a_quantile_lies_within_its_bucket_as_prometheus_has_it():
    q = Quantile(c.HANDLING_SECONDS, 0.95, "1d")
    # Edges 5, 15, 30: 100 values, the 95th is the 45th of 50 between 15 and 30.
    assert evaluate(q, kept(hours={0: buckets(10, 40, 50)}), NOW) == pytest.approx(15 + 15 * 45 / 50)
    beyond = [0] * len(c.HANDLING) + [3]
    assert evaluate(q, kept(hours={0: buckets(*beyond)}), NOW) == c.HANDLING[-1]
    assert evaluate(q, kept(), NOW) is None


def test_usual_is_the_median_of_the_days():
    usual = Usual(Quantile(c.HANDLING_SECONDS, 0.95, "1d"), "28d")
    days = {ago: buckets(0, 0, 20) for ago in range(1, 27)}
    found = kept(hours={0: buckets(0, 0, 0, 20)}, days=days)
    assert evaluate(usual, found, NOW) == pytest.approx((30 + 30 * 0.95) / (15 + 15 * 0.95))


def test_gauges_that_nobody_reads_are_not_known():
    total = Total(where(c.QUEUE_DEPTH))
    assert evaluate(total, kept(), NOW) is None
    assert evaluate(total, kept(gauges={c.QUEUE_DEPTH.name: 7.0}), NOW) == 7
    worst = Worst(Quantile(c.FEEDBACK_SECONDS, 0.95, "30d"), c.FEEDBACK_OLDEST)
    assert evaluate(worst, kept(gauges={c.FEEDBACK_OLDEST.name: 700_000.0}), NOW) == 700_000


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("automation_rate", 0.70, Verdict.MET),
        ("automation_rate", 0.85, Verdict.MET),
        ("automation_rate", 0.6999, Verdict.BELOW),
        ("automation_rate", 0.8501, Verdict.ABOVE),
        ("customer_incidents", 0.0, Verdict.MET),
        ("customer_incidents", 1.0, Verdict.ABOVE),
        ("accuracy", None, Verdict.UNKNOWN),
    ],
)
def test_the_edges_of_a_band_belong_to_it(name, value, found):
    assert verdict(BY_NAME[name], value) is found


def test_increments_go_where_the_formulas_look():
    found = Increments(NOW)
    found.count((c.REVIEWS.name, "t", "q", "overridden", "false"), 2)
    found.count((c.REVIEWS.name, "t", "q", "agreed", "false"), 8)
    found.count((c.REVIEWS.name, "t", "q", "overridden", "true"), 50)
    found.count((c.REVIEWS.name, "t", "q", "audited", "false"), 50)
    found.observe((c.HANDLING_SECONDS.name, "t"), 20.0)
    added = TargetSums()(found)
    assert at("override_rate", kept(days={0: added})).value == 0.2
    assert evaluate(Quantile(c.HANDLING_SECONDS, 0.95, "1d"), kept(hours={0: added}), NOW) is not None


def test_a_series_that_no_target_asks_for_is_not_kept():
    found = Increments(NOW)
    found.count((c.CONSUMED.name, "decide"), 5)
    assert TargetSums()(found) == {}
