"""``python -m bench``: everything side by side on Apache Kafka; ``python -m bench profile``: no Kafka."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from bench import latency, machine, page, profile, recovery, soak, throughput
from bench.bed import Bed
from bench.processes import PROJECT, python_module
from bench.results import Results
from bench.variants import VARIANTS, prepare_quix

PARTS = ("encryption", "latency", "recovery", "queue", "console", "soak")
PAGE = Path(__file__).with_name("results.md")
NUMBERS = Path(__file__).with_name("results.json")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    decisions: Annotated[int, typer.Option(help="Decisions for each variant.")] = 200_000,
    rounds: Annotated[int, typer.Option(help="Rounds of the throughput part.")] = 3,
    only: Annotated[
        str, typer.Option(help=f"Parts, comma separated: {', '.join((*VARIANTS, *PARTS))}.")
    ] = "",
    seconds: Annotated[float, typer.Option(help="Length of each latency measurement.")] = 60.0,
    kills: Annotated[int, typer.Option(help="Kills for each recovery case.")] = 5,
    soak_minutes: Annotated[float, typer.Option(help="Length of the soak.")] = 30.0,
    write: Annotated[
        bool, typer.Option("--write", help="Write the page even when only some parts were run.")
    ] = False,
) -> None:
    """Measure and write bench/results.md (a partial run only prints it)."""
    if context.invoked_subcommand:
        return
    wanted = [name.strip() for name in only.split(",") if name.strip()] or [*VARIANTS, *PARTS]
    unknown = set(wanted) - {*VARIANTS, *PARTS}
    if unknown:
        raise typer.BadParameter(f"unknown: {', '.join(sorted(unknown))}", param_hint="--only")
    variants = [variant for name, variant in VARIANTS.items() if name in wanted and not variant.extra]
    keep = write or not only
    results = Results.read(NUMBERS) if only and write else Results()
    if any(name.startswith("quix") for name in wanted) or "latency" in wanted:
        prepare_quix()

    def done() -> None:
        results.measured_at = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        results.machine = machine.describe()
        if keep:
            results.write(NUMBERS)
            PAGE.write_text(page.render(results), encoding="utf-8")

    with Bed() as bed:
        bed.say(f"logs of the measured processes: {bed.logs}")
        if set(wanted) - {"queue", "console"}:
            bed.say(f"warming the broker for {page.WARM_BROKER_SECONDS:g} s")
            latency.run(bed, VARIANTS["fused"], page.WARM_BROKER_RATE, page.WARM_BROKER_SECONDS)
        if variants:
            results.decisions = decisions
            results.throughput, results.unequal = throughput.run_rounds(bed, variants, decisions, rounds)
            done()
        parts: dict[str, Callable[[], None]] = {
            "encryption": lambda: _encryption(bed, results, decisions, rounds),
            "latency": lambda: _latency(bed, results, seconds),
            "recovery": lambda: _recovery(bed, results, kills),
            "queue": lambda: _queue(results),
            "console": lambda: _console(results),
            "soak": lambda: _soak(bed, results, soak_minutes),
        }
        for name, run in parts.items():
            if name in wanted:
                run()
                done()
    print(page.render(results))


@app.command("profile")
def profile_command(
    decisions: Annotated[int, typer.Option(help="Decisions to handle.")] = 20_000,
    functions: Annotated[int, typer.Option(help="Functions to list.")] = 25,
) -> None:
    """Where a decision's time goes: our codec and rules in this process, without Kafka."""
    profile.main(decisions, functions)


def _encryption(bed: Bed, results: Results, decisions: int, rounds: int) -> None:
    variants = [VARIANTS["fused"], VARIANTS["encrypted"]]
    results.encryption, _ = throughput.run_rounds(bed, variants, decisions, rounds)


def _latency(bed: Bed, results: Results, seconds: float) -> None:
    plan = [("fused", 1000), ("fused", 3000), ("staged", 1000), ("staged", 3000)]
    plan += [("bare", 1000), ("bare", 3000), ("faust", 1000), ("quix", 1000)]
    results.latency = []
    for name, rate in plan:
        found = latency.run(bed, VARIANTS[name], rate, seconds)
        bed.say(
            f"latency {name} at {rate}/s: p50 {found.p50:.1f}, p95 {found.p95:.1f}, p99 {found.p99:.1f} ms"
        )
        results.latency.append(found)


def _recovery(bed: Bed, results: Results, kills: int) -> None:
    results.recovery = []
    plan = [("fused", True, False, kills), ("fused-two", True, False, kills), ("fused-two", False, False, 2)]
    for name, restart, gently, count in [*plan, ("all", True, True, kills)]:
        found = recovery.run(
            bed, VARIANTS[name], rate=1000, kills=min(kills, count), restart=restart, gently=gently
        )
        bed.say(
            f"recovery {name}, {restart=}, {gently=}: stalls {[round(stall, 2) for stall in found.stalls]} s,"
            f" exits {[round(seconds, 2) for seconds in found.exits]} s"
        )
        results.recovery.append(found)


def _soak(bed: Bed, results: Results, minutes: float) -> None:
    found = soak.run(bed, VARIANTS["all"], rate=2000, minutes=minutes)
    bed.say(f"soak: {found.start_mb:.1f} -> {found.end_mb:.1f} MB")
    results.soak = [found]


def _queue(results: Results) -> None:
    said = subprocess.run(
        python_module("bench.queue_verbs"), cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True
    )
    results.queue = said.stdout.strip()


def _console(results: Results) -> None:
    said = subprocess.run(
        python_module("bench.console_pages"), cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=True
    )
    results.console = said.stdout.strip()


if __name__ == "__main__":
    app()
