"""``hitl`` with a bug in routing: it breaks on decisions whose id begins with "bug"."""

from __future__ import annotations

from typing import Any

import app.agents.routing as agent
from app.cli import main
from app.domain.events import DecisionSubmitted

_route = agent.route


def _broken(decision: DecisionSubmitted, *rest: Any) -> Any:
    if decision.decision_id.startswith("bug"):
        raise ZeroDivisionError("a bug in routing")
    return _route(decision, *rest)


if __name__ == "__main__":
    agent.route = _broken  # type: ignore[assignment]
    main()
