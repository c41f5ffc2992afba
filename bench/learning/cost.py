"""``python -m bench.learning.cost``: what learning adds to the CPU of scoring and routing, and of all agents.

The same decisions go through the work of scoring and routing (decode, score, route, encode; without Kafka and
Redis, which only make the worker's own part larger), then through learning: traffic tallies, and the drift
agent on tallies and simulated people's answers. What scoring and routing do for learning alone - key, coin,
threshold in force - is timed once more by itself. All by process time, stride by stride, one core.
"""

from __future__ import annotations

import cProfile
import gc
import io
import platform
import pstats
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from app.agents.drift import Drift, learning_terms
from app.domain.events import Record
from app.domain.evidence import Draws, draws
from app.domain.facts import Invalid, parse_facts
from app.domain.learning.drift import Change, KeyState, learn
from app.domain.learning.records import Told
from app.domain.learning.terms import LearningTerms
from app.domain.routing import learning_key
from app.domain.thresholds import ThresholdInForce
from app.domain.traffic import Traffic
from app.lab.reviewers import Reviewers
from app.lab.simulation import STRIDE, Simulation
from app.lab.submissions import Submission
from app.settings import load_settings
from app.stream.records import Incoming
from app.stream.topics import Topic
from bench.decisions import ID_DIGITS, decisions
from bench.workload import SUBMITTED, Workload

PAGE = Path(__file__).with_name("cost.md")
PEOPLE = Reviewers(sensitivity=0.95, false_override=0.002, anchoring=0.2, delay_mean=200, gold_rate=0.02)
SEED = 7
DAY = 1_760_000_000_000

COLUMNS = (
    "phase",
    "decisions",
    "run alone",
    "records learned",
    "scoring and routing",
    "coins",
    "tallies",
    "drift agent",
    "each",
    "(a)",
    "(c)",
)

T = TypeVar("T")


class Phase(msgspec.Struct):
    """Process time in seconds of one part of the run."""

    name: str
    decisions: int = 0
    labels: int = 0
    worker: float = 0.0
    """Scoring and routing, coins among it."""
    coins: float = 0.0
    tallies: float = 0.0
    drift: float = 0.0
    automated: int = 0

    @property
    def share_of_deciding(self) -> float:
        """What learning adds to scoring and routing, as a share of both."""
        return (self.coins + self.tallies) / (self.worker + self.tallies)

    @property
    def share(self) -> float:
        """Learning's share of all that was timed."""
        return (self.coins + self.tallies + self.drift) / (self.worker + self.tallies + self.drift)

    def row(self) -> str:
        """A line of the table, in microseconds for each decision."""
        worker, coins, tallies, drift = (
            1e6 * seconds / self.decisions for seconds in (self.worker, self.coins, self.tallies, self.drift)
        )
        return (
            f"| {self.name} | {self.decisions:,} | {self.automated / self.decisions:.0%} "
            f"| {self.labels / self.decisions:.2f} | {worker:.1f} | {coins:.1f} | {tallies:.1f} "
            f"| {drift:.1f} | {1e6 * self.drift / self.labels:.1f} | {self.share_of_deciding:.1%} "
            f"| {self.share:.1%} |"
        )


class Bench:
    """One run: the lab routes and answers, the real worker's parts are timed on the same records."""

    def __init__(self) -> None:
        settings = load_settings()
        self.work = Workload.load(settings)
        self.drift = Drift(self.work.codec, lambda: self.work.policy, lambda _topic, _partition: {})
        self.told: list[Told] = []
        self.states: dict[str, KeyState] = {}
        self.simulation = Simulation(
            self.work.policy.terms, PEOPLE, b"cost", learning_terms, learner=self._remember
        )
        self.profile = cProfile.Profile(time.process_time)

    def _remember(
        self, state: KeyState, records: Iterable[Told], terms: LearningTerms
    ) -> tuple[KeyState, list[Change]]:
        self.told += records
        after, changes = learn(state, records, terms)
        self.states[after.learning_key] = after
        return after, changes

    def stride(self, submissions: Sequence[Submission], phase: Phase, *, profiled: bool) -> None:
        """Time one stride of decisions."""
        codec = self.work.codec
        incoming = [_incoming(SUBMITTED, codec.encode(each.decision)) for each in submissions]
        spent, _ = _timed(lambda: self.work.handle_batch(incoming))
        phase.worker += spent
        spent, _ = _timed(lambda: [self._coin(each) for each in submissions])
        phase.coins += spent
        self.told = []
        done = self.simulation.stride(submissions)

        def tallied() -> list[bytes]:
            traffic = Traffic()
            for each in done:
                traffic.count(each.routed, self.work.policy.terms[each.submission.decision.decision_type])
            return [codec.encode(tally) for tally in traffic.tallies()]

        spent, _ = _timed(tallied)
        phase.tallies += spent
        cases = [_incoming(Topic.LEARNING_CASES, codec.encode(_record(each))) for each in self.told]
        if profiled:
            self.profile.enable()
        spent, _ = _timed(lambda: self._learned(cases))
        self.profile.disable()
        phase.drift += 0 if profiled else spent
        phase.decisions += len(submissions)
        phase.automated += sum(each.line.automated for each in done)
        phase.labels += len(cases)

    def _coin(self, submission: Submission) -> tuple[ThresholdInForce, Draws]:
        """What a decision is routed with because there is learning."""
        decision, work = submission.decision, self.work
        in_force = work.in_force(learning_key(decision), work.policy.terms[decision.decision_type])
        return in_force, draws(b"cost", decision.decision_id)

    def _learned(self, cases: Sequence[Incoming]) -> None:
        self.drift(cases)
        self.drift.committed()


