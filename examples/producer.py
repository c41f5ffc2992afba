"""A producer: hands in a decision, says where it stands, and acts on the answer.

    export HITL_CONSOLE_URL=http://127.0.0.1:8080
    export HITL_TOKEN=$(hitl token create svc-expenses --scope submit)
    python examples/producer.py exp-1001        # then answer it in the console

Run it again with the same id: nothing is decided twice, the same answer comes back.
"""

import sys

from app.client import Decisions, DecisionWithdrawnError


def main(decision_id: str) -> None:
    decision = {
        "decision_id": decision_id,
        "decision_type": "expense.approval",
        "occurred_at": "2026-11-02T09:30:00Z",
        "subject": "emp-17",
        "recommendation": {"action": "approve", "probability": 0.93, "rationale": "matches policy 4.2"},
        "alternatives": [{"action": "reject", "probability": 0.05, "rationale": "unusual vendor"}],
        "facts": {"amount": 1240.5, "currency": "EUR", "category": "travel", "tenure_days": 40},
        "signals": {"similarity": 0.81, "consensus": 1.0, "rule_clarity": 0.9},
        "model": {"name": "expenses", "version": "3"},
    }
    with Decisions() as decisions:
        decisions.submit(decision)
        for state in decisions.follow(decision_id):
            print(f"{decision_id} is {state.status}", flush=True)
            if state.question:
                print(f"  asked: {state.question.text}", flush=True)
                decisions.inform(decision_id, "Project Apollo", state.question.lease_epoch)
        try:
            answer = decisions.resolution(decision_id)
        except DecisionWithdrawnError as withdrawn:
            print(withdrawn)
            return
        paid = {**decision["facts"], **(answer.changes or {})}
        print(f"{answer.action} by {answer.reviewer or answer.decided_by}: {answer.reasoning}")
        print(f"to pay: {paid['amount'] if answer.action in ('approve', 'modify') else 0}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/producer.py DECISION_ID, such as exp-1001")
    main(sys.argv[1])
