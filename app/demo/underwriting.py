"""Simple written underwriting rules, and how clearly an application lies on one side of them.

They are written for the demo in the manner of the time's rules of thumb (debt ratios, loan to value),
and are not the lenders' own. The signal ``rule_clarity`` comes from here: a recommendation that the rules
plainly support is clear, one near a limit or against them is not.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from app.demo.lending import APPROVE
from app.domain.terms import Fact


class Limit(msgspec.Struct, frozen=True):
    """A fact, the limit up to which the rules say yes, and the distance that counts as plain."""

    fact: str
    most: float
    plain: float


LIMITS = (
    Limit("payment_to_income", 0.42, 0.12),
    Limit("housing_to_income", 0.35, 0.12),
    Limit("loan_to_value", 0.95, 0.15),
    Limit("consumer_credit", 4.5, 2.0),
    Limit("mortgage_credit", 2.5, 1.0),
    Limit("public_bad_credit", 0.5, 0.5),
)


def rule_clarity(facts: Mapping[str, Fact], action: str) -> float | None:
    """How clearly the rules support ``action``, in [0, 1]: 1 plainly for it, 0.5 on a limit, 0 against.

    ``None`` if no rule can be applied because every fact is missing.

    >>> rule_clarity({"payment_to_income": 0.20, "loan_to_value": 0.60}, "approve")
    1.0
    >>> rule_clarity({"payment_to_income": 0.42}, "approve")
    0.5
    >>> rule_clarity({"payment_to_income": 0.20, "public_bad_credit": True}, "reject")
    1.0
    """
    margins = [
        max(-1.0, min(1.0, (limit.most - float(value)) / limit.plain))
        for limit in LIMITS
        if isinstance(value := facts.get(limit.fact), bool | int | float)
    ]
    if not margins:
        return None
    support = min(margins) if action == APPROVE else -min(margins)
    return round(0.5 + support / 2, 4)
