"""`bench/results.md` from the numbers: tables, targets kept and missed, and how to run it again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.results import Results, targets
from bench.variants import VARIANTS

WARM_BROKER_RATE, WARM_BROKER_SECONDS = 3000.0, 60.0
"""Decisions/s, and for how long, before anything is measured: a broker that was just started still compiles
its own code; at first p99 is several times what it is after a minute."""


def render(results: Results) -> str:
    """The whole page."""
    return "\n".join(part for section in _sections(results) for part in (*section, "")).rstrip() + "\n"


def _sections(results: Results) -> Iterable[Sequence[str]]:
    yield [
        "# Benchmark",
        "",
        "Written by `make bench`; numbers of one machine, side by side. Do not edit by hand.",
        f"The broker first serves our fused worker for {WARM_BROKER_SECONDS:g} s at {WARM_BROKER_RATE:,.0f}"
        " decisions/s: one that was just",
        "started still compiles its own code.",
    ]
    yield ["## Targets", "", *_targets(results)]
    if results.throughput:
        yield ["## Throughput", "", _throughput_words(results), "", *_throughput(results)]
    if results.encryption:
        yield ["## Encryption", "", _encryption_words(results), "", *_encryption(results)]
    if results.latency:
        yield ["## Latency, submit to routed", "", _latency_words(results), "", *_latency(results)]
    if results.recovery:
        yield ["## Recovery after `kill -9` and SIGTERM", "", _RECOVERY_WORDS, "", *_recovery(results)]
    if results.queue:
        yield ["## Review queue", "", _QUEUE_WORDS, "", results.queue]
    if results.console:
        yield ["## Console", "", _CONSOLE_WORDS, "", results.console]
    if results.soak:
        yield ["## Memory", "", _SOAK_WORDS, "", *_soak(results)]
    yield ["## Machine", "", *_table(["what", "value"], [[k, v] for k, v in results.machine.items()])]
    yield ["## Run it again", "", _AGAIN]


_LATENCY_WORDS = """\
From the moment the producer hands a decision to its client until a read_committed consumer holds the
routed record, on one clock, for {seconds:g} s at a fixed load after 5 s of warm-up. Every decision counts.
Quix Streams commits every 5 s by default, and readers see nothing before: that is its row, not an error."""

_RECOVERY_WORDS = """\
1,000 decisions/s; a worker is killed with SIGKILL, or ended with SIGTERM, at random moments. The stall is
the longest silence of any partition that a read_committed consumer sees. *Started again at once*: same slot,
so the group takes it back without a rebalance. After SIGKILL the process above the worker forks the next
one, as `hitl worker` does by itself; after SIGTERM all of it ends and is started from nothing, as an upgrade
does. Where *another takes over*, the process above was killed as well, nobody starts it again, and the group
must first believe that it is gone (session timeout, 10 s)."""

_QUEUE_WORDS = """\
One client, one call after another, over a local socket, with so many reviews open
(`python -m bench.queue_verbs`)."""

_CONSOLE_WORDS = """\
Time of each whole request in the server and size as sent, uncompressed; one browser, one request after
another, signed in as a lead (`python -m bench.console_pages`)."""

_SOAK_WORDS = """\
Resident memory of the worker, sampled ten times a second. The first third is warm-up and counts only for the
peak; start, end and slope are of means of 20 s after it. The interval (95 %) takes into account that
neighbours resemble each other. Nobody answers: without labels `drift` lets nothing be automated, and every
decision becomes a review. *Behind* is what `review_request` had still to read at the end; where that is much,
its batches are as large as they get."""

_AGAIN = """\
```
make bench                                   # everything, an hour and a half on two cores
.venv/bin/python -m bench --only fused,bare  # a part, printed and not written
.venv/bin/python -m bench --only latency --write   # a part, replaced on this page
.venv/bin/python -m bench profile            # where a decision's time goes, without Kafka
```
It starts Apache Kafka by itself (Java and Maven on the path; jars come from Maven Central once), or uses
the broker in `HITL_TEST_KAFKA`; Quix Streams gets a virtualenv of its own under `.cache/`. Leave the
machine alone meanwhile: broker, load and workers share its cores, as in every row of these tables."""


def _throughput_words(results: Results) -> str:
    low, high = (f(s.automated for s in results.throughput) for f in (min, max))
    same = (
        "A sample of the records that the variants wrote was decoded and compared: all equal."
        if not results.unequal
        else f"**{len(results.unequal)} records differ between variants**: " + "; ".join(results.unequal[:3])
    )
    people = f"{1 - high:.0%}" + ("" if round(low, 2) == round(high, 2) else f" to {1 - low:.0%}")
    return f"""\
{results.decisions:,} `expense.approval` decisions (fewer for slow variants) through the example policy: five
factors and the rules in CEL, five signals, routing with reasons; {people} go to people. Each variant writes
`decisions.scored`, `decisions.routed` and, for what is automated, `decisions.resolved`. The records wait in
an open transaction until the workers own their partitions; the rate is taken from the broker's own append
times between 5 % and 95 % of the records. Medians over {results.throughput[0].rounds} rounds in turns, the
range in brackets. CPU is that of all processes of the variant together. {same}{_most(results)}"""


def _most(results: Results) -> str:
    """What the cores could give at most to two workers, when all of them do nothing else."""
    two = next((s for s in results.throughput if s.variant == "fused-two"), None)
    cores = results.machine.get("Logical cores")
    if two is None or two.broker_cpu_us is None or cores is None:
        return ""
    wanted = two.cpu_us + two.broker_cpu_us
    most = int(cores) / wanted * 1e6
    return f"""
