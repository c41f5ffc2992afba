"""The lead's page says what was noticed, what to do, and who else learns from it."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec

from app.console.app import create_console
from app.domain.quality.figures import PatternFigures
from app.domain.quality.snapshot import Snapshot

PATTERN = PatternFigures(
    pattern_id="p", pattern="rising_override", learning_key="expense.approval|m:1",
    decision_type="expense.approval", segment="expense.approval", value=0.4, limit=0.3, count=90,
    text="People override 40 %.", action="Investigate.", detected_at=1,
)  # fmt: skip


def page(house, policy):
    snapshot = Snapshot(caught_up=True, patterns=(PATTERN,))
    house.parts = msgspec.structs.replace(
        house.parts, ledger=SimpleNamespace(snapshot=lambda: snapshot), policy_in_force=lambda: policy
    )
    house.app = create_console(house.parts)
    return house.signed_in("cleo").get("/lead", headers={"Accept": "text/html"}).text


def test_a_pattern_names_the_types_that_learn_from_it(house):
    policy = house.parts.policy
    alone = page(house, policy)
    assert "People override 40 %." in alone
    assert "Investigate." in alone
    assert "evidence for" not in alone
    loans = msgspec.structs.replace(
        policy.terms["expense.approval"], decision_type="loan.approval", learnings_from=("expense.approval",)
    )
    learning = msgspec.structs.replace(policy, terms={**policy.terms, "loan.approval": loans})
    assert "evidence for loan.approval, too" in page(house, learning)
