"""The store under the load of a worker, while somebody else claims and decides.

The load does what the worker's agents do with a batch, by the same code: which decisions are repeats
(scoring), the histories of their subjects, the reviews, the briefs (review_request). One in four decisions
goes to people. It is a process of its own that keeps out of the way of the caller who is measured: it makes
what it enqueues beforehand, and runs while store and caller leave a core idle (what it reached is told).
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from app.domain.events import Arm, ConsequenceClass
from app.review_queue.cases import Brief, CaseFile
from app.review_queue.keys import Keys
from app.review_queue.queue import ReviewQueue
from app.review_queue.seen import SeenDecisions
from app.review_queue.store import Client, open_client
from app.review_queue.values import NewReview
from bench.processes import PROJECT, python_module

REVIEWS = 200
"""Reviews of a batch."""
SHARE = 4
"""Decisions for each review."""
HISTORY = 5
PREPARED = 20_000
"""Reviews that are made before the load begins; what goes beyond is made on the way."""
MEMORY = 30 * 86_400_000
DAY = 86_400_000
SUBJECTS = 5_000

Making = Callable[[int, int, int], Iterator[NewReview]]
"""Reviews from a number on, so many, each with so many bytes of record."""


class Load:
    """What a worker asks of the store for each batch."""

    def __init__(self, client: Client, queue: ReviewQueue, clock: Callable[[], int]) -> None:
        self._queue = queue
        self._clock = clock
        self._cases = CaseFile(client, Keys(), memory=MEMORY, length=HISTORY, clock=clock)
        self._seen = SeenDecisions(client, Keys(), window=DAY)
        self._subjects = random.Random(0)

    def __call__(self, reviews: list[NewReview], briefs: list[Brief]) -> None:
        """One batch."""
        ids = [one.decision_id for one in briefs]
        self._seen.claim(ids, [f"decisions.submitted[0]@{number}" for number in range(len(ids))])
        subjects = sorted({one.subject for one in briefs[::SHARE]})
        self._cases.histories(subjects, HISTORY)
        self._queue.enqueue_many(reviews)
        self._cases.remember_briefs(briefs)

    def briefs(self, reviews: list[NewReview]) -> list[Brief]:
        """Of the reviews' decisions, and of those that nobody was asked about."""
        now = self._clock()
        return [
            _brief(f"{new.decision_id}.{n}", f"emp-{self._subjects.randrange(SUBJECTS)}", now)
            for new in reviews
            for n in range(SHARE)
        ]


@contextmanager
def loaded(url: str, record: int, rate: float) -> Iterator[None]:
    """``rate`` reviews a second, or 0 for as fast as it can, until the end of the block."""
    loader = subprocess.Popen(
        python_module("bench.queue_load", url, "--record", str(record), "--rate", str(rate)),
        cwd=PROJECT,
        stdout=subprocess.PIPE,
    )
    try:
        assert loader.stdout is not None
        if not loader.stdout.readline():
            sys.exit("the load did not start")
        time.sleep(0.5)
        yield
    finally:
        loader.terminate()
        loader.wait(10)


@contextmanager
def no_rewrite(client: Client) -> Iterator[None]:
    """The store's rewrite of its log is over, and no other begins: its fork and its copy of the memory are
    another measurement."""
    setting = "auto-aof-rewrite-percentage"
    _, before = client.execute_command("CONFIG", "GET", setting)
    client.execute_command("CONFIG", "SET", setting, 0)
    while client.execute_command("INFO", "persistence")["aof_rewrite_in_progress"]:
        time.sleep(0.2)
    try:
        yield
    finally:
        client.execute_command("CONFIG", "SET", setting, before)


def _brief(decision_id: str, subject: str, now: int) -> Brief:
    return Brief(
        decision_id=decision_id,
        decision_type="expense.approval",
        subject=subject,
        learning_key="expense.approval|expenses:3",
        epoch=1,
        raw=0.93,
        probability=0.91,
        score=0.9,
        threshold=0.95,
        level=3,
        automated=False,
        evidence=False,
        evidence_probability=0.02,
        audit=False,
        audit_probability=0.0,
        arm=Arm.SHOWN,
        consequence_class=ConsequenceClass.LOW,
        recommendation="approve",
        action=None,
        received_at=now,
        pool="bench",
        submitted_by="svc-expenses",
    )


def run(load: Load, making: Making, record: int, rate: float) -> None:
    """Load until terminated."""
    first = time.time_ns() // 1_000_000 * 1000  # ids of its own, whenever it is started

    def batch(count: int) -> tuple[list[NewReview], list[Brief]]:
        reviews = list(making(first + count, REVIEWS, record))
        return reviews, load.briefs(reviews)

    prepared = [batch(count) for count in range(0, PREPARED, REVIEWS)]
    if hasattr(os, "SCHED_IDLE"):  # Linux: a nice process would still keep a core for a few ms
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    print("ready", flush=True)
    begin = time.perf_counter()
    for number in itertools.count():
        count = number * REVIEWS
        if rate:
            time.sleep(max(0.0, begin + count / rate - time.perf_counter()))
        load(*(prepared[number] if number < len(prepared) else batch(count)))


def main() -> None:
    from bench.queue_verbs import bench_queue, clock, reviews  # noqa: PLC0415 - it starts this module

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--record", type=int, default=1500)
    parser.add_argument("--rate", type=float, default=0.0)
    options = parser.parse_args()
    client = open_client(options.url, timeout=30)
    run(Load(client, bench_queue(client), clock), reviews, options.record, options.rate)


if __name__ == "__main__":
    main()
