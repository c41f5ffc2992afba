"""What a tool is carried out with once a person has answered."""

from __future__ import annotations

from typing import Any, cast

import pytest

import app.client.langgraph
from app.client import Decisions
from app.client.langgraph import approved

NOBODY = cast(Decisions, None)  # asked through ``ask``, which is replaced


def pay(total: float, currency: str = "EUR") -> str:
    return f"paid {total} {currency}"


def answered(monkeypatch: pytest.MonkeyPatch, action: str, changes: dict[str, Any] | None = None) -> None:
    who = {"reviewer": "ann", "decided_by": "human", "reasoning": "so"}
    answer = {"action": action, "changes": changes, **who}
    monkeypatch.setattr(app.client.langgraph, "ask", lambda *_: answer)


def test_what_a_person_changed_is_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, "modify", {"total": 100, "currency": "USD"})
    assert approved(pay, NOBODY, dict)(total=5000) == "paid 100 USD"


def test_a_fact_may_be_an_argument_of_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, "modify", {"amount": 100})
    assert approved(pay, NOBODY, dict, named={"amount": "total"})(total=5000) == "paid 100 EUR"


def test_nothing_is_done_where_a_change_is_no_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, "modify", {"amount": 100, "currency": "USD"})
    assert approved(pay, NOBODY, dict)(total=5000) == "not done: ann changed amount, which pay does not take"


def test_a_tool_that_takes_anything_gets_every_change(monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, "modify", {"amount": 100})
    assert approved(lambda **given: sorted(given), NOBODY, dict)(total=5000) == ["amount", "total"]


def test_yes_and_no(monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, "approve")
    assert approved(pay, NOBODY, dict)(total=5) == "paid 5 EUR"
    answered(monkeypatch, "reject")
    assert approved(pay, NOBODY, dict)(total=5) == "not done: reject by ann. so"
