"""The reviewers file: every mistake with its place."""

from __future__ import annotations

import pytest

from app.lab.reviewers import Reviewers
from app.lab.reviewers_file import ReviewersError, reviewers_from

WHOLE = """
gold_rate: 0.02
anchoring: 0.2
delay_decisions: {mean: 200}
people: 3
false_override: 0.01
sensitivity: 0.9
"""


def test_keys_come_in_any_order():
    assert reviewers_from(WHOLE, "r.yaml") == Reviewers(
        sensitivity=0.9, false_override=0.01, anchoring=0.2, delay_mean=200, gold_rate=0.02, people=3
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}", "\n  \n"])
def test_what_is_left_out_keeps_its_default(text):
    assert reviewers_from(text, "r.yaml") == Reviewers()


def test_the_delay_may_be_a_bare_number_and_the_file_json():
    assert reviewers_from('{"delay_decisions": 7, "sensitivity": 1}', "r.yaml").delay_mean == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sensitivity: 1.2", "r.yaml:1:1 sensitivity: is 1.2; needed is a share from 0 to 1"),
        ("\nanchoring: -0.1", "r.yaml:2:1 anchoring: is -0.1"),
        ("gold_rate: .nan", "gold_rate: is nan"),
        ("false_override: true", "false_override: is true"),
        ("sensitivity: high", 'sensitivity: is "high"'),
        ("sensitivity:", "sensitivity: is null"),
        ("delay_decisions: {mean: -1}", "r.yaml:1:19 delay_decisions.mean: is -1; needed is a number of"),
        ("delay_decisions: {mean: .inf}", "delay_decisions.mean: is inf"),
        ("delay_decisions: {median: 3}", "delay_decisions.median: is not known; allowed: mean"),
        ("delay_decisions: {}", "delay_decisions: has no mean"),
        ("people: 1", "people: is 1; needed is a whole number from 2"),
        ("anchorin: 0.2", "anchorin: is not known; did you mean anchoring?"),
        ("sensitivity: 0.9\nsensitivity: 0.8", "r.yaml:2:1"),
        ("- 0.9", "the file is not a mapping; write `sensitivity: 0.9`"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_field(text, said):
    with pytest.raises(ReviewersError) as caught:
        reviewers_from(text, "r.yaml")
    assert said in str(caught.value)


def test_all_mistakes_are_told_at_once():
    with pytest.raises(ReviewersError) as caught:
        reviewers_from("sensitivity: 2\nanchoring: 2\npeople: 0", "r.yaml")
    assert len(str(caught.value).splitlines()) == 3
