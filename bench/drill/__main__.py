"""``python -m bench.drill``: planned moves and disasters; ``... faults``: faults and their alerts."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from bench.drill import moves
from bench.drill.fault import RATE
from bench.drill.faults import FAULTS
from bench.drill.pipeline import AUTHORIZER
from bench.drill.site import POLICY, Site
from bench.drill.size import measure
from bench.drill.table import HEAD, PACES, calm, endure, row, write
from bench.drill.watcher import Watcher
from tests.kafka_broker import KafkaBroker, free_ports

EARLIER = "a6a80f7"
"""A version with which this one can take turns: their learning state has one format (docs/upgrading.md)."""
MOVES: dict[str, moves.Move] = {
    "upgrade": moves.upgrade,
    "earlier": moves.roll_from(EARLIER),
    "scale": moves.scale,
    "restore": moves.restore,
    "empty_store": moves.empty_store,
    "lost_log": moves.lost_log,
    "lost_secret": moves.lost_secret,
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    only: Annotated[str, typer.Option(help=f"Comma separated: {', '.join(MOVES)}.")] = "",
) -> None:
    """Run the moves one by one, each on a broker and a store of its own, and print what happened.

    Example: `python -m bench.drill --only upgrade,scale`
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started ends with us
    if context.invoked_subcommand:
        return
    wanted = [name.strip() for name in only.split(",") if name.strip()] or list(MOVES)
    if unknown := set(wanted) - set(MOVES):
        raise typer.BadParameter(f"unknown: {', '.join(sorted(unknown))}", param_hint="--only")
    print(
        "| move | s | what happened | counts, and what was lost or doubled |\n|---|---|---|---|", flush=True
    )
    for name in wanted:
        _run(name, MOVES[name])


@app.command()
def faults(
    only: Annotated[str, typer.Option(help="Comma separated names of faults; all unless given.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write the page here, too.")] = None,
    disk: Annotated[
        Path | None, typer.Option(help="A small file system of its own for the broker, to be filled.")
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(help="Keep each fault for so long, to try its runbook by hand; says how to get there."),
    ] = None,
) -> None:
    """Inject faults one by one into one running deployment under load, with a real Prometheus.

    Example: `mount -t tmpfs -o size=300m tmpfs /mnt/drill; python -m bench.drill faults --disk /mnt/drill`
    """
    names = [name.strip() for name in only.split(",") if name.strip()]
    wanted = [fault for fault in FAULTS if not names or fault.name in names]
    if disk is None:
        wanted = [fault for fault in wanted if fault.name != "full disk"]
    if seconds is not None:
        wanted = [msgspec.structs.replace(fault, seconds=seconds) for fault in wanted]
    on_disk = {"log.dirs": str(disk / "data"), "log.segment.bytes": "1048576"} if disk else {}
    broker = KafkaBroker({**AUTHORIZER, **on_disk})
    directory = Path(tempfile.mkdtemp(prefix="hitl-drill-faults-"))
    site = Site(directory, slots=2, broker=broker)
    watchers: list[Watcher] = []
    rows: list[str] = []
    try:
        for slot in (0, 1):
            site.start(slot)
            site.up(slot)
        ports = free_ports(len(PACES))
        for (pace, alerts), port in zip(PACES, ports, strict=True):
            place = directory / f"prometheus-{pace:.0f}"
            watchers.append(Watcher(place, port, site.ports, pace, alerts))
            watchers[-1].wait_ready()
        if seconds is not None:
            print(site.exports(), *(f"# {one.pace:.0f} times: {one.url}" for one in watchers), sep="\n")
        site.open_desks("ann", "bo")
        site.fed(site.feed(RATE * 60, RATE, sure=0.8))
        baseline = calm(watchers, 30)
        print(f"before any fault: {', '.join(sorted(baseline)) or 'no alert'}\n{HEAD}", flush=True)
        for fault in wanted:
            rows.append(row(endure(site, watchers, fault)))
            print(rows[-1], flush=True)
            if out is not None:
                write(rows, baseline, out)
            calm(watchers, 90, baseline)
    finally:
        for watcher in watchers:
            watcher.stop()
        site.close()


@app.command()
def size(
    count: Annotated[int, typer.Option(help="Decisions to submit.")] = 10_000,
    policy: Annotated[Path, typer.Option(help="Another policy than the drill's.")] = POLICY,
) -> None:
    """Print bytes per decision: on the broker's disk by topic, and in the store."""
    site = Site(Path(tempfile.mkdtemp(prefix="hitl-drill-size-")), policy=policy)
    try:
        found = measure(site, count)
    finally:
        site.close()
    print(f"{count} decisions, {found.reviews} reviews answered\n| where | bytes per decision |\n|---|--:|")
    for name, each in found.topics.items():
        print(f"| {name} | {each:,.0f} |")
    print(f"| all topics | {sum(found.topics.values()):,.0f} |\n| store | {found.store:,.0f} |")


def _run(name: str, move: moves.Move) -> None:
    directory = Path(tempfile.mkdtemp(prefix=f"hitl-drill-{name}-"))
    site, began = Site(directory, slots=3), time.monotonic()
    try:
        happened = move(site)
        site.settle()
        site.close_desks()
        verdict = site.judge()
    finally:
        site.close()
    print(f"| {name} | {time.monotonic() - began:.0f} | {happened} | {verdict} |", flush=True)


if __name__ == "__main__":
    app()
