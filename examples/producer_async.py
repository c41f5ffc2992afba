"""Many decisions at once: one connection pool, one task each. Set up as examples/producer.py.

python examples/producer_async.py batch-7 20
"""

import asyncio
import sys
from collections import Counter

from app.client import AnswerTimeoutError, AsyncDecisions


async def main(batch: str, count: int) -> None:
    async with AsyncDecisions() as decisions:

        async def one(number: int) -> str:
            decision = {
                "decision_id": f"{batch}-{number}",
                "decision_type": "expense.approval",
                "occurred_at": "2026-11-02T09:30:00Z",
                "subject": f"emp-{number}",
                "recommendation": {"action": "approve", "probability": 0.9, "rationale": "small amount"},
                "facts": {
                    "amount": 20.0 + number,
                    "currency": "EUR",
                    "category": "meals",
                    "tenure_days": 400,
                },
                "model": {"name": "expenses", "version": "3"},
            }
            try:
                return (await decisions.decide(decision, timeout=3600)).action
            except AnswerTimeoutError as late:
                await decisions.withdraw(late.progress.decision_id, "nobody answered within the hour")
                return "withdrawn"

        actions = await asyncio.gather(*(one(number) for number in range(count)))
        print(dict(Counter(actions)))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/producer_async.py PREFIX COUNT, such as batch-7 20")
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
