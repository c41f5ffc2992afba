"""``python -m bench.learning.whole``: learning's share of a deployment at work, and of the fused worker.

Apache Kafka, the store, and three workers: one scores and routes, one has review requests and outcomes, one
has drift. Decisions come at a fixed rate, simulated people answer through the queue's own verbs, so learning
goes its own way from "people decide everything" to automation. Each worker's CPU is measured from outside.
Then the worker that scores and routes alone, as fast as it can, with what it does for learning and without
(`unlearned.py`), in turns.
"""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from app.composition.parts import open_codec
from app.domain.events import ReviewRequested
from app.settings import load_settings
from app.stream.topics import Topic
from bench import throughput
from bench.bed import Bed
from bench.processes import Watched, python_module
from bench.tail import Load
from bench.variants import VARIANTS, Variant, environment
from tests.chaos.whole_loop import Desk, our_settings

PAGE = Path(__file__).with_name("whole.md")
UNLEARNED = Variant(
    name="unlearned",
    title="our worker, fused, without learning",
    promise="exactly-once",
    commands=(tuple(python_module("bench.learning.unlearned")),),
    extra=True,
)
AGENTS = ("scoring,routing", "review_request,outcome", "drift")
PEOPLE = ("ann", "bo", "cy")
OPEN_ERROR = 7
"""The AI is wrong in one of so many parts of what its probability leaves open."""
COLUMNS = ("seconds", "decisions", "asked of people", *AGENTS, "all", "drift's share")


class Part(msgspec.Struct, frozen=True):
    """A stretch of the run; CPU in microseconds for each decision, by worker."""

    until: float
    """Seconds since the load began."""
    decisions: int
    answers: int
    cpu: list[float]

    def row(self) -> str:
        """A line of the table."""
        costs = " | ".join(f"{each:.0f}" for each in (*self.cpu, sum(self.cpu)))
        share = self.cpu[-1] / sum(self.cpu)
        asked = self.answers / self.decisions
        return f"| {self.until:.0f} | {self.decisions:,} | {asked:.0%} | {costs} | {share:.1%} |"


def main(
    rate: Annotated[int, typer.Option(help="Decisions a second.", min=1)] = 300,
    minutes: Annotated[float, typer.Option(help="Length of the run.")] = 4.0,
    parts: Annotated[int, typer.Option(help="Stretches that are told apart.", min=1)] = 8,
    rounds: Annotated[int, typer.Option(help="Turns of the fused worker with and without.", min=2)] = 8,
    decisions: Annotated[int, typer.Option(help="Decisions in each.", min=10_000)] = 60_000,
    write: Annotated[bool, typer.Option(help="Write bench/learning/whole.md.")] = True,
) -> None:
    """Print what each worker's CPU came to, and learning's share of it."""
    with Bed() as bed:
        pairs = in_turns(bed, rounds, decisions)
        text = page(measure(bed, rate, minutes * 60 / parts, parts), rate, pairs)
    print(text)
    if write:
        PAGE.write_text(text, encoding="utf-8")


def measure(bed: Bed, rate: int, seconds: float, parts: int) -> list[Part]:
    """``parts`` stretches of ``seconds`` each."""
    with bed.topics("learning", learned=False) as prefix:
        env = environment(bed.cluster.bootstrap, prefix, bed.redis_url, bed.policy)
        workers = [
            Watched(
                python_module("app", "worker", "--agents", agents, "--slot", str(slot)),
                env,
                bed.logs / f"{prefix}{slot}.log",
            )
            for slot, agents in enumerate(AGENTS)
        ]
        settings, policy = our_settings(env)
        people = [Desk(settings, policy, name, 10_000_000, agreement()) for name in PEOPLE]
        try:
            for topic in (Topic.DECISIONS_SUBMITTED, Topic.DECISIONS_ROUTED, Topic.LEARNING_CASES):
                bed.cluster.await_workers(prefix, 1, workers, topic=topic)
            load = Load(bed, prefix, rate, seconds * parts)
            for person in people:
                person.start()
            found, began = [], time.time()
            for number in range(parts):
                since, before = began + number * seconds, _answers(people)
                time.sleep(max(0.0, since + seconds - time.time()))
                until = time.time()
                cpu = [1e6 * each.meter.cpu_between(since, until) / (rate * seconds) for each in workers]
                answered = _answers(people) - before
                found.append(Part(until - began, int(rate * seconds), answered, cpu))
                bed.say(found[-1].row())
            load.sent(patience=60)
            for worker in workers:
                worker.check()
        finally:
            for person in people:
                person.stop()
            for worker in workers:
                worker.stop()
    return found


def in_turns(bed: Bed, rounds: int, decisions: int) -> list[tuple[float, float]]:
    """CPU microseconds for each decision of the fused worker, (as it is, without learning), by round."""
    both = (VARIANTS["fused"], UNLEARNED)
    throughput.run_once(bed, both[0], decisions)  # the broker's compiler is warm from here on
    pairs = []
    for number in range(rounds):
        order = both if number % 2 else both[::-1]
        found = {variant.name: throughput.run_once(bed, variant, decisions)[0] for variant in order}
        pairs.append((found["fused"].cpu_us, found[UNLEARNED.name].cpu_us))
        bed.say(f"fused {pairs[-1][0]:.1f} us, without learning {pairs[-1][1]:.1f} us")
    return pairs


def agreement() -> Callable[[bytes], float]:
    """How probably a person approves what a record of a review request is about."""
    codec = open_codec(load_settings())

    def approves(record: bytes) -> float:
        said = codec.decode_as(record, ReviewRequested).routed.scored.decision.recommendation
        wrong = (1.0 - (said.probability or 0.0)) / OPEN_ERROR
        return 1.0 - wrong if said.action == "approve" else wrong

    return approves


def page(parts: list[Part], rate: int, pairs: list[tuple[float, float]]) -> str:
    """The page."""
    added = sorted(with_it - without for with_it, without in pairs)
    fused = statistics.median(with_it for with_it, _ in pairs)
    middle = statistics.median(added)
    at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    rows = "\n".join(part.row() for part in parts)
    where = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return f"""# Learning's share of a deployment at work

`python -m bench.learning.whole`, {at}, {where}.

Apache Kafka and the store on the same machine, {rate} decisions a second, three workers, and people who
answer whatever is asked, through the queue's verbs. Each row is a stretch of the run, up to the seconds it
names: at first people decide everything, then learning lets decisions run alone. Microseconds of CPU for each
decision, of all of a worker's process: agents, Kafka clients, store client, metrics.

| {" | ".join(COLUMNS)} |
|{" --- |" * len(COLUMNS)}
{rows}

## Of the fused worker

Scoring and routing in one worker, as fast as it can, {len(pairs)} rounds in turns with the same worker that
draws nothing and counts no traffic: {fused:.1f} us of CPU for each decision (median), of which learning adds
**{middle:.1f} us, {middle / fused:.1%}** (median of the rounds' differences, which lie between
{added[0]:.1f} and {added[-1]:.1f} us).
"""


def _answers(people: list[Desk]) -> int:
    return sum(len(person.answered) for person in people)


if __name__ == "__main__":
    typer.run(main)
