"""What the rules of a decision type answer themselves."""

from __future__ import annotations

import pytest

from app.domain.terms import confirms_errors
from tests.unit.domain.cases import HOUR, NOW, terms


def test_what_is_asked_for_has_the_time_of_its_class_from_then_on():
    rules = terms()
    assert rules.due("standard", NOW + HOUR) == NOW + HOUR + rules.sla_durations["standard"]
    assert rules.due("none", NOW) is None


@pytest.mark.parametrize(
    ("said", "gold_share", "confirmed"),
    [(None, 0.02, True), (None, 0.0, False), (False, 0.02, False), (True, 0.0, True)],
)
def test_findings_are_confirmed_where_gold_items_show_the_catch_rate_unless_the_policy_says(
    said, gold_share, confirmed
):
    assert confirms_errors(said, gold_share) is confirmed
