"""The answer form: what counts as an answer, and what is said where it does not."""

import msgspec
import pytest

from app.composition.parts import load_compiled_policy
from app.console.pages.answer_form import Typed, changeable, typed_of, verdict_of
from app.console.pages.reading import Fact
from app.domain.events import OverrideCategory
from app.settings import load_settings

TERMS = load_compiled_policy(load_settings({})).terms["expense.approval"]
ALLOWED = ("approve", "reject", "modify")
FACTS = changeable(
    [
        Fact("amount", "Amount", "1240.5", 1240.5),
        Fact("category", "Category", "travel", "travel"),
        Fact("receipts", "Receipts", "yes", True),
    ],
    TERMS,
)
GOOD = Typed(action="approve", reasoning="the receipt matches", reason_code="agrees")


def verdict(**changes):
    return verdict_of(msgspec.structs.replace(GOOD, **changes), ALLOWED, TERMS, FACTS)


def wrong(**changes):
    answer, mistakes = verdict(**changes)
    assert answer is None
    return [mistake.field for mistake in mistakes]


def test_an_answer_has_an_action_a_reason_and_reasoning():
    answer, mistakes = verdict(note="see also exp-3", tags=["teaching_example"], category="ai_error")
    assert not mistakes
    assert answer.reasoning == "the receipt matches" and answer.note == "see also exp-3"
    assert answer.tags == ("teaching_example",) and answer.category is OverrideCategory.AI_ERROR


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"action": ""}, "action-1"),
        ({"action": "delete_everything"}, "action-1"),
        ({"reasoning": ""}, "reasoning"),
        ({"reason_code": ""}, "reason_code"),
        ({"reason_code": "made_up"}, "reason_code"),
        ({"reasoning": "x" * 10_001}, "reasoning"),
        ({"action": "modify"}, "change-amount"),
        ({"action": "modify", "changes": {"amount": "a lot"}}, "change-amount"),
        ({"action": "modify", "changes": {"amount": "inf"}}, "change-amount"),
        ({"action": "modify", "changes": {"amount": "1240.5"}}, "change-amount"),
    ],
)
def test_what_is_missing_is_said_at_its_field(changes, field):
    assert wrong(**changes) == [field]


def test_all_mistakes_are_told_at_once():
    assert wrong(action="", reasoning="", reason_code="") == ["action-1", "reasoning", "reason_code"]


def test_another_reason_needs_no_code_of_the_policy():
    assert verdict(reason_code="other")[0].reason_code == "other"


@pytest.mark.parametrize(
    ("typed", "changes"),
    [
        ({"amount": "900"}, '{"amount":900}'),
        ({"amount": "900.50"}, '{"amount":900.5}'),
        ({"amount": "1240.5", "category": "books"}, '{"category":"books"}'),
        ({"receipts": "no"}, '{"receipts":false}'),
        ({"tenure_days": "12"}, '{"tenure_days":12}'),
        ({"amount": "900", "no_such_fact": "1"}, '{"amount":900}'),
    ],
)
def test_only_what_was_changed_is_sent_and_has_its_type(typed, changes):
    assert verdict(action="modify", changes=typed)[0].changes == changes


def test_changes_count_only_for_the_action_that_changes():
    assert verdict(changes={"amount": "900"})[0].changes is None


def test_a_form_from_a_browser():
    typed = typed_of(
        {"action": "modify", "reasoning": " a\r\nb ", "change.amount": "9", "confirmed": "yes"},
        ["policy_issue", "<script>"],
    )
    assert typed.reasoning == "a\nb" and typed.changes == {"amount": "9"}
    assert typed.tags == ["policy_issue"] and typed.confirmed
