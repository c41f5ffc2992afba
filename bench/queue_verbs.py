"""Latency of the queue's verbs and memory per open review, at several depths, as a Markdown table.

    python -m bench.queue_verbs [--sizes 1000,100000,1000000] [--calls 2000] [--record 1500] [--no-peer]

BullMQ (a job queue on Redis, Node) does the same at each depth on the same server, before ours: add, take the
job with the best priority, complete. It keeps no state machine, no outbox and no answer, and completes jobs
with a token that is the caller's own choice.

Uses HITL_TEST_REDIS if set (an empty, throw-away server), else an embedded one on a unix socket. One
call in flight; the latency is what the Python caller sees. Memory is the growth of the server's
`used_memory`; "without the record" is the same less the bytes of the ReviewRequested record, for
comparison with queues whose items carry no context. Depends on the server's allocator.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.domain.answers import Verdict
from app.domain.events import ConsequenceClass, ReviewKind, ReviewRequest
from app.domain.review import QueueTerms, Reviewer, review_id_of
from app.review_queue.embedded import store
from app.review_queue.keys import Keys
from app.review_queue.queue import ReviewQueue
from app.review_queue.seen import SeenDecisions
from app.review_queue.store import open_client
from app.review_queue.values import NewReview
from bench.processes import PROJECT
from bench.queue_load import loaded, no_rewrite

BULLMQ_VERSION = "6.7.0"
BULLMQ_HOME = PROJECT / ".cache" / f"bench-bullmq-{BULLMQ_VERSION}"

POOL = "bench"
LOADS = (2000, 4000, 8000)
"""Decisions a second of a worker beside the one who claims: a quarter of them go to people."""
PERSON = Reviewer(name="ann", pools=frozenset({POOL}))
CLASSES = list(ConsequenceClass)


def clock() -> int:
    return time.time_ns() // 1_000_000


def bench_queue(client) -> ReviewQueue:
    return ReviewQueue(client, Keys(), [POOL], terms=QueueTerms(), clock=clock, durability=0)


def reviews(start: int, count: int, record: int):
    draw = random.Random(start)
    for n in range(start, start + count):
        decision, now = f"decision-{n:09d}", clock()
        request = ReviewRequest(
            review_id=review_id_of(POOL, decision, ReviewKind.REVIEW),
            kind=ReviewKind.REVIEW,
            pool=POOL,
            sla_class="standard",
            consequence_class=draw.choice(CLASSES),
            requested_at=now,
            deadline=now + draw.randrange(3_600_000, 72 * 3_600_000),
            approvals=1,
            blind=False,
            package="",
            package_digest=f"{draw.getrandbits(256):064x}",
        )
        yield NewReview(decision, request, draw.randbytes(record))


def memory(client) -> int:
    info = client.execute_command("INFO", "memory")
    return int(info["used_memory"])


def percentiles(samples: list[float]) -> tuple[float, float, float]:
    samples.sort()
    return tuple(1000 * samples[min(len(samples) - 1, int(q * len(samples)))] for q in (0.50, 0.95, 0.99))


def timed(calls: int, call) -> list[float]:
    samples = []
    for n in range(calls):
        begin = time.perf_counter()
        call(n)
        samples.append(time.perf_counter() - begin)
    return samples


def measure(client, size: int, calls: int, record: int):
    """Rows of (verb, p50, p95, p99) at this depth, load rate per second, bytes per open review."""
    client.execute_command("FLUSHALL", "SYNC")
    queue = bench_queue(client)
    before, begin, loading = memory(client), time.perf_counter(), 0.0
    for start in range(0, size, 1000):
        batch = list(reviews(start, min(1000, size - start), record))
        begin = time.perf_counter()
        queue.enqueue_many(batch)
        loading += time.perf_counter() - begin
        if sys.stderr.isatty():
            print(f"\r{start + len(batch):,} of {size:,}", end="", file=sys.stderr)
    each = (memory(client) - before) / size
    fresh = list(reviews(size, calls, record))
    leases = []
    rows = [("enqueue", timed(calls, lambda n: queue.enqueue(fresh[n])))]
    rows.append(("claim", timed(calls, lambda _: leases.append(queue.claim_next(POOL, PERSON).review))))

    def decide(n: int) -> None:
        review = leases[n]
        what = Verdict(action="approve", reasoning="the receipt matches")
        queue.decide(review.review_id, PERSON, review.epoch, review.digest, what)

    rows.append(
        ("extend", timed(calls, lambda n: queue.extend(leases[n].review_id, PERSON, leases[n].epoch)))
    )
    rows.append(("decide", timed(calls, decide)))
    rows.append(("stats", timed(min(calls, 200), lambda _: queue.stats())))
    return [(verb, *percentiles(samples)) for verb, samples in rows], size / loading, each


def under_load(url: str, client, calls: int, record: int, rate: float):
    """Claim and decide while a worker's load (``bench.queue_load``) enqueues ``rate`` reviews a second, or 0
    for as fast as it can."""
    queue = bench_queue(client)
    with no_rewrite(client), loaded(url, record, rate):
        depth = queue.stats()[0].open
        begin, leases = time.perf_counter(), []
        claims = timed(calls, lambda _: leases.append(queue.claim_next(POOL, PERSON).review))

        def decide(n: int) -> None:
            review = leases[n]
            what = Verdict(action="approve", reasoning="the receipt matches")
            queue.decide(review.review_id, PERSON, review.epoch, review.digest, what)

        answers = timed(calls, decide)
        reached = (queue.stats()[0].open + calls - depth) / (time.perf_counter() - begin)
    return percentiles(claims), percentiles(answers), reached


def bullmq(url: str, size: int, calls: int, record: int):
    """What BullMQ takes for the same, as measured by its own client; ``None`` without Node."""
    if shutil.which("npm") is None:
        return None
    if not (BULLMQ_HOME / "node_modules" / "bullmq").exists():
        BULLMQ_HOME.mkdir(parents=True, exist_ok=True)
        (BULLMQ_HOME / "package.json").write_text('{"type": "module"}', encoding="utf-8")
        install = [
            "npm",
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            f"bullmq@{BULLMQ_VERSION}",
            "ioredis@5.11.1",
        ]
        subprocess.run(install, cwd=BULLMQ_HOME, check=True, stdout=sys.stderr)
    script = BULLMQ_HOME / "bullmq_queue.mjs"  # beside its node_modules, where Node looks for them
    shutil.copy(PROJECT / "bench" / "peers" / "bullmq_queue.mjs", script)
    words = ["node", "--max-old-space-size=4096", str(script), url, str(size), str(calls), str(record)]
    said = subprocess.run(words, cwd=BULLMQ_HOME, check=True, stdout=subprocess.PIPE)
    return json.loads(said.stdout)


def durable_decide(client, calls: int, record: int):
    """What waiting for the disk costs (appendfsync everysec)."""
    client.execute_command("FLUSHALL", "SYNC")
    queue = ReviewQueue(client, Keys(), [POOL], terms=QueueTerms(), clock=clock, durability=3000)
    queue.enqueue_many(list(reviews(0, calls + 1, record)))
    leases = [queue.claim_next(POOL, PERSON).review for _ in range(calls + 1)]

    def decide(n: int) -> None:
        review = leases[n]
        queue.decide(review.review_id, PERSON, review.epoch, review.digest, Verdict(action="approve"))

    return percentiles(timed(calls, decide))


def repeats(client, batch: int = 2000, rounds: int = 20) -> tuple[float, float]:
    """Microseconds per id of SeenDecisions.claim: client CPU, and elapsed."""
    seen = SeenDecisions(client, Keys(), window=60_000)
    batches = [
        (
            [f"decision-{r}-{n}" for n in range(batch)],
            [f"decisions.submitted[3]@{r}{n}" for n in range(batch)],
        )
        for r in range(rounds)
    ]
    cpu, begin = time.process_time(), time.perf_counter()
    for ids, positions in batches:
        seen.claim(ids, positions)
    total = batch * rounds
    return 1e6 * (time.process_time() - cpu) / total, 1e6 * (time.perf_counter() - begin) / total


def print_rows(size: int, queue: str, rows, rate: float, each: float, record: int) -> None:
    for verb, p50, p95, p99 in rows:
        tail = f"{rate:,.0f} | {each:,.0f} | {each - record:,.0f}" if verb == "enqueue" else "| |"
        print(f"| {size:,} | {queue} | {verb} | {p50:.2f} | {p95:.2f} | {p99:.2f} | {tail} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="1000,100000,1000000")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--record", type=int, default=1500, help="bytes of a ReviewRequested record")
    parser.add_argument("--no-peer", action="store_true", help="without BullMQ")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as directory,
        store(os.environ.get("HITL_TEST_REDIS"), Path(directory)) as url,
    ):
        client = open_client(url, timeout=30)
        if client.execute_command("DBSIZE"):
            sys.exit(f"{url} is not empty: this benchmark flushes its server, give it one of its own")
        server = client.execute_command("INFO", "server")
        allocator = client.execute_command("INFO", "memory")["mem_allocator"]
        name = f"Valkey {server['valkey_version']}" if "valkey_version" in server else server["redis_version"]
        print(f"{name}, {allocator}, records of {options.record} B\n")
        print(
            "| open | queue | verb | p50 ms | p95 ms | p99 ms | load/s | B per open item"
            " | without the record |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        for size in (int(text) for text in options.sizes.split(",")):
            calls = min(options.calls, size)
            peer = None if options.no_peer else bullmq(url, size, calls, options.record)
            if peer is not None:
                rows = [(verb, *peer[verb]) for verb in ("enqueue", "claim", "decide")]
                print_rows(size, f"BullMQ {BULLMQ_VERSION}", rows, peer["load"], peer["each"], options.record)
            rows, rate, each = measure(client, size, calls, options.record)
            print_rows(size, "ours", rows, rate, each, options.record)
        loads = [(load / 4, f"what a worker asks for at {load:,} decisions/s") for load in LOADS]
        for asked, words in [*loads, (0.0, "all it can")]:
            claims, answers, rate = under_load(url, client, calls, options.record, asked)
            print(
                f"\nWhile a worker's load enqueues {rate:,.0f} reviews/s ({words}), at {size:,} open: "
                f"claim p50 {claims[0]:.2f}, p99 {claims[2]:.2f} ms; "
                f"decide p50 {answers[0]:.2f}, p99 {answers[2]:.2f} ms"
            )
        fork = client.execute_command("INFO", "stats")["latest_fork_usec"] / 1000
        print(f"\nThe fork for a rewrite of the log stopped the store for {fork:.0f} ms")
        waited = durable_decide(client, 10, options.record)
        print(f"\ndecide, confirmed on disk (everysec): p50 {waited[0]:.0f} ms, p95 {waited[1]:.0f} ms")
        cpu, elapsed = repeats(client)
        print(f"SeenDecisions.claim: {cpu:.2f} us of client CPU per id, {elapsed:.2f} us elapsed")
        client.close()


if __name__ == "__main__":
    main()
