"""Expressions: friendly to write, checked when loaded, and never an exception when they run."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.expression_context import context
from app.policy.expression_text import ExpressionError
from app.policy.expressions import (
    MOST_REMEMBERED,
    Expressions,
    check_condition,
    check_number,
)
from tests.unit.domain.cases import decision

SEEN = {
    "facts": {"amount": 1240.5, "category": "travel", "new": True},
    "recommendation": {"action": "approve", "probability": 0.93},
    "signals": {"model_probability": 0.93},
    "decision": {"hour": 9.0, "weekday": 1.0, "day": 2.0, "month": 3.0},
    "assessment": {"harm": 0.1, "consequence_class": "low"},
}


def numbers(*texts):
    return Expressions(texts, conditions=False).evaluate(SEEN)


def conditions(*texts):
    return Expressions(texts, conditions=True).evaluate(SEEN)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("facts.amount / 10", 124.05),
        ("min(facts.amount / 10, 1)", 1.0),
        ("max(0, min (1, 0.5))", 0.5),
        ("facts.amount > 1000 ? 1 : 0.5", 1.0),
        ("0x10 + 1", 17.0),
        ("1 // + facts.nothing", 1.0),
        ("double(size(facts.category)) / 2", 3.0),
        ("has(facts.tier) ? 1 : 0.2", 0.2),
        ("1e3", 1000.0),
    ],
)
def test_numbers_are_floating_point_and_min_and_max_exist(text, value):
    assert numbers(text) == [value]
    assert numbers(text, text, "0.1") == [value, value, 0.1]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("facts.amount > 1000 && facts.new", True),
        ("size(facts.category) > 3", True),
        ('facts.category in ["gifts", "travel"]', True),
        ('facts["category"] == "min(1, 2) // null"', False),
        ("decision.weekday == 1", True),
        ('assessment.consequence_class == "low"', True),
        ("facts.new", True),
    ],
)
def test_conditions(text, value):
    assert conditions(text) == [value]
    assert conditions("true", text) == [True, value]


def test_one_that_fails_says_why_and_leaves_the_others():
    assert numbers("0.5", "facts.none / 2", '"a" + facts.category == "x" ? 1 : 0', "facts.category * 2") == [
        0.5,
        "none is not given",
        0.0,
        "text and a number do not go together",
    ]
    assert conditions("facts.amount", "true") == ["gave a number, not yes or no", True]


def test_what_is_no_number_is_said_and_infinity_is_left_to_the_domain():
    assert numbers("0 / 0", "1 / 0", "facts.category", "facts.new") == [
        "gave NaN, not a number",
        math.inf,
        "gave text, not a number",
        "gave yes or no, not a number",
    ]


def test_no_expressions_no_values():
    assert conditions() == []


def test_an_expensive_expression_is_stopped():
    nested = "false"
    for name in "abcdefghij":
        nested = f"facts.exists({name}, {nested})"
    facts = {f"fact_{i}": 1.0 for i in range(50)}
    (answer,) = Expressions([nested], conditions=True).evaluate({**SEEN, "facts": facts})
    assert answer == "Iteration budget exceeded"


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("facts.amount >", 1, 15, "Syntax error: the expression ends too early"),
        ("min(1, 2) > fcts.amount", 1, 17, "undeclared reference to 'fcts.amount'"),
        ("facts.amount > 3 &&\n  fcts.y", 2, 7, "undeclared reference to 'fcts.y'"),
        ("decision.hors > 3", 1, 10, "decision.hors does not exist; did you mean hour?"),
        ("signals.similarty < 0.5", 1, 9, "signals.similarty does not exist; did you mean similarity?"),
        ("facts.amuont > 3", 1, 7, "facts.amuont does not exist; did you mean amount?"),
        ('facts["amuont"] > 3', 1, 7, "facts.amuont does not exist; did you mean amount?"),
        ("facts.amount == null", 1, 17, "null is never seen here"),
        ('"a" + 1 == "a1"', 1, 5, "found no matching overload for '_+_' applied to '(string, int)'"),
        ('"text"', 1, 1, "gives STRING, where true or false is needed"),
        ("1 +" * 60 + " 1 > 2", 1, 1, "Exceeded max recursion depth of 32 when parsing."),
        ("true) || (true", 1, 5, "Syntax error: mismatched input ')' expecting <EOF>"),
        ("", 1, 1, "Syntax error: the expression ends too early"),
    ],
)
def test_mistakes_are_found_when_loaded_with_their_place(text, line, column, message):
    with pytest.raises(ExpressionError) as caught:
        check_condition(text, {"amount"})
    assert (caught.value.line, caught.value.column, str(caught.value)) == (line, column, message)


def test_factors_come_before_scoring_so_they_can_not_use_its_result():
    with pytest.raises(ExpressionError, match="assessment is not known before scoring"):
        check_number("assessment.harm")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.text(alphabet="facts.ab()[]<>=!&|+-*/?:'\"1.0 \n", max_size=40))
def test_any_text_is_checked_or_refused(text):
    for check in (check_condition, check_number):
        try:
            check(text)
        except ExpressionError as error:
            assert error.line >= 1
            assert error.column >= 1


FACTORS = Expressions(
    ["facts.a / 2", "has(facts.b) && facts.b > 1 ? 1 : 0", 'facts.c.contains("x") ? 1 : 0', "0.5"],
    conditions=False,
)
RULES = Expressions(["facts.a > 1", "has(facts.b) && facts.b", 'facts.c == "x"', "true"], conditions=True)
facts = st.dictionaries(
    st.sampled_from("abcd") | st.text(max_size=3),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.characters(),
    max_size=6,
)


@settings(max_examples=200, deadline=None)
@given(facts)
def test_any_facts_give_values_or_a_reason(some):
    seen = {**SEEN, "facts": some}
    for value in FACTORS.evaluate(seen):
        assert isinstance(value, str) or (isinstance(value, float) and not math.isnan(value))
    assert all(isinstance(value, bool | str) for value in RULES.evaluate(seen))
    assert len(RULES.evaluate(seen)) == 4


@pytest.mark.parametrize(
    "broken", [{}, {"facts": None}, {"facts": {"a": object()}}, {"facts": {"a": "\ud800"}}]
)
def test_a_broken_context_gives_reasons_not_exceptions(broken):
    assert all(isinstance(value, str | float) for value in FACTORS.evaluate(broken))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("facts.amount > 1.0", True),
        ("facts['amount'] > 1.0", True),
        ("has(facts.amount) && !has(facts.other)", True),
        ("facts.all(name, facts[name] > 1.0)", True),
        ("size(facts) == 2", True),
        ("decision.type == 'facts.amount' && 'amount' in facts", True),
        ("facts.exists(x, x == 'hidden')", True),
    ],
)
def test_an_expression_sees_every_fact_that_it_may_mean(text, expected):
    context = {**SEEN, "facts": {"amount": 2.0, "hidden": 3.0}, "decision": {"type": "facts.amount"}}
    assert Expressions([text], conditions=True).evaluate(context) == [expected]
    assert Expressions([text, "facts.amount > 5.0"], conditions=True).evaluate(context) == [expected, False]


def test_what_is_remembered_is_what_would_be_found_again():
    numbers = Expressions(["facts.amount / 10", "decision.day"], conditions=False)
    context = {"facts": {"amount": 5.0, "note": "a"}, "decision": {"day": 3.0, "hour": 9.0}}
    first = numbers.evaluate(context)
    elsewhere = {"facts": {"amount": 5.0, "note": "b"}, "decision": {"day": 3.0, "hour": 10.0}}
    assert numbers.evaluate(elsewhere) is first  # nothing that the expressions name is different
    assert numbers.evaluate({**context, "decision": {"day": 4.0}}) == [0.5, 4.0]
    assert numbers.evaluate({**context, "facts": {"amount": 6.0}}) == [0.6, 3.0]
    assert numbers.evaluate(context) == [0.5, 3.0]


def test_what_never_repeats_is_not_remembered_for_long():
    numbers = Expressions(["facts.amount", "1"], conditions=False)
    for i in range(3 * MOST_REMEMBERED):
        assert numbers.evaluate({"facts": {"amount": float(i)}}) == [float(i), 1.0]
    assert numbers._remembered is None


def asked_for(amount, **more):
    facts = {"amount": amount, **more}
    return context(decision(), facts)


def test_conditions_are_answered_with_the_numbers_and_as_they_would_be_alone():
    texts = ["facts.amount > 600", "decision.weekday < 8 && has(facts.tier)"]
    rules, alone = (Expressions(texts, conditions=True) for _ in range(2))
    others = Expressions(["facts.amount < 600", "true"], conditions=True)
    numbers = Expressions(["facts.amount / 10", "1"], conditions=False, ahead=rules)
    for i in range(2 * MOST_REMEMBERED):  # nothing repeats, so that nothing is remembered any more
        numbers.evaluate(asked_for(float(i)))
        rules.evaluate(asked_for(float(i)))
    for amount in (1.0, 700.0):
        for more in ({}, {"tier": "gold"}):
            seen = asked_for(amount, **more)
            assert numbers.evaluate(seen) == [amount / 10, 1.0]
            assert seen.ahead is not None and seen.ahead[0] is rules
            assert rules.evaluate(seen) == alone.evaluate({**seen}) == [amount > 600, "tier" in more]
            assert others.evaluate(seen) == [amount < 600, True], "others find nothing that is not theirs"


def test_a_condition_that_fails_takes_no_number_with_it_and_is_left_alone_after_a_while():
    rules = Expressions(["facts.amount > 1", "facts.absent > 1"], conditions=True)
    numbers = Expressions(["facts.amount"], conditions=False, ahead=rules)
    for i in range(2 * MOST_REMEMBERED):
        seen = asked_for(float(i))
        assert numbers.evaluate(seen) == [float(i)]
        assert rules.evaluate(seen) == [i > 1, "absent is not given"]
    assert numbers._ahead is None


def test_conditions_about_the_assessment_are_not_answered_before_it():
    rules = Expressions(["facts.amount > 1", "assessment.harm > 0.5"], conditions=True)
    assert Expressions(["facts.amount"], conditions=False, ahead=rules)._ahead is None


def test_why_there_is_no_value_is_said_without_the_language_of_expressions():
    """It becomes part of a reason that reviewers read."""
    [larger] = Expressions(["facts.amount > 20000"], conditions=True).evaluate({"facts": {"amount": "many"}})
    [absent] = Expressions(["facts.amount > 20000"], conditions=True).evaluate({"facts": {}})
    [denied] = Expressions(["!facts.receipts"], conditions=True).evaluate({"facts": {"receipts": "no"}})
    assert larger == "text and a number do not go together"
    assert absent == "amount is not given"
    assert denied == "a fact is of another kind than expected"
