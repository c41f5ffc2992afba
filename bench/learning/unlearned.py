"""A worker that scores and routes and does nothing for learning: no draws, no tallies. For `whole.py`."""

from __future__ import annotations

import sys

import app.agents.routing
from app.__main__ import main
from app.domain.evidence import Draws
from app.domain.traffic import Traffic

NOT_DRAWN = Draws(evidence=0.999, audit=0.999, arm=0.999, second=0.5)


class NoTraffic(Traffic):
    """Counts nothing."""

    def count(self, *_of_a_decision: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    app.agents.routing.draws = lambda _secret, _decision_id: NOT_DRAWN  # type: ignore[attr-defined]
    app.agents.routing.Traffic = NoTraffic  # type: ignore[attr-defined]
    sys.argv[1:] = ["worker", "--agents", "scoring,routing", "--slot", "0"]
    main()
