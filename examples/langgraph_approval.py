"""An agent whose tool needs a person's yes: the graph stops at the question and goes on with the answer.

    pip install 'hitl-stream[langgraph]'        # then as examples/producer.py
    python examples/langgraph_approval.py trip-42

No model is asked, so no key is needed: where an LLM would choose the tool call, `plan` does.
"""

import sys
from typing import Any, TypedDict

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph

from app.client import Decisions
from app.client.langgraph import approved, finish


class Trip(TypedDict, total=False):
    trip: str
    asked_at: str
    call: dict[str, Any]
    outcome: str


def plan(state: Trip) -> Trip:
    """What the model would answer: a tool call."""
    return {"call": {"trip": state["trip"], "asked_at": state["asked_at"], "amount": 1240.5}}


def reimburse(trip: str, asked_at: str, amount: float) -> str:
    """The tool. It does something that can not be undone."""
    return f"paid {amount} EUR for {trip}"


def as_decision(trip: str, asked_at: str, amount: float) -> dict[str, Any]:
    """The tool call as a decision; from the state alone, so that a second run makes the same one."""
    return {
        "decision_id": f"reimburse-{trip}",
        "decision_type": "expense.approval",
        "occurred_at": asked_at,
        "subject": "emp-17",
        "recommendation": {"action": "approve", "probability": 0.9, "rationale": "the agent chose this tool"},
        "facts": {"amount": amount, "currency": "EUR", "category": "travel", "tenure_days": 40},
        "model": {"name": "travel-agent", "version": "1"},
    }


def main(trip: str) -> None:
    with Decisions() as decisions:
        safe_reimburse = approved(reimburse, decisions, as_decision)
        builder = StateGraph(Trip)
        builder.add_node("plan", plan)
        builder.add_node("act", lambda state: {"outcome": safe_reimburse(**state["call"])})
        builder.add_edge(START, "plan")
        builder.add_edge("plan", "act")
        builder.add_edge("act", END)
        graph = builder.compile(checkpointer=InMemorySaver())  # in production one that survives the process
        config = {"configurable": {"thread_id": trip}}

        graph.invoke({"trip": trip, "asked_at": "2026-11-02T09:30:00Z"}, config)
        print(f"the graph waits at {graph.get_state(config).next}", flush=True)
        print(finish(graph, config, decisions)["outcome"])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/langgraph_approval.py TRIP, such as trip-42")
    main(sys.argv[1])
