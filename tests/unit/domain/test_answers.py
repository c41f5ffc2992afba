"""What a reviewer has to say before it counts."""

import pytest

from app.domain.answers import MAX_TEXT, Verdict, completed, incomplete
from app.policy.compiled import compile_policy
from app.policy.load import load_policy
from app.settings import load_settings

ACTIONS = ("approve", "reject", "modify", "request_info")
TERMS = compile_policy(load_policy(load_settings().policy_path)).terms["expense.approval"]


def wrong(must_document=False, terms=TERMS, **given):
    verdict = Verdict(**{"action": "approve", "reasoning": "receipt matches", **given})
    return {
        field: denial.code
        for field, denial in incomplete(verdict, ACTIONS, terms, must_document=must_document).items()
    }


def test_an_action_and_a_reasoning_are_enough():
    assert wrong() == {}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"action": "pay"}, {"action": "unknown_action"}),
        ({"action": "request_info"}, {"action": "not_an_answer"}),
        ({"action": "escalate"}, {"action": "not_an_answer"}),
        ({"reasoning": "  \n"}, {"reasoning": "no_reasoning"}),
        ({"reasoning": "x" * (MAX_TEXT + 1)}, {"reasoning": "too_long"}),
        ({"note": "x" * (MAX_TEXT + 1)}, {"note": "too_long"}),
        ({"must_document": True}, {"note": "no_note"}),
        ({"must_document": True, "note": "seen"}, {}),
        ({"reason_code": "agrees"}, {}),
        ({"reason_code": "nonsense"}, {"reason_code": "unknown_reason"}),
        ({"reason_code": "other"}, {}),
        ({"tags": ("teaching_example",)}, {}),
        ({"tags": ("funny",)}, {"tags": "unknown_tag"}),
        ({"action": "modify"}, {"changes": "no_changes"}),
        ({"action": "modify", "changes": "{}"}, {"changes": "no_changes"}),
        ({"action": "modify", "changes": "[1]"}, {"changes": "changes_not_an_object"}),
        ({"action": "modify", "changes": "{"}, {"changes": "changes_not_an_object"}),
        ({"action": "modify", "changes": '{"amount": 900}'}, {}),
        ({"action": "modify", "changes": '{"amount": "a lot"}'}, {"changes": "wrong_type"}),
        ({"action": "modify", "changes": '{"amount": true}'}, {"changes": "wrong_type"}),
        ({"action": "modify", "changes": '{"amount": {"x": 1}}'}, {"changes": "wrong_type"}),
        ({"action": "modify", "changes": '{"colour": "red"}'}, {"changes": "unknown_fact"}),
        ({"action": "pay", "reasoning": ""}, {"action": "unknown_action", "reasoning": "no_reasoning"}),
    ],
)
def test_what_is_missing_is_said_by_field(given, expected):
    assert wrong(**given) == expected


def test_a_type_that_left_the_policy_can_still_be_answered():
    assert wrong(terms=None, reason_code="anything", action="modify", changes='{"a": 1}') == {}


def test_an_override_without_a_code_has_its_reason_in_words():
    said = Verdict(action="reject", reasoning="no receipt")
    assert completed(said, "approve").reason_code == "other"
    assert completed(said, "reject").reason_code == ""
