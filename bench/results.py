"""What a benchmark found, as numbers; kept beside the page so that a part can be run again alone."""

from __future__ import annotations

import math
import re
from pathlib import Path

import msgspec

from bench.latency import Latency
from bench.recovery import Recovery
from bench.soak import Soak
from bench.throughput import Summary


class Results(msgspec.Struct):
    """Everything on the page. A part that was not run is empty."""

    measured_at: str = ""
    machine: dict[str, str] = {}
    decisions: int = 0
    unequal: list[str] = []
    """Records that two variants wrote differently; empty is as it should be."""
    throughput: list[Summary] = []
    encryption: list[Summary] = []
    """The fused worker without and with encryption, in turns."""
    latency: list[Latency] = []
    recovery: list[Recovery] = []
    queue: str = ""
    """What `bench.queue_verbs` printed, a Markdown table."""
    console: str = ""
    """What `bench.console_pages` printed, a Markdown table."""
    soak: list[Soak] = []

    @classmethod
    def read(cls, path: Path) -> Results:
        """The results of an earlier run, or empty ones."""
        return msgspec.json.decode(path.read_bytes(), type=cls) if path.exists() else cls()

    def write(self, path: Path) -> None:
        """As JSON, indented for diffs."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")


class Target(msgspec.Struct, frozen=True):
    """A promise of the project and how it was kept; ``met`` is None when it was not measured."""

    text: str
    found: str
    met: bool | None


def targets(results: Results) -> list[Target]:
    """Each target with what was found. Nothing is rounded in our favour."""
    rate = {summary.variant: summary.per_second for summary in results.throughput}
    return [
        _ratio(rate, "fused", "bare", 0.85, "fused worker >= 85 % of the bare loop without transactions"),
        _rate(rate, 10_000),
        _ratio(rate, "fused-two", "fused", 1.7, "two fused workers on two cores >= 1.7x one"),
        _ratio(rate, "fused", "quix", 1.0, "ahead of Quix Streams exactly-once with our codec"),
        _ratio(rate, "fused", "quix-naive", 1.8, ">= 1.8x Quix Streams as its users write it"),
        _ratio(rate, "fused", "faust", 4.0, ">= 4x a plain Faust agent"),
        _p99(results, 1000, 35),
        _p99(results, 3000, 60),
        _stall(results, 2.0),
        _exit(results, 5.0),
        _memory(results, 250),
        _flat(results),
        _claims(results, 5.0),
        _pages(results),
        _intact(results),
    ]


def _ratio(rate: dict[str, float], ours: str, theirs: str, least: float, text: str) -> Target:
    if ours not in rate or theirs not in rate:
        return Target(text, "not measured", None)
    found = rate[ours] / rate[theirs]
    return Target(text, f"{found:.2f}x", found >= least)


def _rate(rate: dict[str, float], least: float) -> Target:
    text = f"fused worker >= {least:,.0f} decisions/s on one core"
    if "fused" not in rate:
        return Target(text, "not measured", None)
    return Target(text, f"{rate['fused']:,.0f}/s", rate["fused"] >= least)


def _p99(results: Results, load: float, most: float) -> Target:
    text = f"p99 submit to routed < {most:g} ms at {load:,.0f}/s"
    for latency in results.latency:
        if latency.variant == "fused" and latency.rate == load:
            return Target(text, f"{latency.p99:.1f} ms", latency.p99 < most)
    return Target(text, "not measured", None)


def _stall(results: Results, most: float) -> Target:
    text = f"stall after kill -9, started again at once, <= {most:g} s (worst)"
    worst = [each.worst for each in results.recovery if each.restarted and not each.exits]
    return (
        Target(text, f"{max(worst):.1f} s", max(worst) <= most)
        if worst
        else Target(text, "not measured", None)
    )


def _exit(results: Results, most: float) -> Target:
    text = f"a worker ends within {most:g} s of SIGTERM, under load (worst)"
    found = [seconds for each in results.recovery for seconds in each.exits]
    return (
        Target(text, f"{max(found):.1f} s", max(found) <= most)
        if found
        else Target(text, "not measured", None)
    )


def _memory(results: Results, most: float) -> Target:
    text = f"memory of a worker < {most:g} MB"
    peaks = [s.peak_mb for s in results.throughput if s.variant.startswith("fused")]
    peaks += [s.peak_mb for s in results.soak]
    return (
        Target(text, f"{max(peaks):.0f} MB", max(peaks) < most)
        if peaks
        else Target(text, "not measured", None)
    )


def _flat(results: Results) -> Target:
    text = "memory flat: no growth shown (95 %), or below 2 % over the soak's last two thirds"
    if not results.soak or any(math.isnan(s.slope) for s in results.soak):
        return Target(text, "not measured", None)  # no soak, or too short a one
    flat = [s.slope_low <= 0 or s.end_mb - s.start_mb < 0.02 * s.start_mb for s in results.soak]
    found = "; ".join(f"{s.slope:+.1f} MB/h [{s.slope_low:+.1f}, {s.slope_high:+.1f}]" for s in results.soak)
    return Target(text, found, all(flat))


_UNDER_LOAD = re.compile(
    r"enqueues ([\d,]+) reviews/s \(what a worker asks for at ([\d,]+) decisions/s\), at 1,000,000 open: "
    r"claim p50 [\d.]+, p99 ([\d.]+) ms; decide p50 [\d.]+, p99 ([\d.]+) ms"
)
_WITHIN = re.compile(r"(\d+) of (\d+) pages within .+?;")


def _claims(results: Results, most: float) -> Target:
    text = f"p99 of claim and decide < {most:g} ms at 1,000,000 open reviews, under a worker's load"
    loads = _UNDER_LOAD.findall(results.queue)
    if not loads:
        return Target(text, "not measured", None)
    found = "; ".join(f"{claim} and {decide} ms at {rate}/s" for rate, _, claim, decide in loads)
    if any(max(float(claim), float(decide)) >= most for _, _, claim, decide in loads):
        return Target(text, found, False)
    reached = [_number(rate) >= 0.9 * _number(decisions) / 4 for rate, decisions, _, _ in loads]
    return Target(text, found, True if all(reached) else None)  # else the machine had other things to do


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _pages(results: Results) -> Target:
    text = "every page of the console within 100 ms and 150 kB at 100,000 open reviews"
    found = _WITHIN.search(results.console)
    if found is None or not results.console.startswith("100,000 reviews open"):
        return Target(text, "not measured", None)
    within, pages = found.groups()
    return Target(text, f"{within} of {pages}", within == pages)


def _intact(results: Results) -> Target:
    text = "our workers: nothing lost, nothing doubled, in every part; all variants write equal records"
    ours = ("fused", "fused-two", "staged", "all", "encrypted")
    parts = [*results.throughput, *results.encryption, *results.latency, *results.recovery, *results.soak]
    mine = [part for part in parts if part.variant in ours]
    if not mine:
        return Target(text, "not measured", None)
    lost, doubled = sum(p.lost for p in mine), sum(p.doubled for p in mine)
    found = f"lost {lost}, doubled {doubled}, unequal {len(results.unequal)}"
    return Target(text, found, not (lost or doubled or results.unequal))
