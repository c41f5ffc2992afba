"""An approval in a LangGraph graph: the node or tool waits for a person, the process need not.

    def reimburse(amount: float) -> str: ...
    safe = approved(reimburse, decisions, decision_of)   # a tool that asks first

    graph = builder.compile(checkpointer=...)
    graph.invoke(start, config)                          # runs up to the question
    finish(graph, config, decisions)                     # waits for the answers and goes on; later, elsewhere

LangGraph runs a node again from its beginning when it goes on. So what leads to the decision must come from
the state alone (no new ids, no clock): then the second submission is recognised as the first.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.pregel import Pregel
from langgraph.types import Command, interrupt

from app.client.synchronous import Decisions

T = TypeVar("T")
Answer = dict[str, Any]

_OURS = "hitl_decision_id"


def ask(decisions: Decisions, decision: Mapping[str, Any]) -> Answer:
    """Inside a node: submit a decision and pause until ``finish`` brings the answer: ``action``, ``changes``,
    ``decided_by``, ``reviewer``, ``reasoning``."""
    decision_id = decisions.submit(decision)
    answer: Answer = interrupt({_OURS: decision_id})
    return answer


def approved(
    act: Callable[..., T],
    decisions: Decisions,
    decision_of: Callable[..., Mapping[str, Any]],
    *,
    approve: str = "approve",
    named: Mapping[str, str] | None = None,
) -> Callable[..., T | str]:
    """``act`` as a tool that a person has to approve. ``decision_of`` makes the decision out of the tool's
    arguments (keywords). What a person changed goes into the argument of that name, or of the one that
    ``named`` gives it (``{"amount": "total"}``: the fact `amount` is the argument `total`); where one of the
    changes is no argument, nothing is done. Where the answer is no, the tool returns it in words, for the
    model to read."""
    takes, name_of_it, names = _arguments_of(act), getattr(act, "__name__", "the tool"), named or {}

    @functools.wraps(act)
    def tool(**arguments: Any) -> T | str:  # noqa: ANN401 - whatever the tool takes
        answer = ask(decisions, decision_of(**arguments))
        who = answer["reviewer"] or answer["decided_by"]
        if answer["action"] == "modify":
            changed = {names.get(name, name): value for name, value in (answer["changes"] or {}).items()}
            if takes is not None and (unknown := sorted(changed.keys() - takes)):
                return f"not done: {who} changed {', '.join(unknown)}, which {name_of_it} does not take"
            return act(**{**arguments, **changed})
        if answer["action"] == approve:
            return act(**arguments)
        return f"not done: {answer['action']} by {who}. {answer['reasoning']}".strip()

    return tool


def _arguments_of(act: Callable[..., Any]) -> set[str] | None:
    """Which keywords a tool takes; ``None``: any."""
    parameters = inspect.signature(act).parameters.values()
    if any(one.kind is one.VAR_KEYWORD for one in parameters):
        return None
    return {one.name for one in parameters if one.kind is not one.POSITIONAL_ONLY}


def finish(
    graph: Pregel[Any, Any, Any, Any],
    config: RunnableConfig,
    decisions: Decisions,
    timeout: float | None = None,
) -> Any:  # noqa: ANN401 - the graph's state
    """Wait for whatever the thread of ``config`` waits for, hand the answers over, and so on to its end; the
    state there. ``timeout`` in seconds for each answer (``AnswerTimeoutError``: call it again later).

    Interrupts that are not ours are left to whoever they belong to."""
    while True:
        state = graph.get_state(config)
        waiting = {
            one.id: one.value[_OURS]
            for one in state.interrupts
            if isinstance(one.value, dict) and _OURS in one.value
        }
        if not waiting:
            return state.values
        answers = {
            interrupted: _plain(decisions, decision_id, timeout)
            for interrupted, decision_id in waiting.items()
        }
        graph.invoke(Command(resume=answers), config)


def _plain(decisions: Decisions, decision_id: str, timeout: float | None) -> Answer:
    """As a checkpoint can keep it."""
    answer = decisions.resolution(decision_id, timeout)
    return {
        "action": answer.action,
        "changes": None if answer.changes is None else dict(answer.changes),
        "decided_by": answer.decided_by,
        "reviewer": answer.reviewer,
        "reasoning": answer.reasoning,
        "resolution_id": answer.resolution_id,
    }
