"""Where a decision's time goes, without Kafka: ``python -m bench profile``."""

from __future__ import annotations

import cProfile
import gc
import pstats
import time
from collections.abc import Callable
from typing import TypeVar

import msgspec

from app.domain.confidence import Calibration
from app.domain.events import DecisionResolved, DecisionRouted, DecisionScored, DecisionSubmitted
from app.domain.evidence import draws
from app.domain.facts import Invalid, build_context, parse_facts
from app.domain.resolution import resolve_automated
from app.domain.routing import learning_key, route
from app.domain.scoring import assess
from app.domain.terms import Context, Terms
from app.settings import load_settings
from app.stream.headers import event_headers
from app.stream.records import Incoming
from bench.decisions import Templates
from bench.workload import SUBMITTED, Workload

T = TypeVar("T")


def main(count: int = 20_000, functions: int = 25) -> None:
    """Microseconds for each decision by step, then the functions that take most."""
    settings = load_settings()
    work = Workload.load(settings)
    now = int(time.time() * 1000)
    templates = Templates(work.codec, occurred_at=now)
    records = [templates.record(number) for number in range(count)]
    for key, value in records[:500]:
        work.handle(key, value, None, now)
        work.handle_naive(key, value, None, now)

    total, outputs = _timed(lambda: [work.handle(key, value, None, now) for key, value in records])
    naive, _ = _timed(lambda: [work.handle_naive(key, value, None, now) for key, value in records])
    people = sum(len(each) == 2 for each in outputs) / count
    sizes = (
        [len(value) for _, value in records],
        *([len(out.value) for each in outputs for out in each[n : n + 1]] for n in range(3)),
    )
    print(f"{count} decisions, {people:.1%} to people; bytes submitted/scored/routed/resolved: ", end="")
    print(" / ".join(f"{sum(each) / max(1, len(each)):.0f}" for each in sizes))
    print(
        f"handle {total / count * 1e6:.1f} us, naive (fastavro both ways) {naive / count * 1e6:.1f} us each\n"
    )

    for name, microseconds in steps(work, records, settings.secret, now):
        print(f"  {name:<42}{microseconds:7.2f} us  {microseconds / (total / count * 1e6):6.1%}")

    profile = cProfile.Profile()
    profile.enable()
    for key, value in records:
        work.handle(key, value, None, now)
    profile.disable()
    print(f"\nunder cProfile (slower, but the ranking holds), the top {functions} by own time:")
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(functions)


def steps(  # noqa: PLR0915 - one straight line
    work: Workload, records: list[tuple[bytes, bytes]], secret: bytes, now: int
) -> list[tuple[str, float]]:
    """Microseconds of each step, timed in place: a step run alone in a loop of its own finds its code
    and data in the processor's caches, and looks a third cheaper than it is. Expressions are evaluated
    inside ``assess`` and ``route``; what they take there is measured by wrapping them."""
    codec, calibration, clock = work.codec, Calibration(), time.perf_counter_ns
    spent: dict[str, int] = {}
    inside = 0

    def timed_expressions(terms: Terms) -> Terms:
        def wrap(evaluate: Callable[[Context], list[T]]) -> Callable[[Context], list[T]]:
            def run(context: Context) -> list[T]:
                nonlocal inside
                started = clock()
                result = evaluate(context)
                inside += clock() - started
                return result

            return run

        return msgspec.structs.replace(
            terms,
            evaluate_factors=wrap(terms.evaluate_factors),
            evaluate_rules=wrap(terms.evaluate_rules),
        )

    all_terms = {name: timed_expressions(terms) for name, terms in work.policy.terms.items()}

    def mark(name: str) -> None:
        nonlocal last, inside
        at = clock()
        spent[name] = spent.get(name, 0) + at - last - inside
        if inside:
            spent[f"{name}: CEL"] = spent.get(f"{name}: CEL", 0) + inside
            inside = 0
        last = clock()

    for key, value in records:
        last = clock()
        record = Incoming(SUBMITTED, 0, 0, key, value, [], now)
        mark("record")
        decision = codec.decode_as(value, DecisionSubmitted)
        mark("decode submitted")
        facts = parse_facts(decision.facts)
        assert not isinstance(facts, Invalid)
        mark("parse facts")
        context = build_context(decision, facts)
        mark("context for expressions")
        terms = all_terms[decision.decision_type]
        assessment = assess(decision, facts, context, now, terms, calibration)
        mark("assess")
        scored = codec.append(DecisionScored, codec.body(value, DecisionSubmitted), assessment)
        mark("append assessment")
        in_force = work.in_force(learning_key(decision), terms)
        drawn = draws(secret, decision.decision_id)
        mark("learning key and draws")
        chosen = route(decision, assessment, context, terms, in_force, drawn)
        mark("route")
        routed = codec.append(DecisionRouted, codec.body(scored, DecisionScored), chosen)
        mark("append route")
        event_headers("DecisionScored", decision.decision_id, record)
        event_headers("DecisionRouted", decision.decision_id, record, level=chosen.level)
        mark("headers of scored and routed")
        event = DecisionRouted(scored=DecisionScored(decision=decision, assessment=assessment), route=chosen)
        mark("event")
        if chosen.action is not None:
            resolution = resolve_automated(event)
            mark("resolve")
            codec.append(DecisionResolved, codec.body(routed, DecisionRouted), resolution)
            mark("append resolution")
            event_headers("DecisionResolved", decision.decision_id, record)
            mark("headers of resolved")
    return [(name, nanoseconds / len(records) / 1e3) for name, nanoseconds in spent.items()]


def _timed(run: Callable[[], T]) -> tuple[float, T]:
    """(seconds, result): the better of two runs, collector off, since others share the machine."""
    best = float("inf")
    gc.collect()
    gc.disable()
    try:
        for _ in range(2):
            started = time.perf_counter()
            result = run()
            best = min(best, time.perf_counter() - started)
    finally:
        gc.enable()
    return best, result
