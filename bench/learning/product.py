"""The product itself on the contest's streams: the lab's simulation, with ``KeyState`` as the learner.

What is compared is the rule, so everything that is no part of it is switched off: spot checks, drawn second
looks and the share that is shown blind without being evidence. Scores are the bins' middles. Where a scenario
has no gold items reviewers are taken to catch everything, as the contest's rule takes them.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np

from app.agents.drift import learning_terms
from app.domain.learning.bins import BINS as PRODUCT_BINS
from app.domain.learning.bins import bin_of
from app.domain.learning.drift import Change, KeyState, learn
from app.domain.learning.records import Told
from app.domain.learning.terms import LearningTerms
from app.lab.reviewers import Reviewers
from app.lab.run import secret_of
from app.lab.simulation import STRIDE, Simulated, Simulation
from app.lab.submissions import Submission, parse
from app.policy.compiled import CompiledPolicy, compile_policy
from app.policy.load import policy_from_text
from bench.learning.replay import Outcome
from bench.learning.scenarios import Scenario
from bench.learning.streams import BINS, MIDDLE, Stream

NAME = "the product"
_POLICY = """
name: Contest
pools: {{people: {{title: People}}}}
decision_types:
  type:
    question: Right?
    pool: people
    risk: low
    alpha: {alpha}
    delta: {delta}
    bands: {{low: 0.5, high: 0.9}}
    evidence: {{floor: 0.025, initial: 1, scale: 500}}
    learning: {{catch_rate: {catch}}}
    audit_rate: 0
    blind_share: 0
    second_look_share: 0
    gold_share: {gold}
    consequence:
      financial: {{score: "0.1"}}
    signals:
      model_probability: {{weight: 1, below: 0}}
      similarity: {{weight: 0}}
      consensus: {{weight: 0}}
      rule_clarity: {{weight: 0}}
      completeness: {{weight: 0}}
    actions: [approve, reject]
"""
_LINE = b"""{"decision_id": "0", "decision_type": "type", "occurred_at": "2026-03-02T09:30:00Z",
"subject": "s", "recommendation": {"action": "approve", "probability": 0.9},
"model": {"name": "m", "version": "1"}, "facts": {}, "truth": {"action": "approve"},
"alternatives": [{"action": "reject", "probability": 0.1}]}"""


def play(stream: Stream, seed: int, runs: range | None = None) -> Outcome:
    """The product over all runs of a stream, or over these of them, one after the other."""
    policy = _policy(stream.scenario)
    runs = range(stream.runs) if runs is None else runs
    k = np.full((stream.blocks, len(runs)), BINS, np.int8)
    counts = np.zeros((5, stream.blocks, len(runs)), np.int32)
    automated, wrong, reviews, audits, more_work = counts
    outcome = Outcome(k, automated, wrong, reviews, audits, more_work, warned=[], cheered=[])
    for column, run in enumerate(runs):
        _one(stream, run, policy, f"{seed}/{run}", outcome, column)
    return outcome


def _policy(scenario: Scenario) -> CompiledPolicy:
    gold = scenario.reviewers.gold_rate
    catch = 0.8 if gold else 1.0
    text = _POLICY.format(alpha=scenario.alpha, delta=scenario.delta, gold=gold, catch=catch)
    return compile_policy(policy_from_text(text))


def _one(stream: Stream, run: int, policy: CompiledPolicy, name: str, outcome: Outcome, column: int) -> None:
    people = stream.scenario.reviewers
    reviewers = Reviewers(
        sensitivity=people.sensitivity,
        false_override=people.false_override,
        anchoring=people.anchoring,
        delay_mean=people.delay,
        gold_rate=people.gold_rate,
    )
    restarts = 0
    now = 0

    def watched(state: KeyState, told: Iterable[Told], terms: LearningTerms) -> tuple[KeyState, list[Change]]:
        nonlocal restarts
        state, changes = learn(state, told, terms)
        if state.automation.restarts > restarts:
            restarts = state.automation.restarts
            # after worse more is checked for a while
            found = outcome.warned if state.automation.recheck_until >= 0 else outcome.cheered
            found.append((column, now))
        return state, changes

    simulation = Simulation(policy.terms, reviewers, secret_of(run), learning_terms, watched)
    submissions = _submissions(stream, run, name)
    for start in range(0, len(submissions), STRIDE):
        now = min(start + STRIDE, len(submissions))
        for place, done in enumerate(simulation.stride(submissions[start:now]), start=start):
            _count(done, outcome, place // stream.block, column)


def _count(done: Simulated, outcome: Outcome, block: int, column: int) -> None:
    line, judged = done.line, done.judged
    threshold = PRODUCT_BINS if line.threshold >= 1 else bin_of(line.threshold)
    outcome.k[block, column] = min(int(outcome.k[block, column]), threshold)
    outcome.automated[block, column] += line.automated
    outcome.wrong[block, column] += line.automated and done.submission.truth != line.final_action
    outcome.reviews[block, column] += not line.automated
    outcome.audits[block, column] += line.audited
    outcome.more_work[block, column] += judged.work - (not line.automated) - line.audited


def _submissions(stream: Stream, run: int, name: str) -> list[Submission]:
    model = parse(_LINE)
    assert isinstance(model, Submission), model
    decision = model.decision
    found = []
    for place, (score_bin, wrong) in enumerate(zip(stream.bins[run], stream.wrong[run], strict=True)):
        probability = float(MIDDLE[score_bin]) if score_bin >= 0 else 0.3
        found.append(
            Submission(
                msgspec.structs.replace(
                    decision,
                    decision_id=f"{name}/{place}",
                    recommendation=msgspec.structs.replace(decision.recommendation, probability=probability),
                    occurred_at=decision.occurred_at + 1000 * place,
                ),
                model.facts,
                "reject" if wrong else "approve",
            )
        )
    return found