def main(
    strides: Annotated[int, typer.Option(help=f"Strides of {STRIDE} decisions in each phase.", min=4)] = 60,
    write: Annotated[bool, typer.Option(help="Write bench/learning/cost.md.")] = True,
) -> None:
    """Print the share of learning by phase, the size of a key's state, and where the time goes."""
    bench = Bench()
    stream = _submissions()
    gc.disable()
    bench.stride(_take(stream, STRIDE), Phase("warm up"), profiled=False)
    phases = [Phase("people decide everything"), Phase("then"), Phase("in the long run")]
    for phase in phases:
        for _ in range(strides):
            bench.stride(_take(stream, STRIDE), phase, profiled=False)
            gc.collect()
    for _ in range(strides // 4):
        bench.stride(_take(stream, STRIDE), Phase("profiled"), profiled=True)
    text = page(bench, phases)
    print(text)
    if write:
        PAGE.write_text(text, encoding="utf-8")


def page(bench: Bench, phases: Sequence[Phase]) -> str:
    """The page."""
    size = max(len(state.to_bytes()) for state in bench.states.values())
    lowest = min(update.threshold for update in bench.simulation.thresholds.values())
    threshold = f"decisions run alone from {lowest:.3g} up" if lowest <= 1 else "people decide everything"
    told = io.StringIO()
    pstats.Stats(bench.profile, stream=told).strip_dirs().sort_stats("tottime").print_stats(12)
    top = [line for line in told.getvalue().splitlines() if line.strip()][-12:]
    rows = "\n".join(phase.row() for phase in phases)
    at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    where = f"Python {platform.python_version()}, one process on {platform.system()} {platform.machine()}"
    return f"""# What learning costs

`python -m bench.learning.cost`, {at}, {where}.

Microseconds of CPU for each decision, one core. *Scoring and routing*: decode, score, route, encode. Of it
*coins* are learning's: key, threshold in force, draws. *Tallies* are counted and written by routing, too. The
*drift agent* reads labels and tallies, learns, and writes its state once a batch; *each* is for a record.
Nothing here uses Kafka or Redis, and nobody is asked or answers: in a worker all that comes on top, so that
both shares are upper bounds.

(a) is what learning adds to the worker that scores and routes: coins and tallies. (c) is all of learning,
beside scoring and routing alone.

| {" | ".join(COLUMNS)} |
|{" --- |" * len(COLUMNS)}
{rows}

At the end {threshold}. The key's state is {size / 1000:.1f} kB; full it is below 32 kB (a test
holds that). It is written once for each batch in which the key learned something.

Where the drift agent's time goes in the long run (own time, under cProfile):

```
{chr(10).join(top)}
```
"""


def _submissions() -> Iterator[Submission]:
    """Decisions of an AI that is wrong in a seventh of what its probability leaves open."""
    luck = random.Random(SEED)
    number = 0
    while True:
        for decision in decisions(20_000, seed=SEED + number, occurred_at=DAY):
            number += 1
            named = msgspec.structs.replace(decision, decision_id=f"{number:0{ID_DIGITS}d}")
            said = decision.recommendation
            right = 7 * luck.random() >= 1 - (said.probability or 0.0)
            facts = parse_facts(decision.facts)
            assert not isinstance(facts, Invalid)
            yield Submission(named, facts, said.action if right else decision.alternatives[0].action)


def _take(stream: Iterator[Submission], count: int) -> list[Submission]:
    return [next(stream) for _ in range(count)]


def _record(told: Told) -> Record:
    return told


def _incoming(topic: str, value: bytes) -> Incoming:
    return Incoming(topic, 0, 0, b"key", value, [], DAY)


def _timed(run: Callable[[], T]) -> tuple[float, T]:
    started = time.process_time()
    result = run()
    return time.process_time() - started, result


if __name__ == "__main__":
    typer.run(main)
