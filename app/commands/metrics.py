"""``hitl metrics``: what is measured, as rules for Prometheus and as a page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from app.commands.output import print_remark
from app.errors import HitlError, UsageError
from app.settings import PROJECT
from app.telemetry.catalogue import METRICS
from app.telemetry.recording import recording_rules
from app.telemetry.reference import reference
from app.telemetry.targets import TARGETS

ALERTS = PROJECT / "grafana" / "prometheus" / "alerts.yml"

app = typer.Typer(
    help="What is measured: the 14 targets and every metric, as rules for Prometheus and as a page.",
    no_args_is_help=True,
)

Out = Annotated[Path | None, typer.Option("--out", help="Write to this file instead of standard output.")]


@app.command()
def targets(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """The 14 targets: what each should be, and the series that says what it is. Needs no service.

    Example: `hitl metrics targets --json`
    """
    if as_json:
        shown = (
            "name",
            "title",
            "group",
            "series",
            "by",
            "unit",
            "low",
            "high",
            "judged_series",
            "says",
            "alert",
        )
        print(json.dumps([{name: getattr(target, name) for name in shown} for target in TARGETS]))
        return
    for target in TARGETS:
        print(f"{target.title}: {target.says}\n    {target.judged_series or target.series}")


@app.command()
def names(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Every metric with its labels and what it means. Needs no service.

    Example: `hitl metrics names --json`
    """
    if as_json:
        print(msgspec.json.encode(list(METRICS.values())).decode())
        return
    for metric in METRICS.values():
        labels = f"{{{', '.join(metric.labels)}}}" if metric.labels else ""
        print(f"{metric.name}{labels} ({metric.kind.value})\n    {metric.help}")


@app.command()
def rules(out: Out = None) -> None:
    """The recording rules of Prometheus, from the formulas of the targets. Needs no service.

    Example: `hitl metrics rules --out grafana/prometheus/recording.yml`
    """
    _write(recording_rules(), out)


@app.command()
def docs(out: Out = None) -> None:
    """The page about metrics and targets, in Markdown. Needs no service, but the project's folder.

    Example: `hitl metrics docs --out docs/metrics.md`
    """
    try:
        text = ALERTS.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{ALERTS}: {error.strerror}", hint="run it from a checkout of the project"
        ) from error
    _write(reference(re.findall(r"- alert: (\w+)", text)), out)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        print(text, end="")
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise HitlError(
            f"{out} can not be written: {error.strerror}", hint="choose a folder that exists"
        ) from error
    print_remark(f"wrote {out}")
