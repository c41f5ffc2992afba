"""What is submitted: the same records for the same seed, on business days, with bad ones among them."""

import math
from datetime import UTC, datetime

import msgspec
import pytest

from app.demo.lending import Application
from app.demo.model import Recommendation
from app.demo.submissions import PILOT, plan
from app.domain.events import DecisionSubmitted


def applications(count):
    return [
        Application(
            application_id=f"hmda-{n:04d}",
            facts={"loan_to_value": 0.8, "payment_to_income": 0.3, "self_employed": False},
            lender="approve",
            african_american=False,
            single=False,
        )
        for n in range(count)
    ]


ADVICE = Recommendation(
    action="approve",
    probability=0.9,
    rationale="for it: employed",
    second="reject",
    second_probability=0.1,
    second_rationale="nothing unusual",
    similarity=1.0,
    consensus=1.0,
    rule_clarity=0.8,
)


def planned(count=300, seed=7, days=5):
    return plan(applications(count), [ADVICE] * count, seed=seed, days=days)


def test_the_first_day_is_a_pilot_and_the_others_share_the_rest():
    sizes = [len(wave.submissions) for wave in planned(days=6).waves]
    assert sizes == [PILOT, 50 + 4, 50, 50, 50, 50]


def test_records_come_in_order_of_time_on_weekdays_within_business_hours():
    for wave in planned().waves:
        times = [submission.at for submission in wave.submissions]
        assert times == sorted(times)
        assert wave.opens_at < times[0]
        assert datetime.fromtimestamp(times[0] / 1000, UTC).weekday() < 5


def test_the_same_seed_plans_the_same_records():
    assert msgspec.msgpack.encode(planned().waves[0]) == msgspec.msgpack.encode(planned().waves[0])
    assert planned(seed=8).waves[0].opens_at != planned(seed=7).waves[0].opens_at


def test_each_planted_record_is_bad_in_the_way_it_says():
    made = planned()
    by_id = {}
    for submission in made.waves[1].submissions:
        by_id.setdefault(submission.key, []).append(submission.value)
    kinds = {planted.kind: by_id[planted.decision_id] for planted in made.planted}

    assert "loan_to_value" not in msgspec.json.decode(kinds["facts missing"][0].facts)
    assert math.isnan(kinds["probability not a number"][0].recommendation.probability)
    first, again = kinds["same id twice"]
    assert first == again
    assert kinds["type without policy"][0].decision_type == "pet.insurance"
    assert isinstance(kinds["not a record"][0], bytes)
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(kinds["facts cut off"][0].facts)


def test_nothing_but_the_planted_records_is_touched():
    made = planned()
    bad = {planted.decision_id for planted in made.planted}
    good = [s for wave in made.waves for s in wave.submissions if s.key not in bad]
    assert len(good) == 300 - 3
    assert all(
        isinstance(s.value, DecisionSubmitted) and len(msgspec.json.decode(s.value.facts)) == 3 for s in good
    )
    assert made.records == 300 + 4
