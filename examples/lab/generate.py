"""Writes decisions with known truth for `hitl lab simulate`: an AI that is right about as often as it says.

python examples/lab/generate.py 50000 > decisions.jsonl
"""

from __future__ import annotations

import json
import random
import sys
from datetime import UTC, datetime, timedelta

WORSE_BY = 3.0
"""In the last third of the decisions the AI errs so many times as often as it says."""


def main(count: int, seed: int = 1, *, drift: bool = False) -> None:
    """Print ``count`` decisions; with ``drift`` the AI turns bad after two thirds of them."""
    chance = random.Random(seed)  # noqa: S311 - nothing here is secret
    moment = datetime(2026, 3, 2, 8, tzinfo=UTC)
    for number in range(count):
        moment += timedelta(seconds=40)
        probability = round(min(0.999, max(0.5, chance.betavariate(18, 1))), 4)
        wrong = (1 - probability) * (WORSE_BY if drift and number >= count * 2 / 3 else 1)
        action, other = chance.choice([("approve", "reject"), ("approve", "reject"), ("reject", "approve")])
        decision = {
            "decision_id": f"exp-{number:06d}",
            "decision_type": "expense.approval",
            "occurred_at": moment.isoformat().replace("+00:00", "Z"),
            "subject": f"emp-{chance.randrange(200)}",
            "recommendation": {"action": action, "probability": probability},
            "alternatives": [{"action": other, "probability": round(1 - probability, 4)}],
            "facts": {"amount": round(chance.lognormvariate(5, 1), 2), "region": chance.choice("NESW")},
            "signals": {"similarity": probability, "consensus": 1.0, "rule_clarity": probability},
            "model": {"name": "expenses", "version": "3"},
            "truth": {"action": other if chance.random() < wrong else action},
        }
        print(json.dumps(decision))


if __name__ == "__main__":
    main(int(sys.argv[1]), drift="--drift" in sys.argv)
