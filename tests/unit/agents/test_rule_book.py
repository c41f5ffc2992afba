"""The rules that workers follow: what is broken has no effect and stops nothing."""

from __future__ import annotations

import msgspec
import pytest

from app.agents.rule_book import RuleBook
from app.agents.rule_watch import expired
from app.domain.events import RuleChange
from app.domain.evidence_chain import SEAL_HEADER, seal, seal_key
from app.domain.expression_context import context
from app.stream.topics import Topic
from tests.unit.agents.parts import CODEC, SEALED, SECRET, decision, incoming
from tests.unit.domain.cases import DAY, NOW
from tests.unit.domain.test_standing_rules import a_rule, changed


def heard(book, *events):
    for event in events:
        book.hear(ours(event))
    return book()


def ours(event, topic=Topic.RULES_CHANGED):
    """The record as the desk of rules writes it."""
    record = incoming(event, topic=topic)
    mark = seal(seal_key(SECRET), topic, record.key, record.value)
    return msgspec.structs.replace(record, headers=[*record.headers, (SEAL_HEADER, mark.encode())])


def test_a_rule_that_nobody_of_ours_wrote_has_no_effect():
    book = RuleBook(CODEC, SEALED)
    approved = changed(RuleChange.APPROVED)
    book.hear(incoming(approved, topic=Topic.RULES_CHANGED))
    elsewhere = ours(approved, topic=Topic.REVIEWS_LIFECYCLE)
    book.hear(msgspec.structs.replace(elsewhere, topic=Topic.RULES_CHANGED))  # a seal of another topic
    another = ours(changed(RuleChange.APPROVED, rule=a_rule(rule_id="r-2")))
    book.hear(msgspec.structs.replace(ours(approved), value=another.value))  # another content under the seal
    assert book().known == {}
    assert heard(book, approved)("expense.approval").rules


def test_an_approved_rule_is_in_force_for_its_type_and_its_condition_is_evaluated():
    rule = a_rule(condition="facts.amount < 50")
    rules = heard(
        RuleBook(CODEC, SEALED),
        changed(RuleChange.PROPOSED, "ana", rule),
        changed(RuleChange.APPROVED, rule=rule),
    )
    found = rules("expense.approval")
    assert [one.rule.rule_id for one in found.rules] == ["r-1"]
    assert [found.evaluate(context(decision(), {"amount": n}))[0] for n in (49, 50)] == [True, False]
    assert rules("travel.approval").rules == ()


@pytest.mark.parametrize("value", [None, b"", b"poison"])
def test_what_can_not_be_read_changes_nothing(value):
    book = RuleBook(CODEC, SEALED)
    before = heard(book, changed(RuleChange.APPROVED))
    book.hear(incoming(value, topic=Topic.RULES_CHANGED))
    assert book() is before


@pytest.mark.parametrize("condition", ["1 +", "facts.amount", "", "x" * 5000])
def test_a_rule_that_does_not_compile_is_left_out_and_the_others_stay(condition):
    bad = changed(RuleChange.APPROVED, rule=a_rule(rule_id="r-0", condition=condition))
    rules = heard(RuleBook(CODEC, SEALED), bad, changed(RuleChange.APPROVED))
    found = rules("expense.approval")
    assert "r-1" in [one.rule.rule_id for one in found.rules]
    assert found.evaluate(context(decision(), {"amount": 1}))[-1] is True


def test_a_batch_keeps_the_rules_it_began_with():
    book = RuleBook(CODEC, SEALED)
    before = heard(book, changed(RuleChange.APPROVED))
    after = heard(book, changed(RuleChange.REVOKED))
    assert (len(before("expense.approval").rules), after("expense.approval").rules) == (1, ())


def test_a_rule_whose_time_is_over_is_ended_once():
    book = RuleBook(CODEC, SEALED)
    rules = heard(book, changed(RuleChange.PROPOSED, "ana"), changed(RuleChange.APPROVED))
    assert expired(rules, NOW + 10 * DAY - 1) == []
    [end] = expired(rules, NOW + 10 * DAY)
    assert (end.change, end.actor, end.at) == (RuleChange.EXPIRED, "hitl", NOW + 10 * DAY)
    assert expired(heard(book, end), NOW + 11 * DAY) == []
