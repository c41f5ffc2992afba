"""Realistic `expense.approval` decisions, the same for every variant: seeded, then cut into templates.

A template is an encoded decision without its id. The id is the first field of the record, so that a
record of any id is three pieces of bytes joined: a load generator that encodes nothing disturbs the
measured process least.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

import msgspec

from app.domain.events import DecisionSubmitted, Model, Option, Signals
from app.stream.codec import Codec

ID_DIGITS = 9
CATEGORIES = {  # category: (share, median amount in EUR, what the model would say for it)
    "travel": (0.34, 310.0, "itinerary and booking match, policy 4.2"),
    "meals": (0.24, 48.0, "below the daily allowance, policy 4.3"),
    "equipment": (0.16, 640.0, "on the list of approved equipment, policy 5.1"),
    "software": (0.12, 220.0, "renewal of a known subscription, policy 5.4"),
    "training": (0.09, 900.0, "agreed in the development plan, policy 6.2"),
    "entertainment": (0.05, 180.0, "client named, receipt complete, policy 4.6"),
}


def decisions(count: int, *, seed: int, occurred_at: int) -> Iterator[DecisionSubmitted]:
    """``count`` decisions with placeholder ids. ``occurred_at`` (ms) is the newest; they spread over
    the hour before it. About one in six is doubtful by its probability, one in twelve lacks a signal."""
    draw = random.Random(seed)
    names = list(CATEGORIES)
    shares = [CATEGORIES[name][0] for name in names]
    for _ in range(count):
        category = draw.choices(names, shares)[0]
        median, rationale = CATEGORIES[category][1:]
        amount = round(median * math.exp(draw.gauss(0.0, 0.8)), 2)
        doubtful = draw.random() < 0.17
        probability = draw.uniform(0.5, 0.9) if doubtful else draw.betavariate(60, 1.6)
        action = "approve" if draw.random() < 0.88 else "reject"
        other = "reject" if action == "approve" else "approve"
        facts = {
            "amount": amount,
            "currency": draw.choice(("EUR", "EUR", "EUR", "USD", "GBP")),
            "category": category,
            "tenure_days": draw.randint(5, 4200),
            "receipts": draw.random() < 0.97,
            "vendor": f"vendor-{draw.randint(1, 900)}",
            "cost_center": f"cc-{draw.randint(1, 60)}",
        }
        yield DecisionSubmitted(
            decision_id="0" * ID_DIGITS,
            decision_type="expense.approval",
            occurred_at=occurred_at - draw.randint(0, 3_600_000),
            subject=f"emp-{draw.randint(1, 5000)}",
            submitted_by="svc-expenses",
            recommendation=Option(action=action, probability=round(probability, 4), rationale=rationale),
            alternatives=[
                Option(action=other, probability=round(1 - probability, 4), rationale="unusual vendor")
            ],
            facts=msgspec.json.encode(facts).decode(),
            signals=Signals(
                similarity=_signal(draw, doubtful),
                consensus=_signal(draw, doubtful),
                rule_clarity=_signal(draw, doubtful),
            ),
            factors=None,
            model=Model(name="expenses", version="3"),
            due_at=None,
            links=[f"https://example.org/receipts/{draw.getrandbits(48):012x}"],
        )


def _signal(draw: random.Random, doubtful: bool) -> float | None:
    if draw.random() < 0.03:
        return None
    return round(draw.uniform(0.55, 0.95) if doubtful else draw.betavariate(30, 1.5), 3)


class Templates:
    """``record(n)`` is the key and value of the n-th decision, in well under a microsecond."""

    def __init__(self, codec: Codec, *, occurred_at: int, seed: int = 7, count: int = 20_000) -> None:
        placeholder = b"0" * ID_DIGITS
        self._parts = []
        for decision in decisions(count, seed=seed, occurred_at=occurred_at):
            head, found, tail = codec.encode(decision).partition(placeholder)
            assert found, "the decision's id is no longer the first field"
            self._parts.append((head, tail))

    def record(self, number: int) -> tuple[bytes, bytes]:
        key = f"{number:0{ID_DIGITS}d}".encode()
        head, tail = self._parts[number % len(self._parts)]
        return key, head + key + tail
