"""How people read facts: said in the policy, for facts that there are."""

import pytest

from app.console.pages import reading
from app.policy.compiled import compile_policy
from app.policy.load import policy_from_text
from app.policy.problems import PolicyError
from tests.unit.policy.texts import with_lines

FACTS = ("fact_types: {debts: number, amount: number, city: string}",)


def test_facts_are_shown_in_the_order_and_the_words_of_the_policy():
    said = "fact_words: {amount: {unit: thousand USD}, debts: {label: Debts / income, share: true}}"
    policy = compile_policy(policy_from_text(with_lines(*FACTS, said)))
    facts = {"amount": 128, "city": "Boston", "debts": 0.3625, "else": True}
    page = reading.read({"key_facts": facts}, terms=policy.terms["expense.approval"])
    assert [(fact.label, fact.value) for fact in page.facts] == [
        ("Debts / income", "36.25 %"),
        ("Amount", "128 thousand USD"),
        ("City", "Boston"),
        ("Else", "yes"),
    ]


def test_words_for_a_fact_that_there_is_not_are_a_mistake():
    said = r"fact_words\.amonut: 'amonut' is not in fact_types; did you mean amount"
    with pytest.raises(PolicyError, match=said):
        policy_from_text(with_lines(*FACTS, "fact_words: {amonut: {unit: EUR}}"))
