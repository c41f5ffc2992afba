"""Reports as one HTML page that needs nothing else: no script, no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.domain.words import LEVELS, number
from app.lab import plots
from app.lab.comparison import Comparison, Moment
from app.lab.comparison_words import cautions, error_in_words, wrong_in_words
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
    percent=percent,
    between=between,
    number=number,
    wrong=wrong_in_words,
    thousands=lambda n: f"{n:,}",
    hours=lambda h: "-" if h is None else f"{h:,.1f}",
)


def page(report: Report) -> str:
    """The whole page of a simulation."""
    return _environment.get_template("simulated.html").render(
        report=report, plots=_plots(report), levels=LEVELS, size=plots
    )


def comparison_page(report: Comparison, how: str = "recorded") -> str:
    """The whole page of a policy beside another one; ``how`` says where the decisions come from."""
    highest = max((s.error.high for s in report.slices if s.automated), default=1.0)
    return _environment.get_template("compared.html").render(
        report=report,
        how=how,
        plots=_comparison_plots(report),
        levels=LEVELS,
        size=plots,
        cautions=cautions(report),
        error=error_in_words(report),
        widest=plots.rounded_up(highest) if highest > 0 else 1.0,
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
            highest=max(4.0, plots.rounded_up(max(point.evidence for point in r.over_time) * 1.1 or 1)),
            said=plots.whole,
        ),
    ]


def _comparison_plots(r: Comparison) -> Sequence[Plot]:
    if not r.over_time:
        return []
    xs = [moment.decisions for moment in r.over_time]
    work = [m.human_work or 0.0 for m in r.over_time] + [m.human_work_logged or 0.0 for m in r.over_time]
    errors = [moment.error if moment.error.judged else None for moment in r.over_time]
    alphas = sorted({threshold.alpha for threshold in r.thresholds})
    return [
        plot(
            "Automation",
            "Share of decisions that run alone, in each stretch.",
            xs,
            [
                Series("this policy", [m.automation_rate for m in r.over_time]),
                Series("really", [m.automation_rate_logged for m in r.over_time]),
            ],
            highest=1.0,
        ),
        plot(
            "Error of what would run alone, so far",
            "Estimated from blind answers, with its 95 % interval.",
            xs,
            [
                Series("estimate", [e.value if e else None for e in errors]),
                Series("at most", [e.high if e else None for e in errors]),
                Series("at least", [e.low if e else None for e in errors]),
                *(Series("allowed", [a] * len(xs), limit=True) for a in alphas),
            ],
            highest=_settled(r.over_time, alphas),
        ),
        plot(
            "Work of people",
            "Answers for each decision: reviews, checks, second looks, items with known truth.",
            xs,
            [
                Series("this policy", [m.human_work for m in r.over_time]),
                Series("really", [m.human_work_logged for m in r.over_time]),
            ],
            highest=max(1.0, plots.rounded_up(max(work) or 1.0)),
        ),
    ]


def _settled(moments: Sequence[Moment], limits: Sequence[float]) -> float:
    """The axis fits the limits and the intervals of the later half: first ones span everything."""
    later = [moment.error.high for moment in moments[len(moments) // 2 :]]
    return plots.rounded_up(max(*later, *(limit * 1.1 for limit in limits), 0.01))


def _capped(threshold: float | None) -> float | None:
    return None if threshold is None else min(threshold, 1.0)
