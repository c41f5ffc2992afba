"""A simulation's report as one HTML page that needs nothing else: no script, no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.domain.words import LEVELS, number
from app.lab import plots
from app.lab.plots import COLOURS, Plot, Series, plot
from app.lab.rendering import between, percent
from app.lab.report import Report

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(
    percent=percent, between=between, number=number, thousands=lambda n: f"{n:,}", share=lambda x: x or 0.0
)


def page(report: Report) -> str:
    """The whole page."""
    return _environment.get_template("page.html").render(
        report=report, plots=_plots(report), levels=LEVELS, size=plots
    )


def _plots(r: Report) -> Sequence[Plot]:
    if not r.over_time:
        return []
    xs = [point.decisions for point in r.over_time]
    alphas = sorted({threshold.alpha for threshold in r.thresholds})
    keys = [threshold.key for threshold in r.thresholds][:COLOURS]
    return [
        plot(
            "Automation",
            "Share of decisions that ran alone, in each stretch.",
            xs,
            [Series("automation", [point.automation_rate for point in r.over_time])],
            highest=1.0,
        ),
        plot(
            "Error of what ran alone",
            "Share that differs from the truth: in each stretch, and since the beginning.",
            xs,
            [
                Series("each stretch", [point.automated_error for point in r.over_time]),
                Series("so far", [point.automated_error_so_far for point in r.over_time]),
                *(Series("allowed", [a] * len(xs), limit=True) for a in alphas),
            ],
        ),
        plot(
            "Work of people",
            "Answers for each decision: reviews, checks, second looks, items with known truth.",
            xs,
            [Series("answers", [point.human_work for point in r.over_time])],
            highest=max(1.0, plots.rounded_up(max(point.human_work or 0.0 for point in r.over_time) or 1.0)),
        ),
        plot(
            "Threshold",
            "The score from which a decision runs alone; at the top everything is reviewed.",
            xs,
            [
                Series(key, [_capped(point.thresholds.get(key)) for point in r.over_time], steps=True)
                for key in keys
            ],
            lowest=0.5,
            highest=1.0,
            said=plots.score,
        ),
        plot(
            "Evidence",
            "Blind checks that the learner has had, all keys together.",
            xs,
            [Series("blind checks", [float(point.evidence) for point in r.over_time])],
            said=plots.whole,
        ),
    ]


def _capped(threshold: float | None) -> float | None:
    return None if threshold is None else min(threshold, 1.0)
