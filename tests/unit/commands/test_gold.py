"""Which cases `hitl gold collect` takes."""

from __future__ import annotations

from types import SimpleNamespace

from app.commands.gold import Found, chosen
from app.domain.resolution import agrees
from app.review_queue.gold import MOST
from tests.unit.domain.cases import decision, routed


def found(wrong: int, right: int) -> Found:
    """Cases in the order of the log; the AI says approve in all."""
    told = Found()
    for number in range(max(wrong, right)):
        for kind, many in (("reject", wrong), ("approve", right)):
            if number < many:
                name = f"{kind}-{number:04d}"
                told.truths[name] = kind, "ground_truth"
                told.stories[name] = routed(decision(decision_id=name)), name.encode()
    return told


POLICY = SimpleNamespace(terms={"expense.approval": SimpleNamespace(actions=("approve", "reject"))})


def names(told: Found, right: int = 1) -> list[str]:
    return [item.record.decode() for item in chosen(told, POLICY, right)]  # type: ignore[arg-type]


def test_the_advice_of_all_of_them_is_to_approve() -> None:
    assert agrees(decision().recommendation.action, "approve", None)


def test_the_latest_errors_come_each_with_a_case_on_which_the_ai_was_right() -> None:
    assert names(found(2, 3)) == ["reject-0001", "approve-0002", "reject-0000", "approve-0001"]
    assert names(found(1, 3), right=2) == ["reject-0000", "approve-0002", "approve-0001"]
    assert names(found(2, 2), right=0) == ["reject-0001", "reject-0000"]
    assert names(found(0, 3)) == []


def test_more_than_a_ring_holds_keeps_errors_in_it() -> None:
    taken = names(found(MOST + 20, MOST + 20))
    assert len(taken) == MOST
    assert sum(name.startswith("reject") for name in taken) == MOST // 2
