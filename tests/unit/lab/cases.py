"""A small policy, decisions and reviewers for tests of the lab."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import msgspec

from app.agents.drift import learning_terms
from app.lab.run import Run
from app.policy.compiled import compile_policy
from app.policy.load import policy_from_text

POLICY = """
name: Lab
pools:
  people: {title: People}
decision_types:
  loan:
    question: Approve?
    pool: people
    risk: low
    automation: policy_threshold
    alpha: 0.15
    delta: 0.2
    evidence: {scale: 60}
    required_facts: [amount]
    consequence:
      financial: {score: "min(facts.amount / 10000, 1)"}
    signals:
      model_probability: {weight: 1, below: 0, action: review}
      similarity: {weight: 0, below: 0, action: flag}
      consensus: {weight: 0, below: 0, action: flag}
      rule_clarity: {weight: 0, below: 0, action: flag}
      completeness: {weight: 0, below: 1, action: ask}
    rules:
      - {name: two_people, text: Two must agree, when: facts.amount > 5000, min_level: 4, approvals: 2}
    actions: [approve, reject, modify, request_info]
  ticket:
    question: Where to?
    pool: people
    preset: matrix
    risk: low
    required_facts: [amount]
    consequence:
      customer: {score: "0.1"}
    actions: [left, right, middle]
"""


def policy(text: str = POLICY):
    return compile_policy(policy_from_text(text))


def decision(number: int = 0, **changes) -> dict:
    when = datetime(2026, 3, 2, tzinfo=UTC) + timedelta(seconds=30 * number)
    return {
        "decision_id": f"d-{number:05d}",
        "decision_type": "loan",
        "occurred_at": when.isoformat(),
        "subject": "s-1",
        "recommendation": {"action": "approve", "probability": 0.97},
        "alternatives": [{"action": "reject", "probability": 0.03}],
        "facts": {"amount": 100},
        "model": {"name": "m", "version": "1"},
        "truth": {"action": "approve"},
        **changes,
    }


def decisions(count: int, seed: int = 1, **changes) -> list[dict]:
    """A calibrated AI: as often right as it says."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        p = round(min(0.999, max(0.5, chance.betavariate(30, 1))), 4)
        truth = "approve" if chance.random() < p else "reject"
        recommendation = {"action": "approve", "probability": p}
        found.append(decision(number, recommendation=recommendation, truth={"action": truth}, **changes))
    return found


def lines(found: list[dict]) -> list[bytes]:
    return [json.dumps(each).encode() + b"\n" for each in found]


def simulated(source, reviewers, *, seed=1, text=POLICY):
    """Output lines as plain values, and the report."""
    run = Run(policy(text), reviewers, seed, learning_terms, lambda: 0.0)
    out = [msgspec.to_builtins(line) for stride in run.lines(source) for line in stride]
    return out, run.report()