Two fused workers and the broker want {wanted:.0f} us of CPU for each decision: {cores} cores that do nothing
else give {most:,.0f} decisions/s, and {two.per_second / most:.0%} of that was had."""


def _encryption_words(results: Results) -> str:
    plain, encrypting = results.encryption
    return f"""\
The same decisions, about 5,000 people, through the fused worker without and with `privacy.encrypt`, in
turns: a decision takes **{encrypting.cpu_us / plain.cpu_us:.2f}x** the CPU of the worker, at
{encrypting.per_second / plain.per_second:.0%} of the rate. Each person's first decision makes a key."""


def _encryption(results: Results) -> list[str]:
    rows = [
        [
            VARIANTS[s.variant].title,
            f"**{s.per_second:,.0f}** ({s.slowest:,.0f}-{s.fastest:,.0f})",
            f"{s.cpu_us:.0f}",
            f"{s.peak_mb:.0f}",
            f"{s.lost} / {s.doubled}",
        ]
        for s in results.encryption
    ]
    return _table(
        ["variant", "decisions/s", "CPU us each", "peak MB", "lost / doubled"], rows, numbers=range(1, 5)
    )


def _throughput(results: Results) -> list[str]:
    bare = next((s.per_second for s in results.throughput if s.variant == "bare"), None)
    rows = [
        [
            VARIANTS[s.variant].title,
            VARIANTS[s.variant].promise,
            f"**{s.per_second:,.0f}** ({s.slowest:,.0f}-{s.fastest:,.0f})",
            f"{s.per_second / bare:.0%}" if bare else "",
            f"{s.cpu_us:.0f}",
            "" if s.broker_cpu_us is None else f"{s.broker_cpu_us:.0f}",
            f"{s.peak_mb:.0f}",
            f"{s.lost} / {s.doubled}",
        ]
        for s in results.throughput
    ]
    head = ["variant", "promise", "decisions/s", "of bare", "CPU us each", "broker CPU us", "peak MB"]
    return _table([*head, "lost / doubled"], rows, numbers=range(2, 8))


def _latency_words(results: Results) -> str:
    return _LATENCY_WORDS.format(seconds=min(row.seconds for row in results.latency))


def _latency(results: Results) -> list[str]:
    rows = [
        [
            VARIANTS[each.variant].title,
            f"{each.rate:,.0f}",
            *(f"{value:,.1f}" for value in (each.p50, each.p95, each.p99, each.worst)),
            f"{each.lost} / {each.doubled}",
        ]
        for each in results.latency
    ]
    return _table(
        ["variant", "decisions/s", "p50 ms", "p95 ms", "p99 ms", "worst ms", "lost / doubled"],
        rows,
        numbers=range(1, 7),
    )


def _recovery(results: Results) -> list[str]:
    rows = [
        [
            VARIANTS[each.variant].title,
            "SIGTERM" if each.exits else "SIGKILL",
            "started again at once" if each.restarted else "another takes over",
            f"{len(each.stalls)}",
            f"{each.median:.1f}",
            f"{each.worst:.1f}",
            f"{max(each.exits):.1f}" if each.exits else "",
            f"{each.lost} / {each.doubled}",
        ]
        for each in results.recovery
    ]
    head = ["variant", "signal", "then", "times", "median s", "worst s", "exit s, worst", "lost / doubled"]
    return _table(head, rows, numbers=range(3, 8))


def _soak(results: Results) -> list[str]:
    rows = [
        [
            VARIANTS[each.variant].title,
            f"{each.rate:,.0f}",
            f"{each.minutes:g}",
            f"{each.start_mb:.1f}",
            f"{each.end_mb:.1f}",
            f"{each.peak_mb:.1f}",
            f"{each.slope:+.1f} [{each.slope_low:+.1f}, {each.slope_high:+.1f}]",
            f"{each.behind:,}",
            f"{each.lost} / {each.doubled}",
        ]
        for each in results.soak
    ]
    head = [
        "variant",
        "decisions/s",
        "minutes",
        "start MB",
        "end MB",
        "peak MB",
        "slope MB/h",
        "behind",
        "lost / doubled",
    ]
    return _table(head, rows, numbers=range(1, 9))


def _targets(results: Results) -> list[str]:
    word = {True: "met", False: "**missed**", None: "not measured"}
    rows = [[target.text, target.found, word[target.met]] for target in targets(results)]
    return _table(["target", "found", ""], rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> list[str]:
    right = set(numbers)
    rule = ["--:" if column in right else "---" for column in range(len(head))]
    return ["| " + " | ".join(cells) + " |" for cells in (head, rule, *rows)]
