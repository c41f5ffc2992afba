"""The retraining chapter on half a screen, in plain words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Console

from app.demo.chapter import Certified, Chapter, Stretch, Version
from app.demo.rendering import WIDTH, interval, percent, sparkline


def render_chapter(chapter: Chapter, console: Console) -> None:
    """Print it, wrapped; the same words on a terminal and elsewhere."""
    lines = [line for text in _lines(chapter) for line in _wrapped(text)]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)


def _lines(chapter: Chapter) -> list[str]:
    made, alpha = chapter.training_set, percent(chapter.alpha, 0)
    before, after = chapter.before, chapter.after
    return [
        f"From people's answers to a better model  seed {chapter.seed}, {chapter.elapsed_s:.0f} s",
        "WHAT PEOPLE ANSWERED, AS A TRAINING SET",
        f"  Version 1 decided {chapter.answered:,} applications with people on the stream. Written as"
        " `hitl export training --all` does:",
        f"  {made.rows:,} answers to {made.decisions:,} decisions, {made.changed:,} of them unlike the AI;"
        f" {made.train:,} to train on, {made.test:,} to test on;",
        f"  weights up to {made.largest_weight:g} for what people saw by lot.",
        "THE NEW VERSION, ON THE TEST PART",
        _version(chapter.first),
        _version(chapter.second),
        f"  Few tests ({made.test:,}): no proof, but a reason to try it.",
        "IN SHADOW: VERSION 1 DECIDES, VERSION 2 RIDES ALONG AND ACTS ON NOTHING",
        f"  {chapter.shadowed:,} decisions; the same blind answers judge both. At most {alpha} of what runs"
        f" alone may be wrong, with {percent(1 - chapter.delta, 0)} certainty.",
        f"  version 1 ran alone    {_curve([step.automated for step in chapter.steps], chapter)}"
        f"  {_after(chapter.first_certified_after)}",
        f"  version 2 would have   {_curve([step.in_shadow or 0 for step in chapter.steps], chapter)}"
        f"  {_after(chapter.second_certified_after)}",
        _evidence("1", chapter.evidence_first),
        _evidence("2", chapter.evidence_second),
        "IN CHARGE: THE LAST DECISIONS OF VERSION 1, THE FIRST OF VERSION 2",
        _stretch("version 1", before),
        _stretch("version 2", after),
        f"  {_verdict(chapter)}",
        "SIMULATED HERE",
        f"  {' '.join(chapter.simulated)}",
    ]


def _version(version: Version) -> str:
    return (
        f"  version {version.name}: {version.facts:>2} facts, trained on {version.trained_on:,},"
        f" log-loss {version.log_loss:.3f}"
    )


def _curve(values: Sequence[float], chapter: Chapter) -> str:
    shadowed = len([step for step in chapter.steps if step.decisions <= chapter.shadowed])
    return sparkline(values[:shadowed])


def _after(decisions: int | None) -> str:
    return "never" if decisions is None else f"from {decisions:,} decisions on"


def _evidence(name: str, found: Certified) -> str:
    reached = f"certified from a score of {found.certified:.3f}" if found.certified else "not certified"
    needed = f" of about {found.labels + found.labels_needed:,}" if found.labels_needed else ""
    return f"  version {name}: {reached}; {found.labels:,}{needed} blind checks, {found.errors:,} errors"


def _stretch(name: str, found: Stretch) -> str:
    return (
        f"  {name}  {percent(found.automated.share):>6} ran alone, {percent(found.error.share):>5} of that"
        f" wrong ({interval(found.error)}), {found.human_work:.2f} answers of people per decision"
    )


def _verdict(chapter: Chapter) -> str:
    before, after = chapter.before.automated.share or 0, chapter.after.automated.share or 0
    if after <= before:
        return "No more automation: the new version did not earn it. That happens; nothing was risked."
    wrong = chapter.after.error.share or 0
    kept = "under the same limit" if wrong <= chapter.alpha else "ABOVE THE LIMIT"
    return f"{(after - before) * 100:.0f} points more automation, {kept} of {percent(chapter.alpha, 0)}."


def _wrapped(text: str) -> list[str]:
    """Lines of the page's width, as far in as the first.

    >>> len(_wrapped("  " + "word " * 30)), _wrapped("  a b")
    (2, ['  a b'])
    """
    margin = " " * (len(text) - len(text.lstrip()))
    return textwrap.wrap(text, WIDTH, subsequent_indent=margin, replace_whitespace=False) or [""]
