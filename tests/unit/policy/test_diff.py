"""The difference of two policies, in meaning."""

from __future__ import annotations

import pytest

from app.policy.diff import Change, Effect, diff_policies
from app.policy.load import policy_from_text
from tests.unit.policy.texts import MINIMAL, with_lines

TYPE = "decision_types.expense.approval"
RULE = "{name: large, text: Large, when: facts.amount > 5000, min_level: 3}"
OTHER = "{name: other_rule, text: Other, when: facts.amount > 1, min_level: 4}"


def changes(old, new):
    found = diff_policies(policy_from_text(old).content, policy_from_text(new).content)
    return {change.field: change.effect for change in found}


def test_a_default_written_out_is_no_change():
    written = with_lines(
        "bands: {high: 0.9}",
        "alpha: 0.02",
        "threshold_floor: 0.7",
        "expert_pool: reviewers",
        "sla_class: standard",
    )
    assert changes(MINIMAL, written) == {}
    assert changes(with_lines("sla_by_class: {}"), MINIMAL) == {}


@pytest.mark.parametrize(
    ("line", "field", "effect"),
    [
        ("alpha: 0.01", "alpha", Effect.STRICTER),
        ("alpha: 0.05", "alpha", Effect.LOOSER),
        ("audit_rate: 0.5", "audit_rate", Effect.STRICTER),
        ("preset: matrix", "preset", Effect.LOOSER),
        ("levels: {min: 2}", "levels.min", Effect.STRICTER),
        ("levels: {by_class: {high: 4, critical: 5}}", "levels.by_class.high", Effect.STRICTER),
        (f"rules: [{RULE}]", "rules[large]", Effect.STRICTER),
        ("adjustments: [{name: a, text: x, shift: 0.2}]", "adjustments[a]", Effect.LOOSER),
        ("adjustments: [{name: a, text: x, shift: -0.2}]", "adjustments[a]", Effect.STRICTER),
        ("blind_share: 0.2", "blind_share", Effect.UNKNOWN),
        ("description: Words", "description", Effect.NONE),
        ("signals: {similarity: {below: 0.6}}", "signals.similarity.below", Effect.STRICTER),
    ],
)
def test_a_change_says_whether_it_is_stricter(line, field, effect):
    assert changes(MINIMAL, with_lines(line)) == {f"{TYPE}.{field}": effect}


def test_risk_changes_what_follows_from_it():
    assert changes(MINIMAL, with_lines("risk: high")) == {
        f"{TYPE}.risk": Effect.STRICTER,
        f"{TYPE}.alpha": Effect.STRICTER,
        f"{TYPE}.delta": Effect.STRICTER,
    }


def test_rules_are_matched_by_name_and_their_order_counts():
    one, two = with_lines(f"rules: [{RULE}, {OTHER}]"), with_lines(f"rules: [{OTHER}, {RULE}]")
    assert changes(one, two) == {f"{TYPE}.rules (order)": Effect.UNKNOWN}
    changed = with_lines(f"rules: [{RULE.replace('3}', '4}')}, {OTHER}]")
    assert changes(one, changed) == {f"{TYPE}.rules[large].min_level": Effect.STRICTER}
    assert changes(one, with_lines(f"rules: [{OTHER}]")) == {f"{TYPE}.rules[large]": Effect.LOOSER}


def test_a_type_that_comes_or_goes():
    more = MINIMAL + MINIMAL.partition("decision_types:\n")[2].replace("expense.approval", "travel.text")
    assert changes(MINIMAL, more) == {"decision_types.travel.text": Effect.UNKNOWN}


def test_in_words():
    (change,) = diff_policies(
        policy_from_text(MINIMAL).content, policy_from_text(with_lines("alpha: 0.01")).content
    )
    assert str(change) == f"{TYPE}.alpha: 0.02 -> 0.01  (stricter)"


def test_lists_and_whole_parts_are_shown_as_a_policy_writes_them():
    one, two = with_lines(f"rules: [{OTHER}]"), with_lines(f"rules: [{RULE}, {OTHER}]")
    (added,) = diff_policies(policy_from_text(one).content, policy_from_text(two).content)
    first, *rest = str(added).splitlines()
    assert first == f"{TYPE}.rules[large]: added  (stricter)"
    assert "  name: large" in rest
    assert not any(sign in str(added) for sign in ("{", "'", "None", "pool"))
    (removed,) = diff_policies(policy_from_text(two).content, policy_from_text(one).content)
    assert str(removed).splitlines()[0] == f"{TYPE}.rules[large]: removed  (looser)"
    assert str(Change(field="a.b", old=["x", "y"], new=["x"], effect=Effect.NONE)) == "a.b: [x, y] -> [x]"
    assert str(Change(field="a", old=True, new=False, effect=Effect.NONE)) == "a: true -> false"
